"""Shows a run while it lasts, on standard error: live in a terminal and a notebook, elsewhere a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from contextvars import ContextVar

from machinable.component.capture import terminal_stream
from machinable.component.terminal import is_terminal
from machinable.errors import MachinableError
from machinable.execution.monitor import Monitor
from machinable.execution.outlets import Notebook, Outcome, Pipe, Terminal, notebook_display
from machinable.execution.summary import html_table, text_table
from machinable.execution.tables import place
from machinable.execution.tally import Tally
from machinable.execution.troubles import first_failure, grouped_failures, later_failure, retry_of
from machinable.store.memory import is_memory
from machinable.types import Status

__all__ = ["command", "make_display"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.execution.execution import Execution
    from machinable.execution.outlets import Outlet
    from machinable.execution.run import Run

_FAILURES_PER_SECOND = 3

#: The shell command that goes on with the run, where it was asked for on a command line, which says so at its end.
command: ContextVar[str | None] = ContextVar("machinable_command", default=None)


def make_display(execution: Execution) -> Monitor:
    """What shows the runs of `execution` to the user."""
    return _Display(execution)


class _Display(Monitor):
    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._command = command.get()  # now, since failures may be told by another thread
        self._run: Run | None = None
        self._lock = threading.RLock()
        self._tally = Tally(0, 0)
        self._outlet: Outlet | None = None
        self._told: list[float] = []  # when a failure was told
        self._untold = 0
        self.is_live = False

    def begin(self, run: Run) -> None:
        stream = terminal_stream()
        with self._lock:
            self._run, self._tally = run, Tally(len(run.components), run.counts["reused"])
            self._told, self._untold = [], 0
            display = notebook_display()
            if display is not None:
                self._outlet = Notebook(display, stream)
            elif stream is None:
                return
            elif is_terminal(stream):
                self._outlet = Terminal(stream)
            else:
                self._outlet = Pipe(stream)
            self.is_live = True
            self._outlet.say(_headline(run.counts))
            if run.components:
                self._outlet.show(self._tally)

    def started(self, component: Component) -> None:
        with self._lock:
            self._tally.start(component._request.identity)
            self._refresh()

    def ended(self, component: Component, status: Status, reason: str | None, seconds: float | None) -> None:
        with self._lock:
            self._tally.end(component._request.identity, status, reason)
            if self._outlet is not None and status is not Status.FINISHED:
                self._tell(self._outlet, component, status, reason, seconds)
            self._refresh()

    def tick(self) -> None:
        with self._lock:
            if self._outlet is not None:
                self._tell_untold(self._outlet)
            self._refresh()

    def _refresh(self) -> None:
        if self._outlet is not None:
            self._tally.stopping = self._run is not None and self._run.stopping
            self._outlet.show(self._tally)

    def _tell(
        self, outlet: Outlet, component: Component, status: Status, reason: str | None, seconds: float | None
    ) -> None:
        now = time.monotonic()
        if not self._told:
            outlet.say(first_failure(component, status, reason, seconds, self._retry(component)))
        elif len(self._told) >= _FAILURES_PER_SECOND and now - self._told[-_FAILURES_PER_SECOND] < 1:
            self._untold += 1
            return
        else:
            outlet.say(later_failure(component, status, reason))
        self._told = [*self._told[1 - _FAILURES_PER_SECOND :], now]

    def _retry(self, component: Component) -> str | None:
        """How to run the component again, in the language that this run was asked for in."""
        if self._command is None:
            return retry_of(component)
        return self._command if self._tally.total > 1 else None

    def _tell_untold(self, outlet: Outlet) -> None:
        if self._untold and time.monotonic() - self._told[-1] >= 1:
            outlet.say(f"… and {self._untold} more did not finish")
            self._untold = 0

    def finish(self, run: Run) -> None:
        with self._lock:
            outlet, self._outlet, self._run = self._outlet, None, None
            if outlet is None:
                return
            self._settle(run)
            stopped = sys.exc_info()[0] is not None
            self._untold = 0
            asked = self._execution.components
            known = {component._request.identity for component in asked}
            inputs = [component for identity, component in run.components.items() if identity not in known]
            components = [*inputs, *asked]
            closing = self._closing(run, stopped)
            try:
                outlet.end(
                    Outcome(
                        lambda columns: text_table(components, failed=run.failures, columns=columns),
                        lambda: html_table(components, failed=run.failures),
                        grouped_failures(run) if run.failures else None,
                        closing,
                    )
                )
            except (MachinableError, OSError) as error:  # the run itself is over, and has its own outcome
                problem = f"The table can not be shown: {error}"
                outlet.end(Outcome(lambda columns: problem, lambda: "", None, closing))

    def _settle(self, run: Run) -> None:
        """Counts those that nobody told the end of, as when this process was interrupted: their records know it."""
        for identity in self._tally.running:
            try:
                self._tally.end(identity, run.components[identity]._state().status)
            except (MachinableError, OSError):
                continue

    def _closing(self, run: Run, stopped: bool) -> str:
        """The last line: what is done, where it is, and how to go on."""
        execution, tally = self._execution, self._tally
        again = stopped or bool(run.failures)
        kept = not is_memory(next(iter(execution.components))._core.storage) if execution.components else True
        parts = [tally.outcome(stopped)]
        if kept and execution.directory is not None:
            parts.append(f"results in {place(execution.directory)}")
        if again and kept and execution.id is not None and self._command is None:
            parts.append(f"go on: the same call with seed={execution.id!r}")
        return " · ".join(parts)


def _headline(counts: dict[str, int]) -> str:
    """`37 reused · 1 resumed · 12 new`."""
    text = " · ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return text if counts["resumed"] or counts["new"] else f"{text}: nothing is left to run"
