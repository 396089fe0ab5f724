"""What happens on a node of a cluster: a component finds its code and its storage there, and runs."""

from __future__ import annotations

import time
from contextvars import Context

from machinable.component.lifecycle import dispatch_claimed
from machinable.component.transport import relocated
from machinable.engines import child
from machinable.engines.deadline import Deadline
from machinable.engines.parcel import collect, unpack_input, unpack_record
from machinable.engines.place import Place
from machinable.types import Status

__all__ = ["Answer", "finish_for", "perform_all"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.component.component import Component
    from machinable.engines.parcel import Files, Orders, Parcel
    from machinable.engines.place import Site

_OPTIONS = child.Options({})

#: After this time, in seconds, the next of several components is sent back instead of begun.
_TOGETHER_SECONDS = 0.25

_places: dict[str, Place] = {}


class Answer:
    """What a node has to say of a component.

    Attributes:
        needs: What it lacks, if the component could not run for that reason: "code", "storage" or both.
        status: Of the report; empty if there is none.
        report: A `Report` as bytes; empty if the process ended before it could tell.
        seconds: How long it took.
        is_overdue: Whether it was ended because it took too long.
        parcel: What the component did to its record, where the record does not lie in a storage that the node sees.
        exit: How the process ended that ran the component, in words, if that was not in order.
        code: Its exit code, a signal being negative.
    """

    __slots__ = ("code", "exit", "is_overdue", "needs", "parcel", "report", "seconds", "status")

    def __init__(
        self,
        needs: tuple[str, ...] = (),
        status: str = "",
        report: bytes = b"",
        seconds: float = 0.0,
        is_overdue: bool = False,
        parcel: Parcel | None = None,
        exit: str = "",
        code: int | None = None,
    ) -> None:
        self.needs = needs
        self.status = status
        self.report = report
        self.seconds = seconds
        self.is_overdue = is_overdue
        self.parcel = parcel
        self.exit = exit
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return Answer, (
            self.needs,
            self.status,
            self.report,
            self.seconds,
            self.is_overdue,
            self.parcel,
            self.exit,
            self.code,
        )


def perform_all(
    site: Site,
    work: list[tuple[bytes, int | None]],
    code: bytes | None = None,
    orders: Orders | None = None,
    inputs: list[tuple[int, str, Any]] | None = None,
    fetch: Callable[[Any], Files] | None = None,
    timeout_seconds: float | None = None,
) -> list[Answer]:
    """Runs components in this process, one after the other. See `machinable.engines.library.Order`.

    Args:
        fetch: Makes files out of what `inputs` have of a record.
    Returns:
        An answer for each that it got to: the last ones are left out if others took too long.
    """
    place = _places.get(site.run)
    if place is None:
        place = _places[site.run] = Place(site)
    if code is not None:
        place.restore(code)
    missing = [] if place.project is not None else ["code"]
    if orders is None and not place.sees_storage:
        missing.append("storage")
    if missing:
        return [Answer(tuple(missing))] * len(work)
    for storage, name, record in inputs or ():
        unpack_input(place.private(storage), name, record, fetch)
    answers: list[Answer] = []
    began = time.monotonic()
    for payload, after in work:
        if answers and time.monotonic() - began > _TOGETHER_SECONDS:
            break
        answers.append(Context().run(_perform, place, payload, after, orders, timeout_seconds))
        if answers[-1].status == Status.INTERRUPTED.value:
            break
    return answers


def _perform(
    place: Place, payload: bytes, after: int | None, orders: Orders | None, timeout_seconds: float | None
) -> Answer:
    relocated.set(place.relocations(orders is not None))
    place.enter()
    deadline = Deadline(timeout_seconds)
    began = time.monotonic()

    def dispatch(component: Component) -> Status:
        nonlocal began
        began = time.monotonic()
        ticket = component._core.ticket
        if ticket is not None:
            # The coordinator's PID and terminal mean nothing here.
            ticket.pid, ticket.live = 0, False
        if orders is not None:
            claim = unpack_record(place.private(orders.storage), orders)
            with deadline.over(component):
                return dispatch_claimed(component, claim, orders.resumed_from)
        if after is not None and _was_begun(component, after):
            raise _BegunBefore
        with deadline.over(component):
            return component.dispatch()

    report = child.run(payload, _OPTIONS, dispatch)
    if report.error.startswith(_BegunBefore.__name__):
        return Answer(exit="its worker died")
    is_overdue = deadline.passed and report.status == Status.INTERRUPTED
    if is_overdue:
        report.error = deadline.reason
    parcel = collect(place.roots(), orders) if orders is not None else None
    seconds = time.monotonic() - began
    return Answer((), report.status, report.encoded(), seconds, is_overdue, parcel)


class _BegunBefore(Exception):
    """The scheduler gave the component to a second worker, of its own accord."""


def _was_begun(component: Component, after: int) -> bool:
    state, ticket = component._state(), component._core.ticket
    attempt = state.attempt
    if attempt is None or ticket is None or attempt.number <= after:
        return False
    if attempt.end is not None and attempt.end["kind"] in ("finished", "failed"):
        return False  # the outcome of this start as well
    return attempt.started.get("run") == ticket.run


def finish_for(run: str) -> None:
    """Forgets a run that has ended, and removes what was put on this node for it."""
    _places.pop(run, None)
    Place.clear(run)
