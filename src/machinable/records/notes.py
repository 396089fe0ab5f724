"""Notes: what users add to a record later, each an immutable file of its own."""

from __future__ import annotations

import os
import time

from machinable.errors import StorageError
from machinable.records.changes import mark_changed, storage_of
from machinable.records.documents import load, load_dated, publish_dated
from machinable.store import owner

__all__ = ["add_note", "is_cancelled", "read_notes"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def add_note(meta: str, kind: str, **fields: Any) -> None:
    """Publishes a note in the `.machinable` directory `meta` of a record. Raises StorageError."""
    directory = os.path.dirname(meta)
    mark_changed(storage_of(directory), directory)
    moment = time.time()
    publish_dated(
        os.path.join(meta, "notes"), {"kind": kind, "time": moment, **fields}, moment, owner.token()
    )


def read_notes(meta: str) -> list[dict[str, Any]]:
    """All notes of a record, oldest first. Kinds that this version does not know are among them."""
    return load_dated(os.path.join(meta, "notes"))


def is_cancelled(meta: str, since: float) -> bool:
    """Whether a note to cancel was left after a moment.

    Args:
        since: In seconds since the epoch, by the storage's clock.
    """
    directory = os.path.join(meta, "notes")
    try:
        with os.scandir(directory) as entries:
            late = [
                entry.path
                for entry in entries
                if entry.name.endswith(".json") and entry.stat().st_mtime >= since
            ]
        return any(load(path).get("kind") == "cancel" for path in late)
    except (OSError, StorageError):
        return False  # looked at again by the next heartbeat
