"""What a record was made from, and where that lies: the declared inputs, those observed as it ran, its origin."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.identity.ids import component_id
from machinable.records.record import Record

__all__ = ["Input", "inputs_of", "locate_input"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.records.record import State


class Input:
    """A component that went into a result.

    Attributes:
        name: Under which it is declared in `uses`; `None` if it was only observed.
        asked: The ID that was asked for.
        id: The ID of the record that was used: of another one, where that was found under an earlier shape.
    """

    __slots__ = ("asked", "id", "name")

    def __init__(self, name: str | None, asked: str, id: str) -> None:
        self.name = name
        self.asked = asked
        self.id = id

    @property
    def relation(self) -> str:
        """`uses` or `observed`."""
        return "observed" if self.name is None else "uses"


def inputs_of(record: Record, state: State | None = None) -> list[Input]:
    """The inputs of a record: the declared ones by their names, then those that it loaded or launched as it ran.

    Args:
        state: Of the record, where it is known already.
    Raises:
        StorageError: If the record is damaged.
    """
    asked = {
        name: component_id(identity)
        for name, identity in (record.document["request"].get("uses") or {}).items()
    }
    state = state if state is not None else record.state()
    started = state.attempt.started if state.attempt is not None else {}
    used = started.get("uses") or {}
    found = [Input(name, id_, used.get(name, id_)) for name, id_ in asked.items()]
    known = {each.id for each in found} | set(asked.values())
    found += [Input(None, id_, id_) for id_ in state.end.get("observed") or () if id_ not in known]
    return found


def locate_input(record: Record, found: Input) -> Record | None:
    """The record of an input: of the same plan, or asked for by `get`; `None` if the storage does not have it."""
    homes = dict.fromkeys((os.path.dirname(record.directory), record.root))
    for id_ in dict.fromkeys((found.asked, found.id)):
        for home in homes:
            try:
                there = Record.find(os.path.join(home, id_), record.root)
            except StorageError:
                continue  # damaged, or removed: it can not be told what it was
            if there is not None:
                return there
    return None
