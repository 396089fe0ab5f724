"""An execution seen from another process than its own: what its components do, whether it goes on, when it is over."""

from __future__ import annotations

import os
import time

from machinable.execution.stored import Entry
from machinable.execution.submissions import Standing, standings, submissions
from machinable.records.record import META, State
from machinable.store import owner
from machinable.types import Status

__all__ = ["Observed", "Observer", "coordinator_log", "is_conducted"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.execution.stored import StoredExecution

#: How long nothing of an execution may run before it counts as over although a process that ran it lives on, as a
#: notebook does, in seconds.
_GAP_SECONDS = 5.0

#: How often a scheduler is asked at most, in seconds: at first, and once that has been going on for long.
_FIRST_ASK_SECONDS, _ASK_SECONDS, _GROWTH = 1.0, 15.0, 1.3

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

#: How long to rest after a look at many records, for each second that it took.
_REST = 4


class Observed:
    """A component of an execution at one moment."""

    __slots__ = ("entry", "evidence", "job", "state", "status")

    def __init__(
        self, entry: Entry, status: Status, evidence: str, state: State | None, job: str | None = None
    ) -> None:
        self.entry = entry
        self.status = status
        self.evidence = evidence
        self.state = state  # of its record, if it has one
        self.job = job  # what a scheduler calls it


class Observer:
    """Looks at the records of an execution, and at the queue of a scheduler where it was submitted to one."""

    def __init__(self, stored: StoredExecution) -> None:
        self.stored = stored
        self._ask_at = 0.0
        self._ask_gap = _FIRST_ASK_SECONDS
        self._standings: dict[str, Standing] = {}
        self._idle_since: float | None = None

    def observe(self) -> list[Observed]:
        """Every component: from its record first, then from one call of the scheduler for all that have not ended."""
        entries = self.stored.entries()
        states = [entry.record.state() if entry.record is not None else None for entry in entries]
        if any(state is None or state.end.get("kind") not in ("finished", "failed") for state in states):
            self._ask()
        return [
            _observed(entry, state, self._standings) for entry, state in zip(entries, states, strict=True)
        ]

    def status_of(self, component_id: str, state: State) -> Status:
        """The status of one component whose record has the given state."""
        if state.status in (Status.FINISHED, Status.FAILED):
            return state.status
        self._ask()
        return _observed(Entry(None, component_id, None), state, self._standings).status

    def _ask(self) -> None:
        now = time.monotonic()
        if now < self._ask_at:
            return
        self._ask_at = now + self._ask_gap
        self._ask_gap = min(self._ask_gap * _GROWTH, _ASK_SECONDS)
        documents = submissions(self.stored.directory)
        self._standings = standings(documents) if documents else {}

    def is_active(self, observed: list[Observed] | None = None) -> bool:
        """Whether anything of it runs or is queued, or a process lives that will start more."""
        observed = observed if observed is not None else self.observe()
        if any(each.status in (Status.RUNNING, Status.QUEUED) for each in observed):
            self._idle_since = None
            return True
        alive = [run for run in self.stored.runs() if _conducts(run)]
        if not alive:
            return False
        if any(run.get("detached") for run in alive):
            return True  # that process is there for nothing else
        if all(each.status in (Status.FINISHED, Status.FAILED) for each in observed):
            return False
        now = time.monotonic()
        self._idle_since = self._idle_since if self._idle_since is not None else now
        return now - self._idle_since < _GAP_SECONDS

    def wait(self) -> list[Observed]:
        """Waits until nothing of it is active any more."""
        pause = _SHORTEST_PAUSE
        while True:
            began = time.monotonic()
            observed = self.observe()
            if not self.is_active(observed):
                return self.observe()  # what ended a moment before its coordinator
            time.sleep(max(pause, _REST * (time.monotonic() - began)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def coordinator_log(directory: str, run: str) -> str:
    """Where the process writes what it has to say that runs an execution in the background."""
    return os.path.join(directory, META, f"coordinator-{run}.log")


def is_conducted(run: dict[str, Any]) -> bool:
    """Whether the process lives, on this machine, that conducts a run."""
    return run.get("conducted") is not False and owner.token_is_alive(str(run.get("run"))) is True


def _conducts(run: dict[str, Any]) -> bool:
    return is_conducted(run) and str(run.get("run")).split("-")[1] != str(os.getpid())


def _observed(entry: Entry, state: State | None, found: dict[str, Standing]) -> Observed:
    status = state.status if state is not None else Status.PENDING
    evidence = state.evidence if state is not None else "it has not started"
    standing = found.get(entry.id)
    if standing is None or status in (Status.FINISHED, Status.FAILED):
        return Observed(entry, status, evidence, state)
    if standing.kind == "queued":
        if status is not Status.RUNNING:
            status, evidence = Status.QUEUED, standing.evidence
    elif standing.kind == "running":
        if status is not Status.RUNNING:
            status, evidence = Status.QUEUED, f"{standing.evidence}, about to begin"
    elif status is Status.RUNNING and standing.reason == "vanished":
        pass  # its sign of life counts for more
    elif status is Status.RUNNING and state is not None and state.silent_seconds:
        status, evidence = Status.LOST, standing.evidence
    else:
        evidence = f"{evidence}; {standing.evidence}"
    return Observed(entry, status, evidence, state, standing.job)
