"""The start method `forkserver`: a process without threads that has machinable loaded, and forks on demand.

It is safe with threads, locks and open connections of the coordinator, as `multiprocessing`'s own fork server is; a
child costs what a fork costs, because nothing but its component is handed over.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import time
from importlib import import_module

from machinable.engines.child import ENDING, Options
from machinable.engines.children import Children, Ended, blocked, program, wait_for_any
from machinable.engines.limits import die_with_parent
from machinable.errors import ProjectError
from machinable.modules.imports import imports_of
from machinable.modules.project import settings
from machinable.modules.residence import activated
from machinable.notices import notice
from machinable.records import environment
from machinable.records.record import META
from machinable.records.sweep import sweep_storage
from machinable.store import owner
from machinable.store.remote import prepare

__all__ = ["Options", "Template", "serve"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any

#: How long the children of a coordinator that is gone may take to end after SIGTERM, in seconds.
ORPHAN_GRACE_SECONDS = 60.0

#: What children use most of the time.
_PRELOAD = ("machinable.api", "contextlib", "encodings.ascii", "importlib.util", "random")

_ORDER = struct.Struct("!BIiI")  # what, job, signal, length of the payload
_START, _START_WORKER, _SIGNAL, _STOP = range(4)
_ANSWER = struct.Struct("!IiI")  # job, exit code, length of the report
_UNKNOWN = -(2**30)


class Template:
    """The coordinator's side: see `machinable.engines.children.Nursery`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._jobs: set[int] = set()
        self._has_answered = False

    def start(self, job: int, payload: bytes) -> None:
        """See `Nursery`."""
        self._order(_START, job, payload=payload)

    def start_worker(self, job: int, connection: int) -> None:
        """See `Nursery`."""
        self._order(_START_WORKER, job, descriptor=connection)

    def send(self, job: int, number: int) -> None:
        """See `Nursery`."""
        if job in self._jobs:
            self._order(_SIGNAL, job, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """See `Nursery`."""
        if self._jobs:
            self._order(_STOP, 0, number)

    def descriptors(self) -> list[int]:
        """See `Nursery`."""
        return [self._socket.fileno()] if self._socket is not None else []

    def collect(self) -> list[Ended]:
        """See `Nursery`. If the template itself was killed, its jobs are lost."""
        if self._socket is None:
            lost, self._jobs = self._jobs, set()
            return [Ended(job, None, b"") for job in lost]
        alive = self._receive()
        ended = []
        while len(self._received) >= _ANSWER.size:
            job, code, length = _ANSWER.unpack_from(self._received)
            end = _ANSWER.size + length
            if len(self._received) < end:
                break
            ended.append(
                Ended(job, None if code == _UNKNOWN else code, bytes(self._received[_ANSWER.size : end]))
            )
            del self._received[:end]
            self._jobs.discard(job)
        self._has_answered = self._has_answered or bool(ended)
        if not alive:
            code = self._process.wait() if self._process is not None else 0
            if not self._has_answered and code > 0:
                self._jobs.clear()
                self.close()
                raise ProjectError(
                    f"The process that starts the others ended at once, with exit code {code}."
                )
            ended += [Ended(job, None, b"") for job in self._jobs]
            self._jobs.clear()
            self.close()
        return ended

    def close(self) -> None:
        """See `Nursery`."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.wait()
            self._process = None
        self._received.clear()

    def _receive(self) -> bool:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not data:
                return False
            self._received += data

    def _order(
        self, what: int, job: int, number: int = 0, payload: bytes = b"", descriptor: int = -1
    ) -> None:
        if self._socket is None:
            if what not in (_START, _START_WORKER):
                return
            self._launch()
            assert self._socket is not None
        if what in (_START, _START_WORKER):
            self._jobs.add(job)
        data = memoryview(_ORDER.pack(what, job, number, len(payload)) + payload)
        try:
            if descriptor >= 0:
                data = data[socket.send_fds(self._socket, [data], [descriptor]) :]
            while data:
                data = data[self._send(data) :]
        except ConnectionError:
            pass  # the template was killed: `collect` finds that out

    def _send(self, data: memoryview) -> int:
        assert self._socket is not None
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._receive()  # the template may be waiting for that
            time.sleep(0.001)
            return 0

    def _launch(self) -> None:
        import subprocess

        ours, theirs = socket.socketpair()
        with theirs, blocked():
            code = (
                "from machinable.engines.template import Options, serve; "
                f"serve({theirs.fileno()}, {os.getpid()}, {self._options!r})"
            )
            self._process = subprocess.Popen(
                program(code),
                env={**os.environ, **self._options.environment},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours


class _Server:
    """The template's side: takes orders, forks, and tells of ends."""

    def __init__(self, connection: socket.socket, options: Options) -> None:
        self._connection: socket.socket = connection
        self._children = Children(options)
        self._received = bytearray()
        self._descriptors: list[int] = []
        self._is_open = True

    def run(self, wakeup: int, is_orphan: Any) -> None:
        """Serves until the coordinator has closed the connection or is gone, and all children have ended."""
        end: float | None = None
        while self._is_open or not self._children.is_empty():
            watched = [wakeup, *self._children.descriptors()]
            if self._is_open:
                watched.append(self._connection.fileno())
            wait_for_any(watched, None if end is None else end - time.monotonic())
            _drain(wakeup)
            if self._is_open:
                self._receive()
                self._obey()
                if is_orphan():
                    self._is_open = False
                if not self._is_open:
                    self._children.stop()
                    end = time.monotonic() + ORPHAN_GRACE_SECONDS
            self._tell()
            if end is not None and time.monotonic() > end:
                self._children.stop(signal.SIGKILL)

    def _receive(self) -> None:
        try:
            # Not socket.recv_fds, which ignores the flags it is given.
            data, others, _, _ = self._connection.recvmsg(65536, socket.CMSG_SPACE(256), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            data, others = b"", []
        for _, _, content in others:
            for (descriptor,) in struct.iter_unpack("i", content):
                os.set_inheritable(descriptor, False)
                self._descriptors.append(descriptor)
        self._received += data
        self._is_open = bool(data)

    def _obey(self) -> None:
        while len(self._received) >= _ORDER.size:
            what, job, number, length = _ORDER.unpack_from(self._received)
            end = _ORDER.size + length
            if len(self._received) < end:
                return
            payload = bytes(self._received[_ORDER.size : end])
            del self._received[:end]
            if what == _START:
                self._children.start(job, payload)
            elif what == _START_WORKER:
                descriptor = self._descriptors.pop(0)
                self._children.start_worker(job, descriptor)
                os.close(descriptor)
            elif what == _SIGNAL:
                self._children.send(job, number)
            else:
                self._children.stop(number)

    def _tell(self) -> None:
        for ended in self._children.collect():
            code = _UNKNOWN if ended.code is None else ended.code
            try:
                self._connection.sendall(_ANSWER.pack(ended.job, code, len(ended.report)) + ended.report)
            except ConnectionError:
                pass  # nobody is left to hear it


def serve(descriptor: int, parent: int, options: Options) -> None:
    """The main program of the template.

    Args:
        descriptor: The socket to the coordinator.
        parent: The coordinator's PID.
    """
    connection = socket.socket(fileno=descriptor)
    server = _Server(connection, options)  # notes what Ctrl-C does here, for the children
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # It lives as long as the coordinator: signals that are meant for the whole group do not end it first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    die_with_parent(parent)
    for name in (*_PRELOAD, *options.preload):
        try:
            import_module(name)
        except Exception as error:
            notice(f"preload: {name} can not be imported ({type(error).__name__}: {error})")
    _look_around(options)
    gc.collect()
    gc.freeze()
    server.run(reading, lambda: os.getppid() != parent)


def _look_around(options: Options) -> None:
    """Finds out once what every child would: where the project is, and whether the storage needs to be swept.

    The project's own modules are not imported here. They may start threads or draw random numbers as they are
    imported, which all children would then share.
    """
    owner.current()
    environment.describe()
    imports_of(b"import machinable\n")
    if options.project is not None:
        settings(options.project)
        with activated(options.project, lasting=True):
            pass
    if options.storage is not None and os.path.isdir(os.path.join(options.storage, META)):
        sweep_storage(options.storage)
        prepare(options.storage)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 1024):
            pass
    except BlockingIOError:
        pass
