"""How a component asks to be run, and what an execution hands down to it. Seen from below."""

from __future__ import annotations

import os
from contextvars import ContextVar

__all__ = ["Launcher", "Ticket", "launcher_of", "register_launcher", "running"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from machinable.component.component import Component

    class Launcher(Protocol):
        """What a component needs in order to run: an execution, seen from below."""

        def add(self, *components: Component) -> Any:
            """Collects components, to be dispatched when the execution's block ends."""

        def run_one(self, component: Component) -> None:
            """Runs a component here and now, its inputs first. Raises ExecutionFailed."""

    class Listener(Protocol):
        """Who wants to know, in the coordinator's process, that a component starts or has ended."""

        def report_start(self, component: Component) -> None:
            """The component begins."""

        def report_end(self, component: Component) -> None:
            """The component has ended."""

else:
    Launcher = Listener = object


class Ticket:
    """What a component carries while an execution runs it, into whichever process."""

    __slots__ = ("began", "engine", "execution", "listener", "live", "pid", "run")

    def __init__(self, engine: str, execution: str | None, run: str, began: float) -> None:
        self.engine = engine  # the name for the record
        self.execution = execution  # its ID, if it has one
        self.run = run  # tells the attempts of this run from those of others
        self.began = began  # seconds since the epoch, by the storage's clock
        self.pid = os.getpid()  # the coordinator's
        self.live = False  # whether the coordinator shows the run, perhaps in the same terminal
        self.listener: Listener | None = None  # in the coordinator's process only

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_ticket, (self.engine, self.execution, self.run, self.began, self.pid, self.live)


def _restore_ticket(
    engine: str, execution: str | None, run: str, began: float, pid: int, live: bool
) -> Ticket:
    ticket = Ticket(engine, execution, run, began)
    ticket.pid, ticket.live = pid, live
    return ticket


#: The components that run here, the outermost first: a component launched from within another is the last.
running: ContextVar[tuple[Component, ...]] = ContextVar("machinable_running", default=())

_default: list[Callable[[], Launcher]] = []


def register_launcher(factory: Callable[[], Launcher]) -> None:
    """Says what runs a component that is launched outside any execution. Called by the execution layer."""
    _default[:] = [factory]


def launcher_of(execution: Launcher | None) -> Launcher:
    """The launcher in force: the execution entered, else a plain one."""
    return execution if execution is not None else _default[0]()
