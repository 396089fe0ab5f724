"""Processes that launch: forked off one that has imported everything, so that hundreds of them are affordable."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FORKING = """
import json, os, signal, sys, traceback
import machinable, tiny
import msgspec, sqlite3, machinable.collection.collection, machinable.index.searching, machinable.index.writing
from machinable import Storage, get

def child(request, index):
    scratch = request["scratch"]
    output = os.open(f"{scratch}/{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(request["environment"])
    if request["hold"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    names = {"arguments": request["arguments"], "index": index, "get": get, "Storage": Storage}
    os.access("/begin", os.F_OK)
    try:
        with Storage(request["storage"]):
            exec(request["source"], names)
        answer = {"result": names.get("result")}
    except BaseException as error:
        traceback.print_exc()
        cause = error.__cause__
        answer = {"error": type(error).__name__, "text": str(error)}
        answer |= {"cause": type(cause).__name__, "cause_text": str(cause)}
    os.access("/end", os.F_OK)
    with open(f"{scratch}/{os.getpid()}.json", "w") as file:
        json.dump(answer, file)
    sys.stderr.flush()
    os._exit(0)

while line := sys.stdin.readline():
    request = json.loads(line)
    pids = []
    for index in range(request["count"]):
        pid = os.fork()
        if pid == 0:
            child(request, index)
        pids.append(pid)
    if request["hold"]:
        for pid in pids:
            os.waitpid(pid, os.WUNTRACED)
    print(json.dumps(pids), flush=True)
    print(json.dumps([os.waitpid(pid, 0)[1] for pid in pids]), flush=True)
"""

TINY = """
import os
import time
from machinable import Component

class Tiny(Component):
    Config = {"n": 0}

    def __call__(self):
        descriptor = os.open(os.environ["COUNT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(descriptor, b"ran\\n")
        os.close(descriptor)
        print("it runs")
        time.sleep(float(os.environ.get("PAUSE", "0")))
        if os.environ.get("FAIL"):
            raise ValueError("asked to fail")
        self.save_file("result.json", {"n": self.config.n})
"""


class Answer:
    """How one of the processes ended."""

    def __init__(self, pid: int, status: int, scratch: Path) -> None:
        self.pid = pid
        self.killed = os.WIFSIGNALED(status)
        self.output = (scratch / f"{pid}.txt").read_text()
        path = scratch / f"{pid}.json"
        told = json.loads(path.read_text()) if path.exists() and not self.killed else {}
        self.error: str | None = told.get("error")
        self.text: str = told.get("text", "")
        self.cause: str = told.get("cause", "")
        self.cause_text: str = told.get("cause_text", "")
        self._result = told.get("result")

    @property
    def result(self) -> Any:
        """What the source left in `result`; an error if it did not get that far."""
        assert not self.killed and self.error is None, f"{self.error}: {self.text}\n{self.output}"
        return self._result


class Launchers:
    """A project with the component `tiny`, and processes that work in it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "launchers"
        self.root.mkdir()
        (self.root / "pyproject.toml").write_text("[tool.machinable]\n")
        (self.root / "tiny.py").write_text(TINY)
        self.scratch = root / "scratch"
        self.scratch.mkdir()
        self._process: subprocess.Popen[str] | None = None

    @classmethod
    def again(cls, first: Launchers) -> Launchers:
        """More processes in the same project, which see its code as it is by now."""
        more = cls.__new__(cls)
        more.root, more.scratch, more._process = first.root, first.scratch, None
        return more

    def write(self, name: str, source: str) -> None:
        """Writes a module of the project."""
        (self.root / name).write_text(textwrap.dedent(source))

    def __enter__(self) -> Launchers:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MACHINABLE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKING],
            cwd=self.root,
            env={**clean, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # a test failed and left a process behind
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()

    def start(
        self,
        storage: Path,
        source: str,
        *,
        count: int = 1,
        hold: bool = False,
        arguments: Any = None,
        **environment: str,
    ) -> list[int]:
        """Starts processes that execute `source` in a storage; with `hold`, they wait for SIGCONT. Returns the PIDs."""
        request = {
            "storage": str(storage),
            "source": textwrap.dedent(source),
            "count": count,
            "hold": hold,
            "arguments": arguments,
            "environment": {"COUNT": str(self.counter(storage)), **environment},
            "scratch": str(self.scratch),
        }
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        self._pids = self._read()
        return list(self._pids)

    def wait(self) -> list[Answer]:
        """The answers of the processes started last."""
        statuses = self._read()
        return [Answer(pid, status, self.scratch) for pid, status in zip(self._pids, statuses, strict=True)]

    def run(self, storage: Path, source: str, *, arguments: Any = None, **environment: str) -> Answer:
        """Executes `source` in a storage, in a process of its own."""
        self.start(storage, source, arguments=arguments, **environment)
        return self.wait()[0]

    def traced(
        self, storage: Path, source: str, *options: str, count: int = 1, **environment: str
    ) -> tuple[list[Answer], Path]:
        """Executes `source` in processes under strace. Also returns the file with the calls."""
        pids = self.start(storage, source, count=count, hold=True, **environment)
        calls = self.scratch / f"{pids[0]}.strace"
        with tracing(pids, calls, *options):
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            answers = self.wait()
        return answers, calls

    def counter(self, storage: Path) -> Path:
        """The file, outside of the storage, that counts the executions in it."""
        return self.scratch / f"{storage.name}.count"

    def executions(self, storage: Path) -> int:
        """How often `tiny` was executed in a storage."""
        path = self.counter(storage)
        return len(path.read_text().splitlines()) if path.exists() else 0

    def _read(self) -> list[int]:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks has died"
        numbers: list[int] = json.loads(line)
        return numbers


@contextmanager
def tracing(pids: list[int], output: Path, *options: str) -> Iterator[None]:
    """Attaches strace to stopped processes, and waits for it to end with them."""
    targets = [part for pid in pids for part in ("-p", str(pid))]
    strace = subprocess.Popen(
        ["strace", "-q", "-o", str(output), *options, *targets], stderr=subprocess.PIPE, text=True
    )
    assert strace.stderr is not None
    end = time.monotonic() + 20
    while not all(_tracer(pid) for pid in pids):
        assert strace.poll() is None and time.monotonic() < end, f"strace: {strace.stderr.read()}"
        time.sleep(0.001)
    try:
        yield
    finally:
        strace.wait(60)
        strace.stderr.close()


def _tracer(pid: int) -> bool:
    match = re.search(r"^TracerPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return match is not None and match[1] != "0"


def why_no_strace() -> str:
    """Why processes can not be traced here; empty if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        probe = subprocess.Popen(
            ["strace", "-o", os.devnull, "-p", str(sleeper.pid), "-e", "inject=link:error=EPERM"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert probe.stderr is not None
        line = probe.stderr.readline()
        probe.terminate()
        probe.wait()
        probe.stderr.close()
        return "" if "attached" in line else f"processes can not be traced: {line.strip()}"
    finally:
        sleeper.kill()
        sleeper.wait()


def why_no_namespace(*options: str, command: tuple[str, ...] = ("true",)) -> str:
    """Why `unshare` with these options, and a command in it, is refused here; empty if it is not."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    probe = subprocess.run(["unshare", *options, *command], capture_output=True, text=True)
    return "" if probe.returncode == 0 else f"namespaces are refused: {probe.stderr.strip()}"


def hidden(storage: Path) -> list[str]:
    """Everything in a storage that is not published under a name of its own."""
    return sorted(
        str(path.relative_to(storage))
        for path in storage.rglob(".*")
        if path.name != ".machinable" and "trash" not in path.parts
    )


def content(directory: Path) -> dict[str, bytes | None]:
    """All that lies below a directory, by name: bytes of files, `None` for directories."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }


def until(condition: Any, what: str, seconds: float = 30.0) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)
