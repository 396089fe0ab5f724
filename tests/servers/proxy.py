"""A proxy in front of an HTTP server that can be told to fail, in the ways that networks and servers do."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CUT = 16384  # how much of a body arrives before a cut


@dataclass
class Fault:
    """What is to happen to the next requests that match.

    `how` is "answer" (with status and body, unless the server was asked), "silence" (no answer at all), "cut" (the
    connection ends in the middle of the body, and the server learns nothing), or "lost" (the server carries out the
    request, then the connection ends).
    """

    pattern: str  # of "<method> <path and query>"
    how: str
    times: int = 1
    status: int = 500
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def xml(code: str, message: str = "told to", more: str = "") -> bytes:
    """The body of an error of S3."""
    return (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()
    )


class Proxy:
    """Passes requests on, counts them, and fails as told."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[socket.socket] = set()
        self._closed = threading.Event()
        self.requests: list[str] = []  # "<method> <path and query>" of each, in order
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self, pattern: str, how: str, times: int = 1, **options: object) -> Fault:
        """Has the next `times` requests that match fail."""
        fault = Fault(pattern, how, times, **options)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Has nothing fail any more, and forgets what was counted."""
        with self._lock:
            self._faults.clear()
            self.requests.clear()

    def close(self) -> None:
        """Ends all connections."""
        self._closed.set()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        host, port = self._upstream.hostname, self._upstream.port
        assert host is not None
        upstream = http.client.HTTPConnection(host, port, timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(connection)
        try:
            with connection, connection.makefile("rb") as reader:
                while self._one(connection, reader, upstream):
                    pass
        except (OSError, http.client.HTTPException):
            pass  # one of the two sides went away: so does this connection
        finally:
            upstream.close()
            with self._lock:
                self._open.discard(connection)

    def _one(self, connection: socket.socket, reader, upstream: http.client.HTTPConnection) -> bool:
        """Serves one request; `False` ends the connection."""
        first = reader.readline().decode("latin-1").strip()
        if not first:
            return False
        method, target, _ = first.split(" ", 2)
        headers: dict[str, str] = {}
        while line := reader.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        with self._lock:
            self.requests.append(f"{method} {target}")
        fault = self._fault(f"{method} {target}")
        length = int(headers.get("content-length", 0))
        if fault is not None and fault.how == "cut":
            reader.read(min(length, CUT))
            return False
        body = reader.read(length)
        if fault is not None and fault.how == "silence":
            self._closed.wait(30)
            return False
        if fault is not None and fault.how == "answer":
            self._answer(connection, fault.status, "Told to", fault.headers, fault.body, method)
            return True
        upstream.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        data = answer.read()
        if fault is not None:
            return False
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("transfer-encoding", "connection", "content-length")
        }
        if method == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length") or "0"
        self._answer(connection, answer.status, answer.reason, kept, data, method)
        return True

    def _fault(self, request: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.pattern, request):
                    fault.times -= 1
                    return fault
        return None

    @staticmethod
    def _answer(
        connection: socket.socket, status: int, reason: str, headers: dict[str, str], body: bytes, method: str
    ) -> None:
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        if method != "HEAD":
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        connection.sendall(head if method == "HEAD" else head + body)


@contextlib.contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on loopback, for as long as the context lasts."""
    started = Proxy(upstream)
    try:
        yield started
    finally:
        started.close()
