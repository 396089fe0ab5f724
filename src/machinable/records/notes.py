"""Notes: what users add to a record later, each an immutable file of its own."""

from __future__ import annotations

import os
import time

from machinable.records.documents import load_dated, publish_dated
from machinable.store import owner

__all__ = ["add_note", "read_notes"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def add_note(meta: str, kind: str, **fields: Any) -> None:
    """Publishes a note in the `.machinable` directory `meta` of a record. Raises StorageError."""
    moment = time.time()
    publish_dated(
        os.path.join(meta, "notes"), {"kind": kind, "time": moment, **fields}, moment, owner.token()
    )


def read_notes(meta: str) -> list[dict[str, Any]]:
    """All notes of a record, oldest first. Kinds that this version does not know are among them."""
    return load_dated(os.path.join(meta, "notes"))
