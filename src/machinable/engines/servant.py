"""A process that runs components for a thread of somebody's worker: it can be interrupted, and may crash alone."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct

from machinable.engines.children import blocked, program
from machinable.engines.limits import die_with_parent
from machinable.engines.node import perform_all
from machinable.wording import process_end

__all__ = ["Servant", "serve"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.engines.node import Answer

_LENGTH = struct.Struct("!Q")

#: A servant whose master has nothing more for it ends after this time, in seconds.
_IDLE_SECONDS = 120.0


class Servant:
    """A process that runs one task after the other. For one thread, but for `send`."""

    def __init__(self) -> None:
        import subprocess

        ours, theirs = socket.socketpair()
        with theirs, blocked():
            code = f"from machinable.engines.servant import serve; serve({theirs.fileno()}, {os.getpid()})"
            self._process = subprocess.Popen(
                program(code), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._connection = ours

    def perform(self, *arguments: Any) -> list[Answer] | None:
        """Has it call `perform_all` with these arguments; `None` if it ended before it could answer."""
        try:
            _send(self._connection, pickle.dumps(arguments))
            data = _receive(self._connection)
        except ConnectionError:
            data = None
        if data is None:
            self.close()
            return None
        answers: list[Answer] = pickle.loads(data)
        return answers

    @property
    def pid(self) -> int:
        """Its PID."""
        return self._process.pid

    @property
    def end(self) -> tuple[str, int]:
        """How it ended, in words, and its exit code, a signal being negative; once `perform` has said so."""
        code = self._process.wait()
        return process_end(code), code

    @property
    def is_alive(self) -> bool:
        """Whether it can be given something."""
        return self._process.poll() is None

    def send(self, number: int) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def close(self) -> None:
        """Ends it, if it has not ended."""
        self._connection.close()
        if self._process.poll() is None:
            try:
                self._process.wait(0.2)  # it may be at its end already, with a code of its own
            except Exception:
                self._process.kill()
        self._process.wait()


def serve(descriptor: int, parent: int) -> None:
    """The main program of a servant.

    Args:
        descriptor: The socket to the master.
        parent: The master's PID.
    """
    connection = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    die_with_parent(parent)
    connection.settimeout(_IDLE_SECONDS)
    while True:
        try:
            data = _receive(connection)
            if data is None:
                return
            connection.settimeout(None)
            _send(connection, pickle.dumps(perform_all(*pickle.loads(data))))
            connection.settimeout(_IDLE_SECONDS)
        except (TimeoutError, ConnectionError):
            return  # nothing to do for a long time, or the master is gone


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(data)))
    connection.sendall(data)


def _receive(connection: socket.socket) -> bytes | None:
    head = _exactly(connection, _LENGTH.size)
    return _exactly(connection, _LENGTH.unpack(head)[0]) if head is not None else None


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
