"""The tables of the index. What has another version is not migrated: it is built anew from the records."""

from __future__ import annotations

from machinable.index.conditions import FIELDS
from machinable.index.values import contains, is_like

__all__ = ["APPLICATION", "VERSION", "create_tables", "define_functions"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

#: Counted up with every change of the tables, of the rows or of the normal form of values.
VERSION = 1

#: Stands in the header of the file: "machinable's", in SQLite's `application_id`.
APPLICATION = 0x6D61_6368

_COLUMNS = ", ".join(f'"{name}"' for name in FIELDS if name != "path")

# `value` holds configurations, records, scopes and inputs: in the order of rows for those that are looked at one by
# one, and in that of values, by its index, for searching.
_TABLES = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE directory (name TEXT PRIMARY KEY, modified INTEGER) WITHOUT ROWID;
CREATE TABLE change (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE component (
    row INTEGER PRIMARY KEY,
    path TEXT UNIQUE NOT NULL,
    directory TEXT NOT NULL,
    inode INTEGER,
    modified INTEGER,
    is_open INTEGER NOT NULL,
    is_damaged INTEGER NOT NULL,
    {_COLUMNS}
);
CREATE TABLE document (row INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE key (number INTEGER PRIMARY KEY, space TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (space, name));
CREATE TABLE known (module TEXT, class TEXT, key INTEGER, PRIMARY KEY (module, class, key)) WITHOUT ROWID;
CREATE TABLE value (row INTEGER, key INTEGER, value, PRIMARY KEY (row, key, value)) WITHOUT ROWID;
CREATE INDEX value_by_key ON value (key, value);
CREATE INDEX component_by_id ON component (id);
CREATE INDEX component_by_module ON component (module, class);
CREATE INDEX component_by_status ON component (status);
CREATE INDEX component_by_time ON component (timestamp);
CREATE INDEX component_by_end ON component (ended);
CREATE INDEX component_by_seconds ON component (seconds);
CREATE INDEX component_by_state ON component (is_open) WHERE is_open;
CREATE INDEX component_by_damage ON component (is_damaged) WHERE is_damaged;
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty database, inside of a transaction that is open."""
    for statement in _TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def define_functions(connection: sqlite3.Connection) -> None:
    """Makes the functions known that conditions use."""

    def told(function: object) -> object:
        return lambda value, other: value is not None and function(value, other)  # type: ignore[operator]

    connection.create_function("machinable_contains", 2, told(contains), deterministic=True)  # type: ignore[arg-type]
    connection.create_function("machinable_like", 2, told(is_like), deterministic=True)  # type: ignore[arg-type]
