"""What an execution tells while it runs: who listens to it is a display, a test, or nobody."""

from __future__ import annotations

__all__ = ["Monitor"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.execution.run import Run
    from machinable.types import Status


class Monitor:
    """Hears what happens in a run. Every method may be called from any thread of the coordinating process."""

    #: Whether it shows the run: other processes in the same terminal then print out of its way, and show no bars.
    is_live = False

    def begin(self, run: Run) -> None:
        """The run is about to dispatch `run.components`; `run.counts` says how many are reused, resumed and new."""

    def started(self, component: Component) -> None:
        """A component began to run (some engines only tell that it ended)."""

    def ended(self, component: Component, status: Status, reason: str | None, seconds: float | None) -> None:
        """A component ended, here or elsewhere; exactly once for each of `run.components`.

        Args:
            reason: Why it did not finish, in one line.
            seconds: How long its last attempt took.
        """

    def tick(self) -> None:
        """Called a few times a second as long as the run lasts."""

    def finish(self, run: Run) -> None:
        """The run is over, one way or another; `run.failures` has the reasons by identity."""
