"""Workers: processes that are kept, and take one component after the other. Faster, and without isolation."""

from __future__ import annotations

import signal
import socket

from machinable.engines.child import FRAME
from machinable.engines.children import Ended, Nursery, wait_for_any

__all__ = ["Workers"]

_FIRST_WORKER = 2**31  # the numbers of jobs stay below


class _Worker:
    __slots__ = ("connection", "job", "received")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.job: int | None = None
        self.received = bytearray()


class Workers:
    """A nursery whose processes are kept. A job has to end before its worker gets another one.

    Args:
        nursery: Starts the workers.
    """

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._workers: dict[int, _Worker] = {}
        self._next = _FIRST_WORKER

    def start(self, job: int, payload: bytes) -> None:
        """Gives the job to an idle worker, or to a new one."""
        worker = next((each for each in self._workers.values() if each.job is None), None) or self._employ()
        worker.job = job
        try:
            worker.connection.sendall(FRAME.pack(job, len(payload)) + payload)
        except ConnectionError:
            pass  # it has died: `collect` finds that out

    def start_worker(self, job: int, connection: int) -> None:
        """See `Nursery`."""
        self._nursery.start_worker(job, connection)

    def _employ(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            number, self._next = self._next, self._next + 1
            self._workers[number] = worker = _Worker(ours)
            self._nursery.start_worker(number, theirs.fileno())
        return worker

    def send(self, job: int, number: int) -> None:
        """See `Nursery`."""
        for name, worker in self._workers.items():
            if worker.job == job:
                self._nursery.send(name, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """See `Nursery`."""
        self._nursery.stop(number)

    def descriptors(self) -> list[int]:
        """See `Nursery`."""
        return [
            *self._nursery.descriptors(),
            *(each.connection.fileno() for each in self._workers.values() if each.job is not None),
        ]

    def collect(self) -> list[Ended]:
        """See `Nursery`. The process of a job whose worker lives on counts as ended with 0."""
        dead = self._nursery.collect()
        ended = [each for worker in self._workers.values() for each in _reports(worker)]
        for end in dead:
            worker = self._workers.pop(end.job)
            worker.connection.close()
            if worker.job is not None:
                ended.append(Ended(worker.job, end.code, b""))
        return ended

    def close(self) -> None:
        """Lets the workers go, and waits for that."""
        for worker in self._workers.values():
            # Not close alone: workers that were forked off later hold the same socket.
            worker.connection.shutdown(socket.SHUT_WR)
        while self._workers:
            wait_for_any(self._nursery.descriptors(), None)
            self.collect()
        self._nursery.close()


def _reports(worker: _Worker) -> list[Ended]:
    if worker.job is None:
        return []
    while True:
        try:
            data = worker.connection.recv(65536, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionError):
            break
        if not data:
            break
        worker.received += data
    if len(worker.received) < FRAME.size:
        return []
    job, length = FRAME.unpack_from(worker.received)
    end = FRAME.size + length
    if len(worker.received) < end:
        return []
    report = bytes(worker.received[FRAME.size : end])
    del worker.received[:end]
    worker.job = None
    return [Ended(job, 0, report)]
