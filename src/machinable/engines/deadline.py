"""The end of a component that takes too long, on the node that runs it."""

from __future__ import annotations

import os
import signal
import threading

from machinable.errors import MachinableError
from machinable.records.notes import add_note

__all__ = ["Deadline"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from machinable.component.component import Component

#: How long a component that took too long may take to end after SIGTERM, in seconds.
GRACE_SECONDS = 10.0


class Deadline:
    """A context that interrupts this process's component, as SIGTERM does, after some time, and 10 s later kills it.

    Args:
        seconds: How long it may run; `None`: as long as it takes.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self._component: Component | None = None
        self.passed = False

    @property
    def reason(self) -> str:
        """Why the component ended, if the time has passed."""
        return f"it ran longer than {self._seconds:g} s (timeout_seconds) and was terminated"

    def over(self, component: Component) -> Deadline:
        """The context for one component."""
        self._component = component
        return self

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._start(self._seconds, self._interrupt)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _start(self, seconds: float, what: object) -> None:
        self._timer = threading.Timer(seconds, what)  # type: ignore[arg-type]
        self._timer.daemon = True
        self._timer.start()

    def _interrupt(self) -> None:
        self.passed = True
        self._note()
        self._start(GRACE_SECONDS, lambda: os.kill(os.getpid(), signal.SIGKILL))
        # To the main thread, so that a call of the system that it waits in comes back.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _note(self) -> None:
        """Adds to the record why the process will end, which nobody could tell if it has to be killed."""
        component = self._component
        record = component._record if component is not None else None
        try:
            if record is not None and (attempt := record.state().attempt) is not None:
                add_note(record.meta, "exit", attempt=attempt.number, timeout_seconds=self._seconds)
        except (MachinableError, OSError):
            pass  # the status says that it was interrupted
