"""Groups of ranks of MPI: started by a launcher, asked to stop through rank 0, and waited for."""

from __future__ import annotations

import os
import signal
import struct
import sys

from machinable.engines.child import FRAME
from machinable.engines.children import Ended, Nursery, blocked, program
from machinable.engines.mpi_launcher import Messages, explain

__all__ = ["RANKS", "Groups"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from typing import Any

#: What stands before each component: how many ranks run it.
RANKS = struct.Struct("!I")

#: The work of each rank.
_RANK = "from machinable.engines.mpi_rank import main; main({report!r})"


class _Group:
    __slots__ = ("handle", "messages", "process", "ranks", "report", "text")

    def __init__(self, process: subprocess.Popen[bytes], ranks: int, report: str) -> None:
        self.process = process
        self.ranks = ranks
        self.report = report  # the file in which rank 0 reports
        self.messages = Messages()
        self.text = b""  # of standard output, the line that is not complete
        self.handle = _handle(process.pid)


class Groups(Nursery):
    """Starts a group of ranks for each job. See `Nursery`.

    Args:
        command: The launcher's command line, for a number of ranks and a program.
        environment: For the launcher, and so for the ranks.
    """

    def __init__(self, command: Callable[[int, list[str]], list[str]], environment: dict[str, str]) -> None:
        import tempfile

        self._command = command
        self._environment = environment
        self._groups: dict[int, _Group] = {}
        self._directory = tempfile.mkdtemp(prefix="machinable-mpi-")

    def start(self, job: int, payload: bytes) -> None:
        """Starts ranks that run a pickled component, before which stands their number."""
        import subprocess

        ranks = int(RANKS.unpack_from(payload)[0])
        payload = payload[RANKS.size :]
        report = os.path.join(self._directory, str(job))
        words = program(_RANK.format(report=report))
        # As `python -m mpi4py` does: a rank that fails before it is in our hands ends the others as well.
        words[-2:-2] = ["-m", "mpi4py"]
        with blocked():
            # In a session of its own, so that Ctrl-C reaches the coordinator alone, which then ends all in order.
            process = subprocess.Popen(
                self._command(ranks, words),
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        self._groups[job] = _Group(process, ranks, report)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        _write(process, FRAME.pack(job, len(payload)) + payload)

    def start_worker(self, job: int, connection: int) -> None:
        """Ranks take one component, and end."""
        raise NotImplementedError

    def send(self, job: int, number: int) -> None:
        """SIGTERM is passed on by rank 0, so that it can save what it has; SIGKILL ends all ranks at once."""
        group = self._groups.get(job)
        if group is None:
            return
        if number != signal.SIGKILL:
            _write(group.process, b"stop\n")
            return
        for pid in _session(group.process.pid):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    def stop(self, number: int = signal.SIGTERM) -> None:
        """See `Nursery`."""
        for job in self._groups:
            self.send(job, number)

    def descriptors(self) -> list[int]:
        """See `Nursery`."""
        found = []
        for group in self._groups.values():
            for stream in (group.process.stdout, group.process.stderr):
                if stream is not None and not stream.closed:
                    found.append(stream.fileno())
            if group.handle >= 0:
                found.append(group.handle)
        return found

    def collect(self) -> list[Ended]:
        """See `Nursery`. What the ranks print is shown meanwhile."""
        ended = []
        for job, group in list(self._groups.items()):
            _pass_on(group)
            code = group.process.poll()
            if code is None:
                continue
            _pass_on(group, last=True)
            del self._groups[job]
            for stream in (group.process.stdin, group.process.stdout, group.process.stderr):
                if stream is not None:
                    _close(stream)
            if group.handle >= 0:
                os.close(group.handle)
            ended.append(self._ended(job, code, group))
        return ended

    def _ended(self, job: int, code: int, group: _Group) -> Ended:
        try:
            with open(group.report, "rb") as file:
                report = file.read()
            os.unlink(group.report)
        except OSError:
            report = b""
        if report:
            return Ended(job, code, report)
        code = (
            128 - code if code > 128 else code
        )  # the launcher ends as a shell would for the signal of a rank
        death = explain(group.messages.text, code, group.ranks)
        return Ended(job, death.code, b"", rank=death.rank, words=death.words)

    def close(self) -> None:
        """See `Nursery`."""
        import shutil

        shutil.rmtree(self._directory, ignore_errors=True)


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        view = memoryview(data)
        while view:
            view = view[process.stdin.write(view) :]
    except (OSError, ValueError):
        pass  # it has ended, which `collect` finds out


def _close(stream: Any) -> None:
    try:
        stream.close()
    except OSError:
        pass


def _pass_on(group: _Group, *, last: bool = False) -> None:
    """Shows what the ranks have printed, line by line, and keeps what the launcher says itself."""
    output = group.text + _read(group.process.stdout)
    errors = group.messages.feed(_read(group.process.stderr))
    whole = len(output) if last else output.rfind(b"\n") + 1
    group.text = output[whole:]
    if last:
        errors += group.messages.close()
    for data, stream in ((output[:whole], sys.stdout), (errors, sys.stderr)):
        if data and stream is not None:
            try:
                stream.write(data.decode("utf-8", "backslashreplace"))
                stream.flush()
            except (OSError, ValueError):
                pass  # a run goes on without its terminal; the logs have it all


def _read(stream: Any) -> bytes:
    """What is there, without waiting."""
    parts = []
    while stream is not None and not stream.closed:
        try:
            data = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            break
        if not data:
            stream.close()
            break
        parts.append(data)
    return b"".join(parts)


def _session(leader: int) -> list[int]:
    """The processes of a session, its leader first, as far as they are on this machine."""
    found = [leader]
    try:
        names = os.listdir("/proc")
    except OSError:
        return found
    for name in filter(str.isdecimal, names):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                session = int(file.read().rpartition(b")")[2].split()[3])
        except (OSError, IndexError, ValueError):
            continue
        if session == leader and int(name) != leader:
            found.append(int(name))
    return found


def _handle(pid: int) -> int:
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except OSError:
            pass
    return -1
