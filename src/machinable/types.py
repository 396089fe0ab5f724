"""Words that all layers share."""

from __future__ import annotations

from enum import Enum

__all__ = ["Status"]


class Status(str, Enum):
    """The state of a component, derived from its record each time it is asked for."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    BLOCKED = "blocked"

    def __str__(self) -> str:
        return self.value
