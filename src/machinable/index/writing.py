"""Rows, written into the tables of the index."""

from __future__ import annotations

import json
from operator import itemgetter

from machinable.index.conditions import FIELDS
from machinable.index.values import FALSE, NONE, TRUE, normal

__all__ = ["Writer"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from typing import Any

    from machinable.index.looking import Look
    from machinable.index.taking import Found

_COLUMNS = [name for name in FIELDS if name != "path"]
_columns_of = itemgetter(*_COLUMNS)
_SPACES = ("config", "record", "scope", "uses")

#: The space of all inputs of a record, under one key, for finding what uses a component.
INPUTS = ("inputs", "")

_PLAIN = frozenset({NONE, TRUE, FALSE, normal([]), normal({})})

#: So many values are given to one statement; older versions of SQLite take 999.
_PARAMETERS = 600

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Writer:
    """Writes what a look found. It remembers the numbers of names, so one of them serves one database."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], list[int]] = {}

    def forget(self) -> None:
        """After a transaction that was not committed."""
        self._numbers.clear()

    def write(self, connection: sqlite3.Connection, batch: Sequence[Found]) -> None:
        """Adds records, in the place of what there was of them."""
        before = self._present(connection, [found.path for found in batch])
        number = (connection.execute("SELECT max(row) FROM component").fetchone()[0] or 0) + 1
        components: list[Any] = []
        documents: list[Any] = []
        values: list[Any] = []
        replaced = []
        for found in batch:
            row = found.row
            old = before.get(found.path)
            if old is None:
                place, number = number, number + 1
                before[found.path] = (place, found.is_open, row.get("attempts") or 0)
            else:
                place, was_open, attempts = old
                if (
                    not was_open
                    and row["status"] == "running"
                    and row["started"] is not None
                    and (row.get("attempts") or 0) <= (attempts or 0)
                ):
                    continue  # another process has seen its end meanwhile
                replaced.append((place,))
            directory = found.path.rpartition("/")[0]
            components += (
                place,
                found.path,
                directory,
                found.inode,
                found.modified,
                found.is_open,
                row["status"] == "damaged",
                *[value if value is None else normal(value) for value in _columns_of(row)],
            )
            is_plain = self._add_values(connection, place, row, values)
            documents += (place, _text(row, is_plain))
        if replaced:
            connection.executemany("DELETE FROM value WHERE row = ?", replaced)
        _insert(connection, "INSERT OR REPLACE INTO component", 7 + len(_COLUMNS), components)
        _insert(connection, "INSERT OR REPLACE INTO document", 2, documents)
        _insert(connection, "INSERT OR IGNORE INTO value", 3, values)

    def finish(self, connection: sqlite3.Connection, look: Look) -> None:
        """Removes what is gone, and remembers how far the look went."""
        for path in look.gone:
            self._remove(connection, "path = ?", path)
        for name in look.gone_directories:
            self._remove(connection, "path > ? AND path < ?", f"{name}/", f"{name}0")
        connection.executemany(
            "DELETE FROM directory WHERE name = ?", [(name,) for name in look.gone_directories]
        )
        connection.executemany("INSERT OR REPLACE INTO directory VALUES (?, ?)", look.directories.items())
        connection.executemany("DELETE FROM change WHERE name = ?", [(name,) for name in look.gone_changes])
        connection.executemany("INSERT OR IGNORE INTO change VALUES (?)", [(name,) for name in look.changes])
        if look.verified is not None:
            connection.execute("INSERT OR REPLACE INTO about VALUES ('verified', ?)", (look.verified,))

    @staticmethod
    def _present(connection: sqlite3.Connection, paths: list[str]) -> dict[str, tuple[int, bool, int]]:
        found = {}
        for start in range(0, len(paths), 500):
            some = paths[start : start + 500]
            for path, row, is_open, attempts in connection.execute(
                f"SELECT path, row, is_open, attempts FROM component WHERE path IN ({', '.join('?' * len(some))})",
                some,
            ):
                found[path] = (row, bool(is_open), attempts)
        return found

    @staticmethod
    def _remove(connection: sqlite3.Connection, where: str, *values: str) -> None:
        rows = connection.execute(f"SELECT row FROM component WHERE {where}", values).fetchall()
        for table in ("value", "document", "component"):
            connection.executemany(f"DELETE FROM {table} WHERE row = ?", rows)

    def _add_values(
        self, connection: sqlite3.Connection, place: int, row: dict[str, Any], values: list[Any]
    ) -> bool:
        """Adds row, name and value of all that a row has; says whether all of it is what strict JSON can hold."""
        is_plain = True
        for space in _SPACES:
            entries = row[space]
            if not entries:
                continue
            numbers = self._numbers_of(connection, row["module"], row["class"], space, entries)
            for number, value in zip(numbers, entries.values(), strict=True):
                exact = type(value)
                if not (exact is float and value - value == 0 or exact is str and value.isascii()):
                    value = normal(value)
                    if type(value) is bytes:
                        is_plain = is_plain and value in _PLAIN
                    elif type(value) is float:  # infinite, or an integer that SQLite does not have
                        is_plain = False
                values += (place, number, value)
        inputs = {*map(str, row["uses"].values()), *map(str, row["observed"])}
        if inputs:
            number = self._numbers_of(connection, None, None, INPUTS[0], INPUTS[1:])[0]
            for id_ in inputs:
                values += (place, number, normal(id_))
        return is_plain

    def _numbers_of(
        self,
        connection: sqlite3.Connection,
        module: str | None,
        class_name: str | None,
        space: str,
        names: Iterable[str],
    ) -> list[int]:
        """The numbers of names, which are remembered as those of the class, if it has one."""
        shape = (module or "", class_name or "", space, *names)
        numbers = self._numbers.get(shape)
        if numbers is None:
            numbers = []
            for name in names:
                key = (space, str(normal(str(name))))
                connection.execute("INSERT OR IGNORE INTO key (space, name) VALUES (?, ?)", key)
                found = connection.execute(
                    "SELECT number FROM key WHERE space = ? AND name = ?", key
                ).fetchone()
                numbers.append(int(found[0]))
                if module is not None and class_name is not None:
                    told = (normal(module), normal(class_name), numbers[-1])
                    connection.execute("INSERT OR IGNORE INTO known VALUES (?, ?, ?)", told)
            self._numbers[shape] = numbers
        return numbers


def _insert(connection: sqlite3.Connection, statement: str, columns: int, values: list[Any]) -> None:
    """Inserts rows that stand one after the other in `values`: many with one statement, which saves half the time."""
    row = f"({', '.join('?' * columns)})"
    step = _PARAMETERS // columns * columns
    whole = len(values) // step * step
    many = f"{statement} VALUES {', '.join([row] * (step // columns))}"
    for start in range(0, whole, step):
        connection.execute(many, values[start : start + step])
    rest = values[whole:]
    if rest:
        connection.execute(f"{statement} VALUES {', '.join([row] * (len(rest) // columns))}", rest)


def _text(row: dict[str, Any], is_plain: bool) -> str:
    """The row as JSON. NaN and infinity are written by their names, as Python reads them."""
    if not is_plain:
        return _encode(row)
    import msgspec

    try:
        return msgspec.json.encode(row).decode()
    except (ValueError, OverflowError, TypeError, RecursionError):  # lone surrogates
        return _encode(row)
