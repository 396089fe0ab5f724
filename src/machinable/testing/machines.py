"""Two machines that share nothing but a storage: processes with caches of their own, which run pieces of Python."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

__all__ = ["Machines", "Step"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PRELUDE = """\
import json, os, signal, sys, time
from machinable import Component, Experiment, Storage, errors, execute, get, grid
from machinable.errors import MachinableError, StorageError
"""

# It forks for each piece: that is as good as a new process, and does not load everything anew. It never loads what is
# of one project, so all of them share it.
_WORKER = """
import atexit, json, os, pkgutil, signal, sys, threading, traceback
import machinable, msgspec, sqlite3

for part in ("cli", "collection", "copying", "engines", "execution", "index", "records", "store", "upkeep"):
    package = __import__(f"machinable.{part}", fromlist=["*"])
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        __import__(found.name)
for name in sys.argv[1:]:
    __import__(name)

def run(step):
    os.environ.clear()
    os.environ.update(step["environment"])
    os.chdir(step["project"])
    told = []
    names = {"__name__": "steps", "tell": told.append, "url": step["url"]}
    code = 0
    try:
        exec(compile(step["source"], step["name"], "exec"), names)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return {"code": code, "told": told}

def redirect(step):
    descriptor = os.open(step["name"] + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)

def done(step, outcome):
    with open(step["name"] + ".part", "w") as file:
        json.dump(outcome, file)
    os.rename(step["name"] + ".part", step["name"] + ".done")

for line in sys.stdin:
    step = json.loads(line)
    if not step["fork"]:
        redirect(step)
        done(step, run(step))
        continue
    pid = os.fork()
    if pid:
        with open(step["name"] + ".pid", "w") as file:
            file.write(str(pid))
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for it
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    redirect(step)
    outcome = run(step)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    done(step, outcome)
    os._exit(outcome["code"])
"""


class Step:
    """A piece of Python that runs, or ran, on one of the machines."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds

    @property
    def output(self) -> str:
        """What it printed."""
        path = Path(f"{self._name}.log")
        return path.read_text() if path.exists() else ""

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return os.path.exists(f"{self._name}.done")

    def end(self, code: int | None = 0) -> list[Any]:
        """What it told, when it has ended, which has to be with this exit code."""
        until(lambda: self.is_done, "the end of a step", self._seconds, lambda: self.output)
        outcome = json.loads(Path(f"{self._name}.done").read_text())
        assert code is None or outcome["code"] == code, self.output
        told: list[Any] = outcome["told"]
        return told

    def kill(self) -> None:
        """Kills its process, as the kernel does that runs out of memory."""
        path = Path(f"{self._name}.pid")
        until(lambda: path.exists() and path.read_text(), "a process", self._seconds, lambda: self.output)
        pid = int(path.read_text())
        os.kill(pid, signal.SIGKILL)
        until(lambda: not _lives(pid), "the end of a process", self._seconds, lambda: self.output)


class Machines:
    """A project on several machines.

    Args:
        root: An empty directory.
        url: Of the storage.
        one_process: Whether all of it has to happen in one process, since the storage lies in its memory.
        preload: Modules to load before any piece runs.
        seconds: How long anything is waited for.
    """

    def __init__(
        self, root: Path, url: str, one_process: bool, preload: Sequence[str], seconds: float
    ) -> None:
        self.root = root
        self.url = url
        self._one_process = one_process
        self._preload = tuple(preload)
        self._seconds = seconds
        self._steps = 0
        self._own: subprocess.Popen[str] | None = None
        self.write("pyproject.toml", "[tool.machinable]\n")

    def write(self, name: str, source: str) -> None:
        """Writes a file of the project."""
        (self.root / name).write_text(textwrap.dedent(source), encoding="utf-8")

    def start(self, source: str, machine: str = "here") -> Step:
        """Starts a piece of Python, in which `url` is the storage's, and `tell(value)` says something to the test."""
        self._steps += 1
        name = str(self.root / f".step-{self._steps}")
        step = {
            "name": name,
            "source": _PRELUDE + textwrap.dedent(source),
            "project": str(self.root),
            "url": self.url,
            "fork": not self._one_process,
            "environment": {**self._environment(), "MACHINABLE_CACHE": str(self.root / f".cache-{machine}")},
        }
        _say(self._working(), json.dumps(step))
        return Step(name, self._seconds)

    def run(self, source: str, machine: str = "here") -> list[Any]:
        """Runs it, and returns what it told."""
        return self.start(source, machine).end()

    def command(self, *words: str, machine: str = "here", code: int | None = 0) -> str:
        """Runs `machinable --storage URL …`, and returns what it printed."""
        step = self.start(
            f"from machinable.cli import main\nsys.exit(main(['--storage', url, *{list(words)!r}]))", machine
        )
        step.end(code)
        return step.output

    def until(self, condition: Any, what: str) -> None:
        """Waits until something is so."""
        until(condition, what, self._seconds, lambda: "")

    def close(self) -> None:
        """Ends what still runs."""
        if self._own is not None:
            _end(self._own)
        for path in self.root.glob(".step-*.pid"):
            if not path.with_suffix(".done").exists():
                try:
                    os.kill(int(path.read_text()), signal.SIGKILL)
                except (OSError, ValueError):
                    pass

    def _environment(self) -> dict[str, str]:
        """What is set for the test, but for what is set for machinable."""
        kept = ("MACHINABLE_STORE_TIMEOUT",)
        clean = {k: v for k, v in os.environ.items() if k in kept or not k.startswith("MACHINABLE_")}
        return {**clean, "PYTHONDONTWRITEBYTECODE": "1"}

    def _working(self) -> subprocess.Popen[str]:
        if self._one_process:
            self._own = self._own or _worker(self._preload, self._environment())
            return self._own
        if self._preload not in _shared:
            _shared[self._preload] = _worker(self._preload, self._environment())
            atexit.register(_end, _shared[self._preload])
        return _shared[self._preload]


_shared: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def _worker(preload: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WORKER, *preload]
    return subprocess.Popen(command, cwd="/", env=environment, text=True, stdin=subprocess.PIPE)


def _say(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def _end(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()
    worker.wait()


def until(condition: Any, what: str, seconds: float, explain: Any) -> None:
    """Waits until something is so. Raises AssertionError if that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}\n{explain()}"
        time.sleep(0.005)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
