"""Components in groups: a mapping from the values that they share to collections."""

from __future__ import annotations

from collections.abc import Mapping

from machinable.collection.ordering import key_of, order
from machinable.collection.summary import lines_of
from machinable.execution.tables import cell, html_of, text_of

__all__ = ["Groups"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from machinable.collection.collection import Collection
    from machinable.collection.summary import Summary


class Groups(Mapping):  # type: ignore[type-arg]
    """From each value (of several names: each tuple of values) to the collection of those that have it.

    In the order of the values. `None` stands for those that lack one; lists and dicts may be keys here.
    """

    def __init__(self, collection: Collection, names: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        self._names = list(names)
        found: dict[Any, tuple[tuple[Any, ...], list[int]]] = {}
        for position, told in enumerate(zip(*values, strict=True)):
            found.setdefault(tuple(map(key_of, told)), (told, []))[1].append(position)
        keys = list(found)
        positions = list(range(len(keys)))
        for level in reversed(range(len(names))):
            ordered = order([found[keys[position]][0][level] for position in positions])
            positions = [positions[position] for position in ordered]
        self._groups = {
            keys[position]: (found[keys[position]][0], collection._take(found[keys[position]][1]))
            for position in positions
        }

    def __getitem__(self, key: Any) -> Collection:
        told = (key,) if len(self._names) == 1 else key
        known = tuple(map(key_of, told)) if isinstance(told, tuple) else None
        if known not in self._groups:
            raise KeyError(key)
        return self._groups[known][1]

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[Any]:
        for told, _ in self._groups.values():
            yield told[0] if len(self._names) == 1 else told

    def items(self) -> Any:
        """Pairs of a value and its collection. A list: what is not hashable may be a value here."""
        return [(key, group[1]) for key, group in zip(self, self._groups.values(), strict=True)]

    def values(self) -> Any:
        """The collections."""
        return [collection for _, collection in self._groups.values()]

    def __len__(self) -> int:
        return len(self._groups)

    def summary(self) -> Summary:
        """Mean, standard deviation, 95 % interval and n of each group, over everything in it that is finished."""
        return lines_of(
            [dict(zip(self._names, told, strict=True)) for told, _ in self._groups.values()],
            [collection._members.rows() for _, collection in self._groups.values()],
        )

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        body = []
        for told, collection in self._groups.values():
            statuses = [str(row["status"]) for row in collection._members.rows()]
            counts = {status: statuses.count(status) for status in dict.fromkeys(statuses)}
            said = ", ".join(f"{count} {status}" for status, count in counts.items())
            body.append([*map(cell, told), str(len(collection)), said])
        return [*self._names, "n", "of which"], body

    def __repr__(self) -> str:
        return text_of(*self._cells()) if self._groups else "no components"

    def _repr_html_(self) -> str:
        return html_of(*self._cells()) if self._groups else "<p>no components</p>"
