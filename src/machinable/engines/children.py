"""Processes of this process, each with a component or a worker: started by fork or spawn, signalled, waited for."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import contextmanager

from machinable.engines import child

__all__ = ["Children", "Ended", "Nursery", "Spawned", "blocked", "program", "wait_for_any"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    from machinable.engines.child import Options

    class Nursery(Protocol):
        """What starts processes and tells of their ends."""

        def start(self, job: int, payload: bytes) -> None:
            """Starts a process that runs a pickled component."""

        def start_worker(self, job: int, connection: int) -> None:
            """Starts a process that takes components from a socket."""

        def send(self, job: int, number: int) -> None:
            """Sends a signal to the process of a job, if it lives."""

        def descriptors(self) -> list[int]:
            """What is to be polled for reading; then `collect` may have something to tell."""

        def collect(self) -> list[Ended]:
            """What has ended since. Does not wait."""

        def stop(self, number: int = signal.SIGTERM) -> None:
            """Sends a signal to all processes: asks them to end, or ends them."""

        def close(self) -> None:
            """Gives everything back. All processes have ended."""

else:
    Nursery = object


class Ended:
    """The end of a job."""

    __slots__ = ("code", "job", "rank", "report", "words")

    def __init__(
        self, job: int, code: int | None, report: bytes, *, rank: int | None = None, words: str = ""
    ) -> None:
        self.job = job
        self.code = code  # of its process, a signal being negative; `None`: unknown
        self.report = report  # what the process told; empty if it could not
        self.rank = rank  # of the process that ended, where there are several
        self.words = words  # how it ended, where the code alone does not tell


class _Child:
    __slots__ = ("data", "handle", "output", "pid", "process")

    def __init__(self, pid: int, output: int, process: Any) -> None:
        self.pid = pid
        self.output = output  # the end of its pipe to read from; -1 once that has ended
        self.process: subprocess.Popen[bytes] | None = process
        self.data = bytearray()
        # A process that it left behind may keep the pipe open, so its end is asked for by its own handle.
        self.handle = _handle(pid)


class Children:
    """Processes that are forked off this one. See `Nursery`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._children: dict[int, _Child] = {}
        self._interrupt = signal.getsignal(signal.SIGINT)
        if self._interrupt not in (signal.SIG_IGN, signal.default_int_handler):
            self._interrupt = signal.default_int_handler

    def start(self, job: int, payload: bytes) -> None:
        """See `Nursery`."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            pid, process = self._begin(payload, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._children[job] = _Child(pid, reading, process)

    def start_worker(self, job: int, connection: int) -> None:
        """See `Nursery`."""
        pid, process = self._begin_worker(connection)
        self._children[job] = _Child(pid, -1, process)

    def _begin(self, payload: bytes, output: int) -> tuple[int, Any]:
        parent, options, interrupt = os.getpid(), self._options, self._interrupt
        pid = self._fork()
        if pid == 0:
            child.main(payload, output, parent, options, interrupt)
        return pid, None

    def _begin_worker(self, connection: int) -> tuple[int, Any]:
        parent, options, interrupt = os.getpid(), self._options, self._interrupt
        pid = self._fork()
        if pid == 0:
            child.serve(connection, parent, options, interrupt)
        return pid, None

    def _fork(self) -> int:
        for stream in (sys.stdout, sys.stderr):  # what they hold would be written twice
            if stream is not None:
                stream.flush()
        with blocked() as before:
            pid = os.fork()
            if pid == 0:
                before.clear()  # they stay blocked until the child has its own handlers
                try:
                    _forget_parent()
                except BaseException:
                    os._exit(1)
        return pid

    def send(self, job: int, number: int) -> None:
        """See `Nursery`."""
        found = self._children.get(job)
        if found is not None:
            try:
                os.kill(found.pid, number)
            except ProcessLookupError:
                pass

    def stop(self, number: int = signal.SIGTERM) -> None:
        """See `Nursery`."""
        for job in self._children:
            self.send(job, number)

    def descriptors(self) -> list[int]:
        """See `Nursery`."""
        return [
            descriptor
            for each in self._children.values()
            for descriptor in (each.output, each.handle)
            if descriptor >= 0
        ]

    def collect(self) -> list[Ended]:
        """See `Nursery`."""
        ended = []
        for job, each in list(self._children.items()):
            _read(each)
            code = _code_of(each.pid)
            if code is _ALIVE:
                continue
            _read(each)
            del self._children[job]
            for descriptor in (each.output, each.handle):
                if descriptor >= 0:
                    os.close(descriptor)
            if each.process is not None:
                each.process.returncode = code or 0
            ended.append(Ended(job, code, bytes(each.data)))
        return ended

    def is_empty(self) -> bool:
        """Whether there are no processes left."""
        return not self._children

    def close(self) -> None:
        """See `Nursery`."""


class Spawned(Children):
    """Processes that are started anew, by executing Python. See `Nursery`."""

    def _begin(self, payload: bytes, output: int) -> tuple[int, Any]:
        reading, writing = os.pipe()
        try:
            process = self._execute(reading, output)
            with open(writing, "wb", closefd=False) as file:
                file.write(payload)
        except BrokenPipeError:
            pass  # it ended before it read; its code tells
        finally:
            os.close(reading)
            os.close(writing)
        return process.pid, process

    def _begin_worker(self, connection: int) -> tuple[int, Any]:
        process = self._execute(connection, None)
        return process.pid, process

    def _execute(self, jobs: int, output: int | None) -> subprocess.Popen[bytes]:
        import subprocess

        code = (
            "from machinable.engines.child import Options, spawned; "
            f"spawned({jobs}, {output}, {os.getpid()}, {self._options!r})"
        )
        with blocked():
            return subprocess.Popen(
                program(code),
                env={**os.environ, **self._options.environment},
                pass_fds=[jobs] if output is None else [jobs, output],
            )


@contextmanager
def blocked() -> Iterator[set[Any]]:
    """Ctrl-C and SIGTERM wait, for this thread and what it starts. What is in the set is restored at the end."""
    before: set[Any] = {None, *signal.pthread_sigmask(signal.SIG_BLOCK, child.ENDING)}
    try:
        yield before
    finally:
        if before:
            signal.pthread_sigmask(signal.SIG_SETMASK, before - {None})


def program(code: str) -> list[str]:
    """A command that runs a piece of code in a Python like this one."""
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    setting = f"import sys; sys.path[:] = {sys.path!r}; sys.argv[:] = {sys.argv!r}; "
    return [sys.executable, *_args_from_interpreter_flags(), "-c", setting + code]


def wait_for_any(descriptors: Iterable[int], seconds: float | None) -> None:
    """Waits until one of them can be read, or for so many seconds."""
    import select

    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    if not _HAS_HANDLES:
        seconds = min(seconds, _GLANCE_SECONDS) if seconds is not None else _GLANCE_SECONDS
    poll.poll(None if seconds is None else max(0, seconds) * 1000)


_HAS_HANDLES = hasattr(os, "pidfd_open")
_GLANCE_SECONDS = 0.05
_ALIVE = -(2**20)


def _handle(pid: int) -> int:
    if _HAS_HANDLES:
        try:
            return os.pidfd_open(pid)
        except OSError:
            pass  # gone already, or too many files
    return -1


def _read(each: _Child) -> None:
    while each.output >= 0:
        try:
            data = os.read(each.output, 65536)
        except BlockingIOError:
            return
        if not data:
            os.close(each.output)
            each.output = -1
        each.data += data


def _code_of(pid: int) -> int | None:
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # somebody else has waited for it, or children are not waited for here
        return None
    return os.waitstatus_to_exitcode(status) if found else _ALIVE


def _forget_parent() -> None:
    """Drops what the parent has set to happen at its own end."""
    import atexit

    # A collection would look at, and thereby copy, every object that the parent has.
    gc.freeze()
    atexit._clear()
    processes: Any = sys.modules.get("multiprocessing.process")
    util: Any = sys.modules.get("multiprocessing.util")
    if processes is not None:
        processes._children = set()
    if util is not None:
        util._finalizer_registry.clear()
        util._run_after_forkers()
        atexit.register(util._exit_function)
    signal.set_wakeup_fd(-1)
