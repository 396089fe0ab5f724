"""Interrupting what runs of an execution or a component, in whichever process, so that it can be resumed."""

from __future__ import annotations

import os
import signal
import time

from machinable.execution.reattach import is_conducted
from machinable.execution.stored import StoredExecution, execution_of
from machinable.execution.submissions import cancel_submitted, submissions
from machinable.records.notes import add_note
from machinable.records.record import Record, State
from machinable.store import owner
from machinable.types import Status

__all__ = ["Cancelled", "Running", "cancel", "look", "process_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: How long ends are waited for, and after which of it coordinators that ignore Ctrl-C get SIGTERM, in seconds.
_PATIENCE_SECONDS = 15.0
_SECOND_SIGNAL_SECONDS = 3.0

#: How long a run may be between two components, in seconds.
_GAP_SECONDS = 1.0
_PAUSE_SECONDS = 0.05


class Running:
    """A component that runs."""

    def __init__(self, record: Record, state: State) -> None:
        assert state.attempt is not None
        self.record = record
        self.name = f"{record.document['request']['module']} {record.id}"
        self.owner = state.attempt.owner
        self.run = str(state.attempt.started.get("run") or "")
        self.execution = state.attempt.started.get("execution")
        self.is_here = owner.is_alive(self.owner) is True

    @property
    def pid(self) -> int:
        """The PID of its process."""
        return int(self.owner.get("pid", -1))


class Cancelled:
    """What was done to cancel.

    Attributes:
        interrupted: The names of what ran in processes of this machine, and has ended.
        ended: Those among them that had finished by then.
        noted: What runs elsewhere and was left a note, with its process, by name.
        still_running: What was asked to stop and has not yet.
        withdrawn: The IDs of components whose jobs were taken from a scheduler.
    """

    __slots__ = ("ended", "interrupted", "noted", "still_running", "withdrawn")

    def __init__(self) -> None:
        self.interrupted: list[str] = []
        self.ended: list[str] = []
        self.noted: dict[str, str] = {}
        self.still_running: list[str] = []
        self.withdrawn: list[str] = []


def look(found: Record | StoredExecution) -> list[Running]:
    """What runs. Between two components of a run there may be a moment in which none does."""
    end = time.monotonic() + _GAP_SECONDS
    while True:
        running = _running(found)
        if running or not isinstance(found, StoredExecution) or time.monotonic() > end:
            return running
        if not any(map(is_conducted, found.runs())):
            return running
        time.sleep(_PAUSE_SECONDS)


def cancel(found: Record | StoredExecution) -> Cancelled:
    """Asks what runs to stop, waits a while for that, and says what came of it.

    A process of this machine gets SIGTERM, the coordinator of a whole execution first what Ctrl-C sends. Jobs are taken
    from their scheduler. For what runs on another machine a note is left, which its next heartbeat reads.
    """
    whole = isinstance(found, StoredExecution)
    done = Cancelled()
    signalled: set[int] = {os.getpid()}
    unconducted: set[str] = set()
    if isinstance(found, StoredExecution):
        unconducted = {str(each.get("run")) for each in found.runs() if each.get("conducted") is False}
        # First those that would start the next ones, whether or not anything runs at the moment.
        for token in {str(each.get("run")) for each in found.runs() if each.get("detached")}:
            _kill_once(process_of(token), signal.SIGINT, signalled)
    done.withdrawn = _withdraw(found)
    withdrawn = set(done.withdrawn)
    running = _running(found)
    elsewhere = [each for each in running if not each.is_here and each.record.id not in withdrawn]
    for each in elsewhere:
        add_note(each.record.meta, "cancel")
    asked = {each.record.directory: each for each in running if each.is_here and each.pid not in signalled}
    began = time.monotonic()
    left = list(asked.values())
    while left and time.monotonic() - began < _PATIENCE_SECONDS:
        impatient = time.monotonic() - began > _SECOND_SIGNAL_SECONDS
        coordinators = {each.run for each in left} - unconducted if whole else set()
        _signal(left, coordinators, signalled, signal.SIGTERM if impatient else signal.SIGINT)
        time.sleep(_PAUSE_SECONDS)
        left = [each for each in _running(found) if each.is_here and each.pid != os.getpid()]
        asked |= {each.record.directory: each for each in left}
    still = {each.record.directory for each in left}
    ended = [each for directory, each in asked.items() if directory not in still]
    done.interrupted = [each.name for each in ended]
    done.ended = [each.name for each in ended if each.record.state().status is Status.FINISHED]
    done.noted = {each.name: f"process {each.pid} on {each.owner.get('host')}" for each in elsewhere}
    done.still_running = [each.name for each in left]
    return done


def _withdraw(found: Record | StoredExecution) -> list[str]:
    execution = found if isinstance(found, StoredExecution) else execution_of(found)
    if execution is None:
        return []
    documents = submissions(execution.directory)
    if not documents:
        return []
    return cancel_submitted(documents, None if execution is found else [found.id])


def _running(found: Record | StoredExecution) -> list[Running]:
    if isinstance(found, StoredExecution):
        records = [entry.record for entry in found.entries() if entry.record is not None]
    else:
        records = [found]
    states = ((record, record.state()) for record in records)
    return [Running(record, state) for record, state in states if state.status is Status.RUNNING]


def _signal(
    running: Iterable[Running], coordinators: set[str], signalled: set[int], to_coordinators: int
) -> None:
    """Asks processes to stop, each once: first those that would start the next component."""
    owners = {each.pid for each in running}
    for token in coordinators:
        pid = process_of(token)
        # A notebook or a script may do other things besides, so that it gets what Ctrl-C sends.
        if pid not in owners:
            _kill_once(pid, to_coordinators, signalled)
    for pid in owners - signalled:
        signalled.add(pid)
        _kill(pid, signal.SIGTERM)


def _kill_once(pid: int, number: int, signalled: set[int]) -> None:
    key = -pid if number == signal.SIGTERM else pid
    if pid and pid != os.getpid() and key not in signalled:
        signalled.add(key)
        _kill(pid, number)


def process_of(token: str) -> int:
    """The process that made a token, if it lives on this machine; else 0."""
    return int(token.split("-")[1]) if owner.token_is_alive(token) else 0


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has just ended
