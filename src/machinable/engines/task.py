"""A component on its way through a cluster: claimed where need be, pickled, and what came of it."""

from __future__ import annotations

import pickle

from machinable.component.launching import Ticket
from machinable.engines.child import Report
from machinable.engines.relay import Relay
from machinable.errors import MachinableError
from machinable.notices import notice
from machinable.records import clock
from machinable.records.notes import add_note
from machinable.records.record import State
from machinable.types import Status

__all__ = ["Task"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.engines.node import Answer
    from machinable.execution.run import Run


class Task:
    """A component on its way.

    Attributes:
        attempts: How often it was sent to be run.
        flights: How many tasks of the library it is part of at the moment.
        is_alone: Whether it travels alone: after a crash of those that it was with.
        is_over: Whether it is settled.
        before: The number of the last attempt when it was sent.
        why: What went wrong, in words.
        kind: How its last attempt ended, if not well: one of `machinable.execution.retries.KINDS`; else "".
    """

    __slots__ = (
        "_is_noted",
        "attempts",
        "before",
        "component",
        "flights",
        "is_alone",
        "is_over",
        "kind",
        "relay",
        "was_resent",
        "why",
    )

    def __init__(self, component: Component) -> None:
        self.component = component
        self.attempts = self.flights = self.before = 0
        self._is_noted = False
        self.is_alone = self.is_over = self.was_resent = False
        self.relay: Relay | None = None
        self.why = self.kind = ""

    @property
    def identity(self) -> str:
        """The component's."""
        return self.component._request.identity

    def pickled(self) -> bytes:
        """The component, as it travels. Raises what pickle raises."""
        core = self.component._core
        ticket = core.ticket
        core.ticket = self._ticket()
        try:
            return pickle.dumps(self.component)
        finally:
            core.ticket = ticket

    def note_before(self) -> None:
        """Looks up which attempts there are, the first time that it is sent."""
        if self._is_noted:
            return
        self._is_noted = True
        record = self.component._core.record
        attempt = record.state().attempt if record is not None else None
        self.before = attempt.number if attempt is not None else 0

    def forget(self) -> None:
        """It is going to be started again."""
        self._is_noted = self.was_resent = False

    def claim(self, storages: list[str]) -> bool:
        """Claims the component for its node. `False`: it is finished, or somebody else runs it, or it can not be."""
        core = self.component._core
        ticket = core.ticket
        core.ticket = self._ticket()
        try:
            relay = Relay.open(self.component, storages)
        except (MachinableError, OSError) as error:
            core.exception = error
            return False
        finally:
            core.ticket = ticket
        if isinstance(relay, State):
            return False
        self.relay = relay
        return True

    def _ticket(self) -> Ticket | None:
        """For a further start, a new one: a failure that the component has met already is not its outcome then."""
        core = self.component._core
        ticket = core.ticket
        if not self.attempts or ticket is None:
            return ticket
        return Ticket(ticket.engine, ticket.execution, ticket.run, clock.now(core.storage))

    def state(self, run: Run) -> State | None:
        """The state that this run's last start of it has brought about; `None` if it did not begin."""
        try:
            state = self.component._state()
        except (MachinableError, OSError):
            return None
        if state.attempt is None or not run.is_own(state) or state.attempt.number <= self.before:
            return None
        return state

    def give_up(self, why: str) -> None:
        """Releases a claim that nothing came of."""
        relay, self.relay = self.relay, None
        if relay is not None:
            try:
                relay.publish(None, why, Status.INTERRUPTED.value)
            except (MachinableError, OSError):
                pass  # it reads as lost then

    def conclude(
        self, run: Run, answer: Answer | None, problem: str, kind: str, code: int | None = None
    ) -> bool:
        """Takes note of how it ended, in the component and its record. Returns whether it ended well, or for good.

        Args:
            answer: What the node said, if it could.
            problem: Why not.
            kind: How it ended then; see `Done`.
            code: The exit code of its process.
        """
        core = self.component._core
        report = Report.decoded(answer.report) if answer is not None and answer.report else None
        self.why = problem or (answer.exit if answer is not None else "")
        if report is not None and report.error:
            self.why = report.error
        if self.relay is not None:
            relay, self.relay = self.relay, None
            try:
                relay.publish(
                    answer.parcel if answer is not None else None,
                    self.why,
                    Status.INTERRUPTED.value if kind in ("cancelled", "refused") else "lost",
                )
            except (MachinableError, OSError) as error:
                core.exception, self.kind = error, ""
                return True
        if report is None and self._is_finished():  # killed with its last breath
            report = Report(Status.FINISHED.value)
        self.kind = kind or ("crash" if report is None else "")
        if report is None:
            self._note(run, answer.code if answer is not None else code)
        elif report.status == Status.FINISHED:
            self.kind = ""
            if not self.was_resent:
                core.outcome, core.reused = Status.FINISHED, report.reused
        elif report.status == Status.FAILED:
            self.kind = "exception"
            core.exception = report.load_exception()
        elif answer is not None and answer.is_overdue:
            self.kind = "time_limit"
        return not self.kind

    def _is_finished(self) -> bool:
        try:
            return self.component._state().status is Status.FINISHED
        except MachinableError:
            return False  # told where the run settles

    def _note(self, run: Run, code: int | None) -> None:
        """Adds to the record that its process is gone, which nobody else can tell of a process on another machine."""
        component = self.component
        try:
            record, state = component._record, component._state()
            attempt = state.attempt
            if record is None or attempt is None or attempt.end is not None or not run.is_own(state):
                return
            fields = {"attempt": attempt.number, "gone": True, "reason": self.why}
            if code is not None:
                fields["code" if code >= 0 else "signal"] = code if code >= 0 else _name_of(-code)
            add_note(record.meta, "exit", **fields)
        except MachinableError as error:
            notice(f"{component.module} {component.id}: how its process ended could not be noted: {error}")


def _name_of(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
