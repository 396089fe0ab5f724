"""What lies in a storage: the names in a directory, and every record, wherever it is."""

from __future__ import annotations

import os

from machinable.identity.ids import is_component_id, is_execution_id
from machinable.records.elsewhere import look_below
from machinable.records.record import TOMBSTONE, Record

__all__ = ["is_execution_name", "names_in", "records_in"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def names_in(directory: str) -> list[str]:
    """The sorted names in a directory; none if there is no such directory."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_execution_name(name: str) -> bool:
    """Whether a directory of this name holds an execution: its ID, or `<ID>~<case mask>`."""
    return is_execution_id(name.partition("~")[0])


def records_in(root: str, prefix: str = "") -> Iterator[Record]:
    """All records of a storage, those of executions too, in the order of their IDs. Documents are read when needed.

    Args:
        prefix: What their IDs begin with.
    """
    look_below(root)
    for name in names_in(root):
        if is_component_id(name):
            if not name.startswith(prefix):
                continue
            record = Record(os.path.join(root, name), root)
            if not os.path.exists(os.path.join(record.meta, TOMBSTONE)):
                yield record
        elif is_execution_name(name):
            execution = os.path.join(root, name)
            for inner in names_in(execution):
                if is_component_id(inner) and inner.startswith(prefix):
                    yield Record(os.path.join(execution, inner), root)
