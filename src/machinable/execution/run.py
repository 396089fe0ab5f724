"""One run of an execution: components are dispatched as their inputs are there; and the truth about each afterwards."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from machinable.component.acquire import reuse
from machinable.component.launching import Ticket
from machinable.component.lifecycle import shared_failure
from machinable.component.tracebacks import message_of
from machinable.component.waiting import is_free, takeover_seconds, wait_for_end
from machinable.errors import ExecutionFailed
from machinable.execution.failures import execution_failed
from machinable.execution.monitor import Monitor
from machinable.execution.pickling import travelling
from machinable.execution.schedule import ONCE_MORE, Schedule, Wave
from machinable.execution.watch import Watch
from machinable.modules.source import fingerprint
from machinable.notices import notice
from machinable.records import clock
from machinable.records.attempt import exception_line
from machinable.records.elsewhere import listed
from machinable.store import owner
from machinable.types import Status
from machinable.wording import named

__all__ = ["Run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from machinable.component.component import Component
    from machinable.records.record import State


class Pending(Sequence):  # type: ignore[type-arg]
    """Components to dispatch. Iteration ends early once the run stops."""

    def __init__(self, run: Run, components: list[Component]) -> None:
        self._run = run
        self._components = components

    def __iter__(self) -> Iterator[Component]:
        for component in self._components:
            if self._run.stopping:
                return
            yield component

    def __len__(self) -> int:
        return len(self._components)

    def __getitem__(self, index: Any) -> Any:
        return self._components[index]


class Run:
    """One dispatch of an execution, from the components that are to run to how each of them ended.

    Args:
        looked: Whether the components are known not to be finished.
        max_failures: Stop starting components after this many failures; `None`: go on to the end.
    """

    def __init__(
        self,
        components: list[Component],
        engine: str,
        execution_id: str | None,
        *,
        looked: bool = False,
        monitor: Monitor | None = None,
        max_failures: int | None = None,
        ticket: Ticket | None = None,
    ) -> None:
        self.ticket = ticket if ticket is not None else Ticket(engine, execution_id, owner.token(), 0.0)
        self.token = self.ticket.run
        self.components: dict[str, Component] = {}  # by identity, inputs before their users
        self.failures: dict[str, str] = {}  # the reason, by identity
        self.counts = {"reused": 0, "resumed": 0, "new": 0}
        self.stopping = False  # no more components are started
        self.unpicklable: dict[str, Exception] = {}  # by identity; "" for what all of them need
        self.monitor = monitor if monitor is not None else _NOBODY
        self._silent = monitor is None and max_failures is None
        self._max_failures = max_failures
        self._exit_of: Callable[[Component], str | None] = _unknown_exit
        self._wave: list[Component] = []
        self.schedule: Schedule | Wave = Wave(self)  # for engines that conduct the whole run
        self._reported: set[str] = set()
        self._started: set[str] = set()
        self._codes: dict[type[Component], str | None] = {}  # the fingerprints when the run began
        self.held: set[str] = set()  # identities that the engine reports itself, as it may start them again
        self._lock = threading.Lock()
        cores = [component._core for component in components]
        homes = {core.home for core in cores if core.home != core.storage} if len(cores) > 1 else ()
        with listed(cores[0].storage if cores else "", homes):
            for component in components:
                self._include(component, looked)

    def _include(self, component: Component, looked: bool = False) -> None:
        identity = component._request.identity
        if identity in self.components:
            return
        if not looked and reuse(component):
            self.counts["reused"] += 1
            return
        for used in component.uses.values():
            self._include(used)
        self.components[identity] = component
        self.counts["new" if component._core.record is None else "resumed"] += 1

    # --- what engines and the watch ask

    def ready(self) -> Pending:
        """The components to dispatch now."""
        return Pending(self, self._wave)

    def unreported(self) -> list[str]:
        """The identities of the components that were given to the engine and have not been reported as ended."""
        given = self.schedule.taken() if isinstance(self.schedule, Schedule) else self._wave
        return [c._request.identity for c in given if c._request.identity not in self._reported]

    def is_own(self, state: State) -> bool:
        """Whether the attempt that counts was made by this run."""
        return state.attempt is not None and state.attempt.started.get("run") == self.token

    def report_start(self, component: Component) -> None:
        """Tells the monitor, once, that a component began."""
        if self._silent:
            return
        identity = component._request.identity
        with self._lock:
            if identity in self._started or identity in self._reported:
                return
            self._started.add(identity)
        self.monitor.started(component)

    def report_end(self, component: Component, state: State | None = None, reason: str | None = None) -> None:
        """Tells the monitor, once, that a component ended, and stops the run after too many failures."""
        if self._silent:
            return
        identity = component._request.identity
        with self._lock:
            if identity in self._reported:
                return
            self._reported.add(identity)
        state = state if state is not None else component._state()
        end = (state.attempt.end or {}) if state.attempt is not None else {}
        self._check_code(component, state)
        status = Status.BLOCKED if reason is not None and reason.startswith("blocked") else state.status
        if reason is None and status is not Status.FINISHED:
            reason = _reason_of(state)
        seconds = end.get("seconds")
        self.monitor.ended(component, status, reason, float(seconds) if seconds is not None else None)
        if status is not Status.FINISHED:
            self._count_failure()

    def _check_code(self, component: Component, state: State) -> None:
        """Tells, once for each class, that a process which started late ran code that was edited meanwhile."""
        code = self._codes.get(type(component))
        if code is None or state.attempt is None or not self.is_own(state):
            return
        ran = state.attempt.started.get("code")
        if ran is not None and ran != code:
            notice(
                f"{component.module} {component.id}: its code was changed after this execution began, and it ran "
                "the changed code, as do those that start later. Execute again to see which results are of which code.",
                once=f"changed {self.token} {component._core.name} {type(component).__qualname__}",
            )

    def _count_failure(self) -> None:
        if self._max_failures is not None:
            self._max_failures -= 1
            self.stopping = self.stopping or self._max_failures <= 0

    # --- the run

    def go(
        self,
        call: Callable[[], None],
        *,
        by_pickle: bool,
        exit_of: Callable[[Component], str | None],
        whole: bool = False,
    ) -> None:
        """Dispatches everything. Raises ExecutionFailed if anything failed, and what stops an engine.

        Args:
            call: The engine: dispatches `ready()`; if `whole`, what `schedule` gives.
            by_pickle: Whether it is somebody's own, who may send components to other processes.
            exit_of: How the process of a component ended, where the engine knows.
            whole: Whether the engine is called once, and schedules inputs before their users itself.
        """
        self._exit_of = exit_of
        first = next(iter(self.components.values()))
        self.ticket.began = clock.now(first._core.storage)
        self.ticket.listener = None if self._silent else self
        if not self._silent:
            for component in self.components.values():
                if type(component) not in self._codes:
                    self._codes[type(component)] = fingerprint(component._core.project, type(component))
        watch = None if self._silent else Watch(self)
        self.monitor.begin(self)
        self.ticket.live = self.monitor.is_live
        if watch is not None:
            watch.start()
        try:
            if whole:
                self._dispatch_whole(call, by_pickle)
            else:
                self._dispatch_all(call, by_pickle)
        finally:
            if watch is not None:
                watch.stop()
            self.monitor.finish(self)
        if self.failures:
            raise self.failed()

    def is_left(self, component: Component) -> bool:
        """Whether a component, dispatched under this run's ticket, is to be dispatched once more.

        Raises:
            ExecutionFailed: If it failed.
        """
        reason = self.settle(component, False, None)
        if reason == ONCE_MORE:
            return True
        if reason is not None:
            self.failures[component._request.identity] = reason
            raise self.failed()
        return False

    def failed(self) -> ExecutionFailed:
        """The error that lists what failed."""
        return execution_failed(self)

    def _dispatch_whole(self, call: Callable[[], None], by_pickle: bool) -> None:
        self.schedule = schedule = Schedule(self)
        schedule.close(self._call(call, by_pickle))
        if self.stopping:
            for identity in schedule.left():
                self.failures[identity] = _STOPPED

    def _dispatch_all(self, call: Callable[[], None], by_pickle: bool) -> None:
        left = dict(self.components)
        tried: set[str] = set()
        while left and not self.stopping:
            self._wave = [
                component for component in left.values() if not self._inputs(component) & left.keys()
            ]
            for component in self._wave:
                component._core.hand_over(self.ticket)
            self.schedule = Wave(self)
            problem = self._call(call, by_pickle)
            for component in self._wave:
                identity = component._request.identity
                reason = self.settle(component, identity in tried or problem is not None, problem)
                tried.add(identity)
                if reason == ONCE_MORE:
                    continue
                component._core.ticket = None
                del left[identity]
                if reason is not None:
                    self.failures[identity] = reason
                self.report_end(component, reason=reason)
            self._block(left)
        for identity in left:
            self.failures[identity] = _STOPPED

    def _inputs(self, component: Component) -> set[str]:
        uses = component.uses
        return {used._request.identity for used in uses.values()} if uses else _NO_INPUTS

    def _call(self, call: Callable[[], None], by_pickle: bool) -> Exception | None:
        """Lets the engine run the wave. Its own error is returned, to be told together with what it left undone."""
        try:
            if by_pickle:
                with travelling(self._note_unpicklable):
                    call()
            else:
                call()
        except Exception as error:
            return error
        return None

    def _note_unpicklable(self, value: Any, error: Exception) -> None:
        request = getattr(value, "_request", None)
        self.unpicklable.setdefault(request.identity if request is not None else "", error)

    def renew_ticket(self, component: Component) -> None:
        """Before a component is started again: a failure that it has met already is not its outcome this time."""
        core, old = component._core, self.ticket
        core.ticket = Ticket(old.engine, old.execution, old.run, clock.now(core.storage))
        core.exception = core.outcome = None

    def runs_elsewhere(self, component: Component) -> bool:
        """Whether somebody outside of this run runs the component, as far as its record tells."""
        core = component._core
        if core.outcome is Status.FINISHED or core.exception is not None:
            return False
        state = component._state()
        if state.status is Status.FINISHED or self.is_own(state):
            return False
        record = component._record
        return record is not None and not is_free(record, state, takeover_seconds(core.settings))

    def settle(
        self, component: Component, tried: bool, problem: Exception | None, *, waited: bool = False
    ) -> str | None:
        """Why the component failed; `None` if it is finished, `ONCE_MORE` if it is to be dispatched once more.

        Args:
            tried: Whether it was dispatched by this run before.
            problem: What the engine raised.
            waited: Whether another launcher ran it, and the end of that was waited for.
        """
        core = component._core
        if core.outcome is Status.FINISHED:
            return None
        if core.exception is not None:
            return named(type(core.exception).__name__, message_of(core.exception))
        takeover = takeover_seconds(core.settings)
        while True:
            state = component._state()
            if state.status is Status.FINISHED:
                if core.reused is None:
                    core.reused = not self.is_own(state)
                return None
            record = component._record
            if record is None or is_free(record, state, takeover):
                break
            wait_for_end(record, component.module, takeover)
            waited = True
        if state.status is Status.FAILED and (self.is_own(state) or waited or self.ended_meanwhile(state)):
            core.exception = shared_failure(state)
            return _reason_of(state)
        if self.is_own(state):
            return f"{state.status}: {self._exit_of(component) or state.evidence}"
        if self.stopping:
            return _STOPPED
        if waited or (not tried and state.status is Status.LOST and self.ended_meanwhile(state)):
            return ONCE_MORE
        return self._not_dispatched(component, problem)

    def ended_meanwhile(self, state: State) -> bool:
        """Whether another owner's attempt was under way when this run began."""
        return state.attempt is not None and state.attempt.modified > self.ticket.began

    def _not_dispatched(self, component: Component, problem: Exception | None) -> str:
        error = self.unpicklable.get(component._request.identity) or self.unpicklable.get("")
        if error is not None:
            return f"not dispatched: it can not be pickled ({type(error).__name__}: {error})"
        if problem is not None:
            component._core.exception = problem
            return f"not dispatched: the engine raised {type(problem).__name__}: {problem}"
        ended = self._exit_of(component)
        if ended:
            return f"not dispatched: {ended}"
        return "not dispatched: the engine returned without having called its dispatch()"

    def _block(self, left: dict[str, Component]) -> None:
        """Gives up on the users of what failed."""
        if not self.failures:
            return
        blocked = True
        while blocked:
            blocked = False
            for identity, component in list(left.items()):
                for name, used in component.uses.items():
                    if used._request.identity in self.failures:
                        del left[identity]
                        self.failures[identity] = f"blocked: its input {name!r} failed"
                        self.report_end(component, reason=self.failures[identity])
                        blocked = True
                        break


_NOBODY = Monitor()
_NO_INPUTS: set[str] = set()
_STOPPED = "not started: the run was stopped after too many failures"


def _unknown_exit(component: Component) -> str | None:
    return None


def _reason_of(state: State) -> str:
    """Why an attempt did not finish, in one line."""
    return exception_line(state.end) or f"{state.status}: {state.end.get('reason') or state.evidence}"
