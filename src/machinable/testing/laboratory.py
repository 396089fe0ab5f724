"""A project of its own with components in it, scripts that run there, and what they leave behind, made comparable."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from machinable.testing.subjects import module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Laboratory", "Outcome", "attempts", "records"]

_PRELUDE = """\
import json, os, signal, sys, time
from machinable import Component, Experiment, Storage, execute, get, grid
from machinable.errors import ExecutionFailed

def engine(**more):
    return get({engine!r}, {{**{version!r}, **more}})

def tell(value):
    with open(__file__ + ".told", "a") as file:  # components may print to standard output
        file.write(json.dumps(value) + "\\n")

"""

#: What differs from one run to the next in the documents of a record: times, hosts, processes, names of engines.
_VOLATILE = {
    "document": ("timestamp",),
    "started": ("time", "owner", "engine", "run", "environment", "host", "machine"),
    "end": ("time", "seconds"),
    "checkpoint": ("time",),
}
_RANK_LOG = re.compile(r"output(-[0-9]+)?-rank[0-9]+\.log")


class Outcome:
    """How a script ended."""

    __slots__ = ("code", "errors", "output", "told")

    def __init__(self, code: int, told: list[Any], output: str, errors: str) -> None:
        self.code = code
        self.told = told  # what it gave to `tell`
        self.output = output
        self.errors = errors

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.output}\n{self.errors}"


class Laboratory:
    """A project in a directory of its own.

    Args:
        root: An empty directory that is there.
        engine: The engine's name, as for `get`.
        version: Its version.
        modules: Files to write besides, their sources by name.
        environment: Variables to set for scripts.
        seconds: How long anything is waited for.
    """

    def __init__(
        self,
        root: Path,
        engine: str,
        version: dict[str, Any],
        modules: dict[str, str],
        environment: dict[str, str],
        seconds: float,
    ) -> None:
        self.root = root
        self._prelude = _PRELUDE.format(engine=engine, version=version)
        self._environment = environment
        self._seconds = seconds
        self._scripts = 0
        self._started: list[subprocess.Popen[str]] = []
        self.write("pyproject.toml", "[tool.machinable]\n")
        self.write("subject.py", module(str(root)))
        for name, source in modules.items():
            self.write(name, source)

    def write(self, name: str, source: str) -> None:
        """Writes a file of the project."""
        (self.root / name).write_text(textwrap.dedent(source), encoding="utf-8")

    # --- scripts

    def start(self, source: str, *arguments: str) -> subprocess.Popen[str]:
        """Starts a script in which `engine(**version)` is the engine, and `tell(value)` says something to the test."""
        self._scripts += 1  # a file for each: another may still be read
        name = f"script_{self._scripts}.py"
        self.write(name, self._prelude + textwrap.dedent(source))
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MACHINABLE_")}
        process = subprocess.Popen(
            [sys.executable, name, *arguments],
            cwd=self.root,
            env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **self._environment},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> Outcome:
        """How a script ended, when it has."""
        try:
            output, errors = process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(
                f"the script did not end within {self._seconds:g} s\n{output}\n{errors}"
            ) from None
        words: Any = process.args
        told = self.root / f"{words[1]}.told"
        lines = told.read_text().splitlines() if told.exists() else []
        return Outcome(process.returncode, [json.loads(line) for line in lines], output, errors)

    def run(self, source: str, *arguments: str) -> Outcome:
        """Runs a script, which has to end with 0."""
        outcome = self.end(self.start(source, *arguments))
        assert outcome.code == 0, str(outcome)
        return outcome

    def command(self, *words: str) -> tuple[int, str, str]:
        """Runs `machinable …` in the project. Returns exit code, standard output and standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "machinable", *words],
            cwd=self.root,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **self._environment},
            text=True,
            capture_output=True,
            timeout=self._seconds,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Waits until something is so."""
        end = time.monotonic() + self._seconds
        while not condition():
            assert time.monotonic() < end, f"waited in vain until {what}"
            time.sleep(0.02)

    def close(self) -> None:
        """Ends what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    # --- what is left behind

    def ran(self) -> list[str]:
        """The ID of each run of a subject, in order."""
        path = self.root / "ran.txt"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def hurry(self) -> None:
        """Lets every subject that waits end, and those to come not wait at all."""
        (self.root / "hurry").touch()

    def states(self, execution: str = "results/00000g") -> dict[str, list[str]]:
        """How each attempt of each component of an execution ended, by ID; `open`, if it has no end."""
        return {
            path.name: [lines[-1]["kind"] if len(lines) > 1 else "open" for lines in attempts(path)]
            for path in sorted((self.root / execution).glob("[!.]*"))
        }

    def leftovers(self, storage: str = "results") -> list[str]:
        """Hidden files, half-built or temporary, that nobody has cleared away."""
        found = (path for path in (self.root / storage).rglob(".*") if path.name != ".machinable")
        return sorted(str(path) for path in found)


def attempts(record: Path) -> list[list[dict[str, Any]]]:
    """The lines of each attempt of a record, read without machinable. One that is being written may be cut."""
    paths = sorted(
        (record / ".machinable").glob("attempt-*.jsonl"), key=lambda path: int(path.stem.partition("-")[2])
    )
    return [
        [
            json.loads(line)
            for line in path.read_text(encoding="utf-8").splitlines(True)
            if line.endswith("\n")
        ]
        for path in paths
    ]


def records(execution: Path) -> dict[str, Any]:
    """Every file of every record in a directory, by its path, without what differs from run to run.

    Files of users are bytes. Logs of further ranks are left out.
    """
    found: dict[str, Any] = {}
    for record in sorted(execution.glob("[!.]*")):
        for path in sorted(record.rglob("*")):
            if path.is_file() and not _RANK_LOG.fullmatch(path.name):
                found[path.relative_to(execution).as_posix()] = _content(path, record)
    return found


def _content(path: Path, record: Path) -> Any:
    data = path.read_bytes()
    if path.parent == record / ".machinable" and path.name.startswith("attempt-"):
        first, *others = [json.loads(line) for line in data.splitlines()]
        return [_without("started", first), *(_without("end", line) for line in others)]
    if path == record / ".machinable" / "component.json":
        return _without("document", json.loads(data))
    if path.name == "checkpoint.json":
        return _without("checkpoint", json.loads(data))
    return data


def _without(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    left = {key: value for key, value in document.items() if key not in _VOLATILE[kind]}
    exception = left.get("exception")
    if isinstance(exception, dict):  # how machinable came there is not the user's part of it
        left["exception"] = {key: exception.get(key) for key in ("type", "message")}
    return left
