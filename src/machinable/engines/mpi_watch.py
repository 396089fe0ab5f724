"""A thread of rank 0 that can act while the main thread waits in a call of MPI: for failures elsewhere, and the end."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time

from machinable.component import signals
from machinable.component.capture import write_to_log
from machinable.engines.child import Report
from machinable.errors import Superseded
from machinable.store import owner
from machinable.types import Status

__all__ = ["Failure", "Watch", "publish_failure"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from machinable.component.component import Component

_PERIOD_SECONDS = 0.1

#: How long rank 0 may take to fail by itself where another rank has failed: often all do, for the same reason.
_OWN_FAILURE_SECONDS = 0.5

#: How long a launcher that ends all ranks may take until the first of them is gone, in seconds. Open MPI sends SIGKILL
#: one second after SIGTERM.
_LAUNCHER_SECONDS = 1.5

#: How long the main thread may take to notice SIGTERM, which it does not while it waits in MPI, in seconds.
_STUCK_SECONDS = 3.0


class Failure:
    """The exception of a rank.

    Args:
        described: As attempts record it.
        exception: Pickled, where that is possible.
    """

    __slots__ = ("described", "exception", "rank")

    def __init__(self, rank: int, described: dict[str, Any], exception: bytes | None) -> None:
        self.rank = rank
        self.described = described
        self.exception = exception


def publish_failure(meta: str, nonce: str, failure: Failure) -> None:
    """Leaves word of a failure beside the attempt, for rank 0 to find. The first of several counts."""
    mine = os.path.join(meta, f".rank-{failure.rank}.{nonce}")
    with open(mine, "wb") as file:
        pickle.dump((failure.rank, failure.described, failure.exception), file)
    try:
        os.link(mine, _place(meta, nonce))
    except FileExistsError:
        pass
    except OSError:  # no links here
        os.replace(mine, _place(meta, nonce))
        return
    os.unlink(mine)


def _place(meta: str, nonce: str) -> str:
    return os.path.join(meta, f".failed-rank.{nonce}")


class Watch:
    """Looks after the ranks, from rank 0.

    Args:
        requests: Where the coordinator says that all have to stop, or is gone.
        world: The communicator.
        report: Hands a report to the coordinator.
    """

    def __init__(self, requests: int, world: Any, report: Callable[[Report], None]) -> None:
        self.component: Component | None = None  # once it is dispatched
        self.owners: list[dict[str, Any]] = []  # the processes of all ranks
        self._requests = requests
        self._world = world
        self._report = report
        self._asked = False  # the coordinator wants an end
        self._received: float | None = None  # when SIGTERM came, by the monotonic clock
        self._noticed = False  # whether the main thread knows
        self._over = threading.Event()
        self._wakes, self._woken = -1, -1

    def start(self) -> None:
        """Begins. SIGTERM is looked at from now on."""
        self._wakes, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_terminate)
        threading.Thread(target=self._loop, name="machinable-ranks", daemon=True).start()

    def stop(self) -> None:
        """Ends the looking: the component has ended."""
        self._over.set()

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        """A launcher that ends all ranks, because one has died, sends SIGTERM too: that is no interruption."""
        self._noticed = True
        end = time.monotonic() + _LAUNCHER_SECONDS
        while not self._asked and time.monotonic() < end:
            self._leave_if_others_are_gone()
            time.sleep(_PERIOD_SECONDS / 2)
        signals.terminate(number, frame)

    def _leave_if_others_are_gone(self) -> None:
        if any(owner.is_alive(each) is False for each in self.owners):
            os._exit(143)  # no word in the record: the launcher knows which rank died, and how

    def _loop(self) -> None:
        import select

        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self._wakes, select.POLLIN)
        while not self._over.is_set():
            for descriptor, _ in poll.poll(_PERIOD_SECONDS * 1000):
                data = os.read(descriptor, 4096)
                if descriptor == self._requests:
                    self._stop_all()
                    if not data:
                        poll.unregister(descriptor)
                elif signal.SIGTERM in data and self._received is None:
                    self._received = time.monotonic()
            self._look()

    def _stop_all(self) -> None:
        if not self._asked:
            self._asked = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _look(self) -> None:
        claim = self.component._core.claim if self.component is not None else None
        if claim is None:
            return
        path = _place(claim.meta, claim.nonce)
        if os.access(path, os.F_OK):
            with open(path, "rb") as file:
                failure = Failure(*pickle.load(file))
            os.unlink(path)
            if not self._over.wait(_OWN_FAILURE_SECONDS):
                self._fail(claim, failure)
        elif self._received is not None and not self._noticed:
            waited = time.monotonic() - self._received
            if not self._asked:
                self._leave_if_others_are_gone()
            if waited > _STUCK_SECONDS:
                self._interrupt(claim)

    def _fail(self, claim: Any, failure: Failure) -> None:
        who = f"rank {failure.rank} of {self._world.size}"
        write_to_log(f"{who} failed:\n{failure.described['traceback']}")
        try:
            claim.end("failed", exception=failure.described, rank=failure.rank)
        except Superseded:  # another owner has it, or rank 0 has just ended it by itself
            return
        self._end(Report(Status.FAILED.value, False, exception=failure.exception), 1)

    def _interrupt(self, claim: Any) -> None:
        try:
            claim.end("interrupted", reason="SIGTERM")
        except Superseded:
            return
        self._end(Report(Status.INTERRUPTED.value, error="SIGTERM"), 130)

    def _end(self, report: Report, code: int) -> None:
        self._report(report)
        from mpi4py import MPI

        if MPI.Query_thread() == MPI.THREAD_MULTIPLE:
            self._world.Abort(code)
        os._exit(code)
