"""Rows that were found, each read when it is looked at."""

from __future__ import annotations

import os
from collections.abc import Sequence

from machinable.records.decoding import decode, decode_many
from machinable.records.record import Record
from machinable.records.row import row_of
from machinable.wording import counted

__all__ = ["Rows"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: From so many rows on, the faster reader is worth the time that it takes to load.
_MANY = 100


class Rows(Sequence["dict[str, Any]"]):
    """Rows as `row_of` gives them. They are as they were when they were asked for, whatever happens to the index.

    Args:
        root: The storage.
        texts: The paths of the records and their rows as JSON, as the index has them.
    """

    __slots__ = ("_decoded", "_root", "_texts")

    def __init__(self, root: str, texts: Sequence[tuple[str, str]]) -> None:
        self._root = root
        self._texts = texts
        self._decoded: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, position: Any) -> Any:
        """The row at a position: the same object each time. With a slice, a list of rows."""
        positions = range(len(self._texts))[position]
        if isinstance(positions, range):
            if len(positions) > _MANY:
                decode_many()
            return [self._row(each) for each in positions]
        return self._row(positions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Rows, list)):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Any:
        return iter(self[:])

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'row')}>"

    def _row(self, position: int) -> dict[str, Any]:
        found: dict[str, Any] | None = self._decoded.get(position)
        if found is None:
            path, text = self._texts[position]
            try:
                found = decode(text)
            except (ValueError, TypeError):  # the file of the index is damaged: the record has it all
                found = row_of(Record(os.path.join(self._root, *path.split("/")), self._root))
            self._decoded[position] = found
        return found
