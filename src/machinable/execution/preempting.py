"""Preemption on request: what runs is interrupted as a scheduler does it, and goes on from its checkpoint."""

from __future__ import annotations

import os
import signal

from machinable.errors import ConfigurationError
from machinable.execution.cancelling import Running, look
from machinable.execution.stored import StoredExecution, execution_of
from machinable.execution.submissions import requeue_submitted, submissions
from machinable.records.notes import add_note, read_notes

__all__ = ["preempt", "was_preempted"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.records.record import Record


def preempt(found: Record | StoredExecution) -> list[str]:
    """Preempts what runs of an execution, or one component. Returns their names.

    Raises:
        ConfigurationError: If nothing of it runs where this process can reach it.
    """
    running = look(found)
    execution = found if isinstance(found, StoredExecution) else execution_of(found)
    documents = submissions(execution.directory) if execution is not None else []
    queued = set(requeue_submitted(documents, [each.record.id for each in running])) if documents else set()
    reached = [each for each in running if each.record.id in queued or _interrupt(each)]
    if not reached:
        where = f"; it runs on {running[0].owner.get('host')}" if running else ""
        raise ConfigurationError(f"Nothing of {found.id} runs that could be preempted from here{where}.")
    return [each.name for each in reached]


def was_preempted(component: Component) -> bool:
    """Whether the last attempt of a component was interrupted by `preempt`, so that it is to go on."""
    record = component._record
    attempt = component._state().attempt
    if record is None or attempt is None:
        return False
    return any(
        note.get("kind") == "preempt" and note.get("attempt") == attempt.number
        for note in read_notes(record.meta)
    )


def _interrupt(running: Running) -> bool:
    if not running.is_here:
        return False
    attempt = running.record.state().attempt
    if attempt is None or attempt.end is not None:
        return False
    add_note(running.record.meta, "preempt", attempt=attempt.number)
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True
