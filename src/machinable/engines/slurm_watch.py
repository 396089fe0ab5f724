"""Following jobs to their ends: by the records first, and by one call of the queue for all of them now and then."""

from __future__ import annotations

import os
import time

from machinable.engines import slurm_queue
from machinable.errors import MachinableError
from machinable.execution.retries import decide
from machinable.execution.submissions import Standing, submissions
from machinable.execution.tables import place
from machinable.notices import notice
from machinable.records.notes import add_note
from machinable.records.record import META
from machinable.types import Status

__all__ = ["SlurmWatch"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from machinable.component.component import Component
    from machinable.execution.execution import Execution
    from machinable.execution.run import Run
    from machinable.execution.schedule import Schedule, Wave

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0

#: How often in a row the queue must say that a job is over before that counts: its record may come late over a network
#: file system. And for how long it must not list one at all, in seconds, as while a controller starts.
_LOOKS = 2
_VANISHED_SECONDS = 30.0

#: Records are looked at for this part of the time at most.
_SHARE = 0.2


class SlurmWatch:
    """Waits for the components of a run whose jobs were submitted.

    Args:
        poll_seconds: How often the queue is asked.
        retries: How often a component is submitted again.
        submit: Submits components (again); their inputs may be among them.
        exits: Where it is noted how jobs ended, in words, by identity.
        adopted: The identities of those that jobs of earlier runs have.
    """

    def __init__(
        self,
        execution: Execution,
        run: Run,
        schedule: Schedule | Wave,
        poll_seconds: float,
        retries: int,
        retry_exceptions: bool,
        submit: Callable[[list[Component]], None],
        exits: dict[str, str],
        adopted: set[str],
    ) -> None:
        self._execution = execution
        self._run = run
        self._schedule = schedule
        self._poll_seconds = poll_seconds
        self._retries = retries
        self._retry_exceptions = retry_exceptions
        self._submit = submit
        self._exits = exits
        self._adopted = adopted
        self._left: dict[str, Component] = {}  # by identity
        self._attempts: dict[str, int] = {}
        self._missed: dict[str, tuple[int, float]] = {}  # by identity: looks, and the time of the first
        self._ended_at: dict[str, float] = {}  # when the queue first said that a job is over, by identity
        self._asked_at = time.monotonic()
        self._has_stopped = False

    def follow(self, components: list[Component]) -> None:
        """Returns when all of them have ended."""
        for component in components:
            self._left[component._request.identity] = component
            self._attempts[component._request.identity] = 1
        pause = _SHORTEST_PAUSE
        while self._left and not self._schedule.is_done:
            began = time.monotonic()
            settled = self._look_at_records()
            if time.monotonic() - self._asked_at >= self._poll_seconds:
                self._asked_at = time.monotonic()
                settled = self._look_at_queue() or settled
            self._schedule.take()  # looks at what others run
            if self._run.stopping and not self._has_stopped:
                self._has_stopped = True
                self._withdraw()
            pause = _SHORTEST_PAUSE if settled else min(pause * 1.5, _LONGEST_PAUSE, self._poll_seconds)
            time.sleep(max(pause, (time.monotonic() - began) * (1 / _SHARE - 1)))

    def _withdraw(self) -> None:
        """After too many failures: what waits in the queue is taken from it, and what runs may end."""
        documents = submissions(str(self._execution.directory))
        found = slurm_queue.standings(documents)
        ours = {component.id for component in self._left.values()}
        queued = {id_ for id_ in ours if id_ in found and found[id_].kind == "queued"}
        slurm_queue.cancel(documents, queued)
        for component in list(self._left.values()):
            if component.id in queued and component._state().status is not Status.RUNNING:
                self._settle(component)

    def _look_at_records(self) -> bool:
        settled = False
        for identity, component in list(self._left.items()):
            if identity not in self._left:
                continue  # blocked by one before it
            try:
                state = component._state()
            except (MachinableError, OSError):
                continue
            if state.status is Status.RUNNING:
                self._run.report_start(component)
            if state.status is Status.FINISHED:
                self._settle(component)
                settled = True
            elif state.status is Status.FAILED and self._run.is_own(state):
                settled = True
                if not self._again([(component, "exception", "it raised an exception")]):
                    self._settle(component)
        return settled

    def _look_at_queue(self) -> bool:
        directory = self._execution.directory
        if directory is None or not self._left:
            return False
        found = slurm_queue.standings(submissions(directory))
        now = time.monotonic()
        over: list[tuple[Component, Standing]] = []
        for identity, component in list(self._left.items()):
            standing = found.get(component.id)
            if standing is None or standing.kind != "gone":
                self._missed.pop(identity, None)
                continue
            if standing.reason == "vanished" and _is_beating(component):
                continue  # a controller that has forgotten it says nothing against a sign of life
            looks, since = self._missed.get(identity, (0, now))
            self._missed[identity] = (looks + 1, since)
            patience = _VANISHED_SECONDS if standing.reason == "vanished" else 0.0
            if looks + 1 >= _LOOKS and now - since >= patience:
                over.append((component, standing))
        again: list[tuple[Component, str, str]] = []
        for component, standing in over:
            self._missed.pop(component._request.identity, None)
            again += self._conclude(component, standing)
        if again:
            for component, _, _ in self._refused(again):
                self._settle(component)
        return bool(over)

    def _conclude(self, component: Component, standing: Standing) -> list[tuple[Component, str, str]]:
        """A job is over, and its record has not told of an end that counts. Returns what may be submitted again."""
        identity = component._request.identity
        if identity not in self._left:
            return []  # blocked by one before it
        state = component._state()
        if state.status is Status.FINISHED or (state.status is Status.FAILED and self._run.is_own(state)):
            self._settle(component)
            return []
        if identity in self._adopted:
            # The job of an earlier run came to nothing, or to an end from before this run: it is this one's turn.
            self._adopted.discard(identity)
            if state.status is Status.FAILED and self._run.ended_meanwhile(state):
                self._settle(component)
            else:
                self._submit([component])
            return []
        self._exits[identity] = f"{standing.evidence}{self._output_of(standing)}"
        record, attempt = component._record, state.attempt
        if record is not None and attempt is not None and self._run.is_own(state) and attempt.end is None:
            # Its owner is on another machine, and could not tell.
            add_note(record.meta, "exit", attempt=attempt.number, gone=True, reason=standing.evidence)
        if standing.reason in ("cancelled", ""):
            self._settle(component)
            return []
        kind = "crash" if standing.reason == "vanished" else standing.reason
        return [(component, kind, standing.evidence)]

    def _output_of(self, standing: Standing) -> str:
        """Where the job told why it could not begin, if it did."""
        path = os.path.join(str(self._execution.directory), META, "jobs", f"slurm-{standing.job}.out")
        try:
            return f"; see {place(path)}" if os.path.getsize(path) else ""
        except OSError:
            return ""

    def _again(self, ended: list[tuple[Component, str, str]]) -> bool:
        return not self._refused(ended)

    def _refused(self, ended: list[tuple[Component, str, str]]) -> list[tuple[Component, str, str]]:
        """Submits components again, as far as that is allowed. Returns the others."""
        granted: dict[str, Component] = {}
        refused = []
        for component, kind, text in ended:
            identity = component._request.identity
            attempts = self._attempts[identity]
            default = self._retry_exceptions if kind == "exception" else True
            if attempts > self._retries or self._run.stopping:
                refused.append((component, kind, text))
            elif decide(self._execution, component, attempts, kind, text, default=default):
                granted[identity] = component
                notice(
                    f"{component.module} {component.id}: {text}; submitted again ({attempts} of {self._retries})"
                )
            else:
                refused.append((component, kind, text))
        if granted:
            self._submit_again(granted)
        return refused

    def _submit_again(self, granted: dict[str, Component]) -> None:
        """Their users, too: Slurm has given up on those that waited for them, or they saw that they lack an input."""
        for identity in granted:
            self._attempts[identity] += 1
        chosen = dict(granted)
        for identity, component in self._left.items():
            if any(used._request.identity in chosen for used in component.uses.values()):
                chosen[identity] = component
        documents = submissions(str(self._execution.directory))
        users = [component.id for identity, component in chosen.items() if identity not in granted]
        if users:
            slurm_queue.cancel(documents, users)
        for component in chosen.values():
            self._exits.pop(component._request.identity, None)
            # A failure that it has met already is not its outcome this time.
            self._run.renew_ticket(component)
        self._submit(list(chosen.values()))

    def _settle(self, component: Component) -> None:
        self._left.pop(component._request.identity, None)
        self._schedule.settle(component)
        for identity in list(self._left):
            if identity in self._run.failures:  # blocked
                del self._left[identity]


def _is_beating(component: Component) -> bool:
    try:
        return component._state().status is Status.RUNNING
    except (MachinableError, OSError):
        return False
