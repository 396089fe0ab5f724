"""Curves from the tables of components: one for each configuration, with what its trials say of the mean."""

from __future__ import annotations

from machinable.collection.alike import Alike
from machinable.collection.ordering import is_missing, key_of, order
from machinable.collection.student import Statistics
from machinable.errors import ConfigurationError, StorageError
from machinable.execution.columns import Names
from machinable.execution.tables import cell
from machinable.notices import notice
from machinable.store.concurrent import WIDTH
from machinable.store.concurrent import each as side_by_side
from machinable.wording import listed, nearest

__all__ = ["Curve", "curves_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from machinable.collection.collection import Collection
    from machinable.collection.members import Found, Given

    Row = dict[str, Any]
    Point = tuple[Any, float]


class Curve:
    """One line: what its trials measured, each as its points.

    Args:
        label: The values that tell it from the other lines; empty if nothing does.
        trials: The points of each trial, in the order of its rows.
    """

    __slots__ = ("label", "trials")

    def __init__(self, label: str, trials: Sequence[Sequence[Point]]) -> None:
        self.label = label
        self.trials = [trial for trial in trials if trial]

    @property
    def is_aligned(self) -> bool:
        """Whether the trials were measured at the same places, mostly, so that their mean can be taken there."""
        if len(self.trials) < 2:
            return True
        times: dict[Any, int] = {}
        for trial in self.trials:
            for place in {key_of(x) for x, _ in trial}:
                times[place] = times.get(place, 0) + 1
        return 2 * sum(count for count in times.values() if count > 1) >= sum(times.values())

    def mean(self) -> tuple[list[Any], list[Statistics]]:
        """The places, ascending, and what the trials say of the mean at each.

        A trial counts once at a place, with its own mean if it has several values there: these are not independent.
        """
        at: dict[Any, tuple[Any, list[float]]] = {}
        for trial in self.trials:
            own: dict[Any, tuple[Any, list[float]]] = {}
            for x, y in trial:
                own.setdefault(key_of(x), (x, []))[1].append(y)
            for place, (x, values) in own.items():
                at.setdefault(place, (x, []))[1].append(Statistics(values).mean)
        points = list(at.values())
        points = [points[position] for position in order([x for x, _ in points])]
        return [x for x, _ in points], [Statistics(values) for _, values in points]


def curves_of(
    collection: Collection, x: str | None, y: str, group_by: str | Sequence[str] | None
) -> tuple[str, list[Curve]]:
    """The names of what tells the curves apart, and the curves of `y` over `x` (`None`: over the number of the row).

    Those without a point are left out.

    Raises:
        ConfigurationError: If no table has such a column, or a name in `group_by` means nothing.
    """
    rows = collection._members.rows()
    if not rows:
        return "", []
    members = collection._members
    width = WIDTH if members.is_remote else 1
    tables = side_by_side(lambda position: _table(members, position), range(len(rows)), width)
    for name in (y,) if x is None else (x, y):
        _check(name, tables)
    title, labels, groups = _groups(collection, rows, group_by)
    curves = [
        Curve(label, [_points(tables[position], x, y) for position in group])
        for label, group in zip(labels, groups, strict=True)
    ]
    return title, [curve for curve in curves if curve.trials]


def _table(members: Found | Given, position: int) -> list[Row]:
    try:
        return members.table(position)
    except StorageError as error:
        notice(f"left out: {error}")
        return []


def _groups(
    collection: Collection, rows: Sequence[Row], group_by: str | Sequence[str] | None
) -> tuple[str, list[str], list[list[int]]]:
    """The names of what tells the lines apart, their labels, and the positions of the components of each."""
    names = Names(rows)
    if group_by is not None:
        columns = [names.find(name) for name in ([group_by] if isinstance(group_by, str) else group_by)]
        found: dict[Any, list[int]] = {}
        for position, row in enumerate(rows):
            found.setdefault(tuple(key_of(column.of(row)) for column in columns), []).append(position)
        groups, first = list(found.values()), rows
    else:
        alike = Alike(names, "seed")
        groups = alike.groups(rows, collection._members.homes)
        first = [alike.stripped(row) for row in rows]
        shown = Names([first[group[0]] for group in groups]).telling_apart()
        columns = [column for column in shown if column.kind != "field" or column.key in ("module", "class")]
    heads = [first[group[0]] for group in groups]
    ordered = list(range(len(groups)))
    for column in reversed(columns):
        ranks = order([column.of(heads[position]) for position in ordered])
        ordered = [ordered[position] for position in ranks]
    labels = [
        ", ".join(cell(column.of(heads[position])) or "None" for column in columns) for position in ordered
    ]
    return ", ".join(column.name for column in columns), labels, [groups[position] for position in ordered]


def _points(table: Iterable[Row], x: str | None, y: str) -> list[Point]:
    points = []
    for number, row in enumerate(table):
        place, value = number if x is None else row.get(x), row.get(y)
        if not is_missing(place) and isinstance(value, (int, float)) and not isinstance(place, (list, dict)):
            points.append((place, float(value)))
    return points


def _check(name: str, tables: Sequence[Sequence[Row]]) -> None:
    known = list(dict.fromkeys(column for table in tables for row in table for column in row))
    if name in known:
        return
    if not known:
        raise ConfigurationError("These components have recorded nothing that could be drawn.")
    near = nearest(name, known)
    hint = f"Did you mean {near!r}?" if near else f"There are: {listed(known)}."
    raise ConfigurationError(f"The records of these components have no column {name!r}. {hint}")
