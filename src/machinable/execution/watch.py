"""A thread that looks after a run: it ticks for the display, and finds out what other processes have finished."""

from __future__ import annotations

import threading
import time
from itertools import islice

from machinable.errors import MachinableError
from machinable.records.elsewhere import listed
from machinable.records.mirror.place import store_at
from machinable.types import Status

__all__ = ["Watch"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.execution.run import Run

_PERIOD_SECONDS = 0.2

#: Looking at records may take this part of the time, however many there are.
_SHARE = 0.05

#: How often an execution in a storage elsewhere is listed, in seconds.
_LISTED_SECONDS = 5.0


class Watch:
    """Ticks, and looks round and round at the records of the components that have not ended yet."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stop = threading.Event()
        self._position = 0
        self._thread = threading.Thread(target=self._loop, name="machinable-watch", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and waits for that."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            self._look()
            self._run.monitor.tick()

    def _look(self) -> None:
        waiting = self._run.unreported()
        if not waiting:
            return
        root = self._run.components[waiting[0]]._core.storage
        if store_at(root) is None:
            self._look_at(waiting)
            return
        # Of a storage elsewhere, executions are listed now and then, instead of asking for each component.
        homes = {self._run.components[identity]._core.home for identity in waiting} - {root}
        try:
            with listed(root, homes, _LISTED_SECONDS):
                self._look_at(waiting)
        except MachinableError:
            return  # it can not be reached: told where components are dispatched

    def _look_at(self, waiting: list[str]) -> None:
        end = time.monotonic() + _PERIOD_SECONDS * _SHARE
        self._position %= len(waiting)
        looked = 0
        for identity in islice(waiting[self._position :] + waiting[: self._position], len(waiting)):
            self._see(self._run.components[identity])
            looked += 1
            if time.monotonic() > end:
                break
        self._position += looked

    def _see(self, component: Component) -> None:
        try:
            state = component._state()
        except (MachinableError, OSError):
            return  # told where the component is dispatched
        if state.status is Status.RUNNING:
            self._run.report_start(component)
        elif component._request.identity in self._run.held:
            return
        elif self._run.is_own(state) or state.status is Status.FINISHED:
            if state.attempt is not None and state.attempt.end is not None:
                self._run.report_end(component, state)
