"""Which columns a table of components has, and what stands in them.

Every table (of a run, of a collection, of a command, of pandas) is made from rows, as `records/row.py` makes them of
records, and all are made here: `Names(rows)` knows the columns that there could be, `Names.chosen(…)` those to show,
`Column.of(row)` a value and `cells(rows, columns)` the texts.
"""

from __future__ import annotations

from machinable.config.dotted import ABSENT, nested
from machinable.errors import ConfigurationError
from machinable.execution.tables import cell
from machinable.wording import day, duration, nearest

__all__ = ["FIELDS", "Column", "Names", "cells"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = dict[str, Any]

#: What is known of every component, in the order of the columns: before its configuration, and after its record.
_BEFORE = ("id", "module", "class", "nickname", "execution", "trial", "seed", "counter")
_AFTER = ("timestamp", "started", "ended", "seconds", "attempts", "engine", "host", "exception", "status")
FIELDS = (*_BEFORE, *_AFTER, "path", "evidence", "code")

#: Fields that are points in time, in seconds since the epoch.
TIMES = ("timestamp", "started", "ended")

_SHORT = 40
_HASHABLE = frozenset({str, int, float, bool, type(None)})

_GROUPS = ("config", "record", "scope", "uses")
_DIGITS = 4
_LISTED = 12


class Column:
    """One column: what its header says, and where its values come from."""

    __slots__ = ("key", "kind", "name")

    def __init__(self, kind: str, key: str, name: str) -> None:
        # `field`, or the part of the row: `config`, `record`, `scope`, `uses`; `first`: the first that has the name;
        # `below`: a group of the configuration, as a dict.
        self.kind = kind
        self.key = key
        self.name = name

    def of(self, row: Row) -> Any:
        """The value; `None` where the row has none."""
        return self.values((row,))[0]

    def values(self, rows: Iterable[Row]) -> list[Any]:
        """What `of` gives for each row."""
        kind, key = self.kind, self.key
        if kind == "field":
            return [row.get(key) for row in rows]
        if kind == "first":
            return [_first(key, row) for row in rows]
        if kind == "below":
            return [_below(key, row) for row in rows]
        return [part.get(key) if (part := row.get(kind)) else None for row in rows]

    def cell(self, row: Row) -> str:
        """The value as text for people: on one line, measurements to four digits."""
        return self._cell(self.of(row))

    def _cell(self, value: Any) -> str:
        if self.kind == "record":
            return cell(value, _DIGITS)
        if self.kind == "field" and value is not None and self.key in (*TIMES, "seconds"):
            return duration(value) if self.key == "seconds" else day(value)
        return cell(value)

    def texts(self, rows: Sequence[Row]) -> list[str]:
        """What `cell` gives for each row."""
        values = self.values(rows)
        if self.kind == "field" and self.key in TIMES:  # they are told to the minute
            values = [value - value % 60.0 if type(value) is float else value for value in values]
        kinds = set(map(type, values))
        if not kinds <= _HASHABLE or len(kinds - {type(None)}) > 1:
            return [self._cell(value) for value in values]  # `1` and `True` are one key of a dict
        if kinds == {str}:  # an ID, a name: nothing in it needs another form
            return [
                value if value.isalnum() and len(value) < _SHORT else self._cell(value) for value in values
            ]
        known = {value: self._cell(value) for value in set(values)}
        return [known[value] for value in values]

    def __repr__(self) -> str:
        return f"<Column {self.name}: {self.kind} {self.key}>"


class Names:
    """The names by which the values of some rows can be asked for.

    A name means, in this order: a key of the configuration, a column of the record, a field of every component (see
    `FIELDS`), a group of the configuration (its values are dicts); `config.x`, `record.x`, `scope.x` and `uses.x` say
    which is meant.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._known: dict[str, dict[str, None]] = {group: _keys(rows, group) for group in _GROUPS}

    def find(self, name: str) -> Column:
        """The column of this name. Raises ConfigurationError, with the nearest name, if there is none."""
        if not isinstance(name, str):
            raise ConfigurationError(f"{name!r} is not the name of a column; give a text such as 'lr'.")
        found = [group for group in ("config", "record") if name in self._known[group]]
        found += ["field"] if name in FIELDS else []
        if found:
            # In components of several modules it may be a parameter here, and a measurement there.
            same = len(found) == 1 or all(name in (row.get(found[0]) or {}) for row in self.rows)
            return Column(found[0] if same else "first", name, name)
        group, _, key = name.partition(".")
        if key in self._known.get(group, ()):
            return Column(group, key, name)
        path = key if group == "config" and key else name
        if any(each.startswith(f"{path}.") for each in self._known["config"]):
            return Column("below", path, name)
        names = self.all_names()
        near = nearest(name, names)
        hint = f"Did you mean {near!r}?" if near else f"There are: {_listed(names)}."
        raise ConfigurationError(f"These components have no column {name!r}. {hint}")

    def all_names(self) -> list[str]:
        """All names that `find` takes, without the prefixes that nobody needs."""
        return list(
            dict.fromkeys(
                [
                    *self._known["config"],
                    *self._known["record"],
                    *FIELDS,
                    *(f"scope.{key}" for key in self._known["scope"]),
                    *(f"uses.{key}" for key in self._known["uses"]),
                ]
            )
        )

    def qualified(self) -> list[str]:
        """All keys of the parts of the rows, with the name of the part in front."""
        return [f"{group}.{key}" for group in _GROUPS for key in self._known[group]]

    def chosen(self, columns: Iterable[str] | None = None, *, all_columns: bool = False) -> list[Column]:
        """The columns of a table, each under a name of its own.

        By default: ID; what varies of module, trial, configuration, scope and inputs; the seed where nothing else
        tells two of them apart; the whole record; when it started, how many seconds it took, and the status.

        Args:
            columns: Their names, in this order, instead.
            all_columns: Everything there is.
        Raises:
            ConfigurationError: If there is no such column; it names the nearest.
        """
        if columns is not None:
            if isinstance(columns, str):
                columns = [columns]
            return [self.find(name) for name in dict.fromkeys(columns)]
        if not all_columns:
            return [
                *self.telling_apart(),
                *self._columns("record"),
                *_fields(("started", "seconds", "status")),
            ]
        config, record, scope, uses = (self._columns(group) for group in _GROUPS)
        return [*_fields(_BEFORE), *config, *scope, *uses, *record, *_fields(_AFTER)]

    def telling_apart(self) -> list[Column]:
        """The columns that tell the rows apart: the ID, and what varies of all that is known before they run."""
        config, scope = self.varying(self._columns("config")), self.varying(self._columns("scope"))
        # Inputs of trials are trials themselves, so of these there is one each.
        uses = self.varying(self._columns("uses"), within=("module", "class", "trial"))
        modules = {row.get("module") for row in self.rows}
        fields = ["id"]
        if len(modules) > 1:
            fields.append("module")
        if len({(row.get("module"), row.get("class")) for row in self.rows}) > len(modules):
            fields.append("class")
        if len({row.get("trial") for row in self.rows}) > 1:
            fields.append("trial")
        told = [*_fields(("module", "class", "trial")), *config, *scope, *uses]
        if _are_some_alike(told, self.rows):
            fields.append("seed")
        return [*_fields(fields), *config, *scope, *uses]

    def _columns(self, group: str) -> list[Column]:
        """The columns of a part of the rows; with its name in front where the bare one would mean something else."""
        if group in ("scope", "uses"):
            return [Column(group, key, f"{group}.{key}") for key in self._known[group]]
        other = self._known["record" if group == "config" else "config"]
        taken = {*other, *FIELDS, *self.qualified()}
        return [Column(group, key, f"{group}.{key}" if key in taken else key) for key in self._known[group]]

    def varying(self, columns: Iterable[Column], within: Sequence[str] = ("module", "class")) -> list[Column]:
        """Those columns in which rows differ that are alike in `within`."""
        columns = list(columns)
        if not columns:
            return []
        members: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            members.setdefault(tuple([row.get(field) for field in within]), []).append(row)
        kinds = {column.kind for column in columns}
        parts = [
            {kind: rows if kind == "field" else [row.get(kind) or {} for row in rows] for kind in kinds}
            for rows in members.values()
        ]
        return [column for column in columns if any(_differ(column.key, each[column.kind]) for each in parts)]


def cells(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Header and body of a table for people, for `text_of` and `html_of` in `execution/tables.py`."""
    header = [
        "time" if column.kind == "field" and column.key == "seconds" else column.name for column in columns
    ]
    # Column by column: of ten thousand rows most values were met before.
    return header, [list(line) for line in zip(*(column.texts(rows) for column in columns), strict=True)]


def _keys(rows: Iterable[Row], group: str) -> dict[str, None]:
    keys: dict[str, None] = {}
    for row in rows:
        part = row.get(group)
        if part and not part.keys() <= keys.keys():
            keys.update(dict.fromkeys(part))
    return keys


def _first(key: str, row: Row) -> Any:
    for group in ("config", "record"):
        if key in (row.get(group) or {}):
            return row[group][key]
    return row.get(key) if key in FIELDS else None


def _below(path: str, row: Row) -> dict[str, Any] | None:
    start = f"{path}."
    leaves = {
        key[len(start) :]: value for key, value in (row.get("config") or {}).items() if key.startswith(start)
    }
    return nested(leaves) or None


def _fields(names: Iterable[str]) -> list[Column]:
    return [Column("field", name, name) for name in names]


def _differ(key: str, parts: Sequence[Row]) -> bool:
    first = parts[0].get(key, ABSENT)
    kind_of_first = type(first)
    for part in parts:
        value = part.get(key, ABSENT)
        if value is not first and (type(value) is not kind_of_first or value != first):
            return True
    return False


def _are_some_alike(columns: Sequence[Column], rows: Sequence[Row]) -> bool:
    values = [column.values(rows) for column in columns]
    try:
        return len(set(zip(*values, strict=True))) < len(rows)
    except TypeError:  # lists and dicts have no hash
        return len({repr(each) for each in zip(*values, strict=True)}) < len(rows)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
