"""`machinable cancel`: interrupts what runs, so that it can be resumed."""

from __future__ import annotations

import os
import signal
import time

from machinable.cli.confirm import confirm
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, say
from machinable.cli.stored import as_json, lookup, one_id, storage_of
from machinable.execution.stored import StoredExecution
from machinable.records.notes import add_note
from machinable.records.record import Record, State
from machinable.store import owner
from machinable.types import Status

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

HELP = """\
machinable cancel ID [--yes] [--json]

Interrupts what runs of an execution, and the execution itself, or one component: with SIGTERM, so that checkpoints are
written. What is interrupted can be resumed by executing the same again. For what runs on another machine, a note is
left in its record.

Options:
  --yes             do not ask
  --json            print what was done as JSON
  --storage URL     where the records are

Examples:
  machinable cancel OY1p1o
  machinable cancel OY1p1o/4fKq --yes
"""

#: How long ends are waited for, and after which of it coordinators that ignore Ctrl-C get SIGTERM, in seconds.
_PATIENCE_SECONDS = 15.0
_SECOND_SIGNAL_SECONDS = 3.0

#: How long a run may be between two components, in seconds.
_GAP_SECONDS = 1.0
_PAUSE_SECONDS = 0.05


class _Running:
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


def run(words: list[str], options: Options) -> int:
    """Interrupts what runs, and says what it did."""
    flags = parse_flags("cancel", words, options, switches=("--yes", "--json"))
    root = storage_of(options)
    found = lookup(root, one_id("cancel", flags.words))
    whole = isinstance(found, StoredExecution)
    title = f"execution {found.id}" if whole else f"component {found.id}"
    running = _look(found)
    outcome: dict[str, Any] = {"interrupted": [], "ended": [], "noted": {}, "still_running": []}
    if running:
        count = len(running)
        what = running[0].name if count == 1 else f"{count} components"
        if not confirm(
            f"Interrupt {what} of {title}? They can be resumed." if whole else f"Interrupt {what}?",
            yes="--yes" in flags,
        ):
            return 2
        if not whole:
            _warn_of_company(running)
        # Others may have begun while the user thought about it.
        outcome = _cancel(found, whole)
    if "--json" in flags:
        say(as_json({"id": found.id, **outcome}))
    else:
        _tell(title, outcome)
    return 0


def _warn_of_company(running: list[_Running]) -> None:
    for each in running:
        if each.execution is not None and each.is_here and _pid_of(each.run) == each.pid:
            note(
                f"machinable: the rest of execution {each.execution} runs in the same process, and stops as well"
            )


def _tell(title: str, outcome: dict[str, Any]) -> None:
    for name in outcome["interrupted"]:
        say(f"{name}: {'ended' if name in outcome['ended'] else 'interrupted'}")
    for name, process in outcome["noted"].items():
        say(f"{name}: out of reach, a note to cancel it was left in its record. To stop it, end {process}")
    for name in outcome["still_running"]:
        note(f"machinable: {name} was asked to stop, and still runs")
    if not any(outcome.values()):
        say(f"{title}: nothing of it runs")


def _look(found: Record | StoredExecution) -> list[_Running]:
    """What runs. Between two components of a run there may be a moment in which none does."""
    end = time.monotonic() + _GAP_SECONDS
    while True:
        running = _running(found)
        if running or not isinstance(found, StoredExecution) or time.monotonic() > end:
            return running
        if not any(owner.token_is_alive(str(each.get("run"))) for each in found.runs()):
            return running
        time.sleep(_PAUSE_SECONDS)


def _running(found: Record | StoredExecution) -> list[_Running]:
    if isinstance(found, StoredExecution):
        records = [entry.record for entry in found.entries() if entry.record is not None]
    else:
        records = [found]
    states = ((record, record.state()) for record in records)
    return [_Running(record, state) for record, state in states if state.status is Status.RUNNING]


def _cancel(found: Record | StoredExecution, whole: bool) -> dict[str, Any]:
    running = _running(found)
    elsewhere = [each for each in running if not each.is_here]
    for each in elsewhere:
        add_note(each.record.meta, "cancel")
    asked = {each.record.directory: each for each in running if each.is_here}
    signalled: set[int] = set()
    began = time.monotonic()
    left = list(asked.values())
    while left and time.monotonic() - began < _PATIENCE_SECONDS:
        impatient = time.monotonic() - began > _SECOND_SIGNAL_SECONDS
        _signal(left, whole, signalled, signal.SIGTERM if impatient else signal.SIGINT)
        time.sleep(_PAUSE_SECONDS)
        left = [each for each in _running(found) if each.is_here]
        asked |= {each.record.directory: each for each in left}
    still = {each.record.directory for each in left}
    done = [each for directory, each in asked.items() if directory not in still]
    ended = [each.name for each in done if each.record.state().status is Status.FINISHED]
    return {
        "interrupted": [each.name for each in done],
        "ended": ended,
        "noted": {each.name: f"process {each.pid} on {each.owner.get('host')}" for each in elsewhere},
        "still_running": [each.name for each in left],
    }


def _signal(running: Iterable[_Running], whole: bool, signalled: set[int], to_coordinators: int) -> None:
    """Asks processes to stop, each once: first those that would start the next component."""
    owners = {each.pid for each in running}
    if whole:
        for token in {each.run for each in running}:
            pid = _pid_of(token)
            # A notebook or a script may do other things besides, so that it gets what Ctrl-C sends.
            key = -pid if to_coordinators == signal.SIGTERM else pid
            if pid and pid not in owners and key not in signalled:
                signalled.add(key)
                _kill(pid, to_coordinators)
    for pid in owners - signalled:
        signalled.add(pid)
        _kill(pid, signal.SIGTERM)


def _pid_of(token: str) -> int:
    """The process that made a token, if it lives on this machine; else 0."""
    return int(token.split("-")[1]) if owner.token_is_alive(token) else 0


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has just ended
