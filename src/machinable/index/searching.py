"""The index of a storage: brought up to date by a look at the storage, then asked."""

from __future__ import annotations

import os
import threading

from machinable.errors import ConfigurationError, StorageError
from machinable.index.database import MEMORY, Database, cache_path, default_path, is_locked, is_refused
from machinable.index.looking import Look, has_many
from machinable.index.question import Question, order_of, ranking_of
from machinable.index.rows import Rows
from machinable.index.values import normal
from machinable.index.writing import INPUTS, Writer
from machinable.records import clock
from machinable.records.active import runs_here
from machinable.records.decoding import decode_many
from machinable.records.elsewhere import listed

__all__ = ["Search"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from machinable.index.question import Where
    from machinable.index.taking import Found

    T = TypeVar("T")

#: So many records are written in one transaction: others that write wait for its end.
_BATCH = 1000

#: From so many on, records are read and rows are loaded in the faster way.
_MANY = 100

#: Fewer records than these are read by every process that asks for them: reading a storage leaves nothing in it then.
_SMALL = 100

_ROW = "component.path, document.text"
_TEXTS = f"SELECT {_ROW} FROM component JOIN document ON document.row = component.row"


class Search:
    """A searchable copy of what the records of a storage say."""

    def __init__(self, root: str, path: str | None = None) -> None:
        self.root = root
        self.pid = os.getpid()
        self._paths = [path] if path is not None else [default_path(root)]
        self._paths += [cache_path(root), MEMORY]
        self._database: Database | None = None
        self._writer = Writer()
        self._lock = threading.RLock()
        self._is_wanted = path is not None  # whether the file is made however little there is to be read
        self._is_read = False  # whether there was a look at the storage since the file was opened
        self._aside = False  # whether it is in memory for some time only

    @property
    def path(self) -> str | None:
        """The file that it is kept in; `None` where there is none."""
        return None if self._database is None or self._database.path == MEMORY else self._database.path

    def refresh(self, *, thorough: bool = False) -> None:
        """Reads what is new in the storage, or changed.

        Args:
            thorough: Look at every record for whether it changed, not only at those that can have.
        Raises:
            StorageError: If the storage can not be read.
        """
        with listed(self.root, [self.root]):
            self._trying(lambda database: self._refresh(database, thorough), is_look=True)

    def rebuild(self) -> int:
        """Throws it away and reads every record again. Returns how many there are."""
        with self._lock:
            self._is_wanted = True
            self._open()
            self._leave(discard=True)
            self.refresh()
        return self.count() + self.count(damaged=True)

    def select(
        self,
        where: Where = None,
        *,
        module: str | None = None,
        class_name: str | None = None,
        config: Mapping[str, Any] | None = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        damaged: bool = False,
    ) -> Rows:
        """The rows of the records for which all conditions hold, as `row_of` gives them.

        Args:
            where: An expression, or several, all of which have to hold.
            config: Values of parameters by dotted name.
            order: By which name to sort; by the time at which a component was asked for otherwise. Where the name has
                no value, a row comes last.
            limit: At most so many.
            damaged: Ask for the records that can not be read instead, of which little is known.
        Raises:
            ConfigurationError: If an expression can not be read, or names what no record has.
        """
        question = Question(where, module, class_name, config, damaged)
        self._check_names(question, module, class_name)
        limit = None if limit is None else max(int(limit), 0)

        def ask(database: Database) -> Rows:
            keys = _keys(database)
            sql, parameters = question.sql(database, keys)
            is_bounded = limit is not None and not question.has_check
            bound = (
                f" LIMIT {limit}" if is_bounded else ""
            )  # even one that leaves all makes SQLite search otherwise
            ranking = ranking_of(order, descending, keys) if is_bounded else None
            if ranking is not None:
                texts = database.query(
                    f"SELECT {_ROW} FROM {ranking[0]} JOIN document ON document.row = component.row "
                    f"WHERE {sql} ORDER BY {ranking[1]}{bound}",
                    parameters,
                )
                if len(texts) == limit:
                    return Rows(self.root, texts)
            sorting = order_of(order, descending, keys, is_bounded=is_bounded)
            texts = database.query(f"{_TEXTS} WHERE {sql} ORDER BY {sorting}{bound}", parameters)
            if question.has_check:
                texts = [
                    text
                    for text, row in zip(texts, Rows(self.root, texts), strict=True)
                    if question.check(row)
                ]
            return Rows(self.root, texts[:limit])

        return self._trying(ask)

    def count(
        self,
        where: Where = None,
        *,
        module: str | None = None,
        class_name: str | None = None,
        config: Mapping[str, Any] | None = None,
        damaged: bool = False,
    ) -> int:
        """How many rows `select` would give."""
        question = Question(where, module, class_name, config, damaged)
        if question.has_check:
            return len(
                self.select(where, module=module, class_name=class_name, config=config, damaged=damaged)
            )
        self._check_names(question, module, class_name)

        def ask(database: Database) -> int:
            sql, parameters = question.sql(database, _keys(database))
            return int(database.query(f"SELECT count(*) FROM component WHERE {sql}", parameters)[0][0])

        return self._trying(ask)

    def damaged(self, module: str | None = None) -> list[dict[str, Any]]:
        """The rows of the records that can not be read; `evidence` says why. Those of no known module come along."""
        rows = self.select(damaged=True)
        return [row for row in rows if module is None or row["module"] in (module, None)]

    def names(self, module: str | None = None, class_name: str | None = None) -> list[str]:
        """All names that records have values under: `config.lr`, `record.loss`, `scope.fold`, `uses.data`."""
        statement = "SELECT space, name FROM key WHERE space <> 'inputs'"
        parameters: list[str] = []
        if module is not None:
            statement += " AND number IN (SELECT key FROM known WHERE module = ?"
            parameters.append(module)
            if class_name is not None:
                statement += " AND class = ?"
                parameters.append(class_name)
            statement += ")"
        found = self._trying(lambda database: database.query(f"{statement} ORDER BY number", parameters))
        return [f"{space}.{name}" for space, name in found]

    def with_prefix(self, prefix: str) -> Rows:
        """The rows of the components whose ID begins so, damaged ones too."""
        return self._select("component.id >= ? AND component.id < ?", [prefix, f"{prefix}\x7f"])

    def users_of(self, id_: str) -> Rows:
        """The rows of the components that have the one of this ID as an input, declared or observed."""
        return self._select(
            "component.row IN (SELECT value.row FROM value JOIN key ON key.number = value.key "
            "WHERE key.space = ? AND key.name = ? AND value.value = ?)",
            [*INPUTS, normal(id_)],
        )

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        with self._lock:
            self._leave(discard=False)

    def _select(self, sql: str, parameters: list[Any]) -> Rows:
        statement = f"{_TEXTS} WHERE {sql} ORDER BY component.timestamp, component.path"
        return Rows(self.root, self._trying(lambda database: database.query(statement, parameters)))

    def _check_names(self, question: Question, module: str | None, class_name: str | None) -> None:
        if question.has_names:
            known = self.names(module, class_name)
            try:
                for expression in question.expressions:
                    expression.check(known)
            except ConfigurationError:
                if known or self.count(module=module, class_name=class_name):
                    raise  # else there is nothing that a name could be taken from

    def _refresh(self, database: Database, thorough: bool) -> None:
        if self._aside and any(map(self._may_be, self._paths[:-1])):
            self._leave(discard=False)  # what is in memory is for all to know by now
            database = self._open()
        look = Look(self.root, database, thorough=thorough)
        batch: list[Found] = []
        for number, found in enumerate(look.found()):
            batch.append(found)
            if number == _MANY:
                decode_many()
            if len(batch) >= _BATCH:
                look.database = self._write(look.database, batch, None)
                batch = []
        if batch or not look.is_idle:
            self._write(look.database, batch, look)
        self._is_read = True

    def _write(self, database: Database, batch: list[Found], look: Look | None) -> Database:
        if database.path != MEMORY and runs_here():
            database = self._put_aside(database)  # a process that runs a component writes to its record alone
        try:
            with database.writing() as connection:
                self._writer.write(connection, batch)
                if look is not None:
                    self._writer.finish(connection, look)
        except BaseException as error:
            self._writer.forget()
            if database.path == MEMORY or not is_locked(error):
                raise
            return self._write(self._put_aside(database), batch, look)  # others write all the time
        if database.path == default_path(self.root) and not clock.is_known(self.root):
            clock.learn_file(self.root, database.path)
        return database

    def _put_aside(self, database: Database) -> Database:
        """A copy in memory in its place, for some time."""
        self._database = copy = database.in_memory()
        self._aside = True
        self._writer.forget()
        database.close()
        return copy

    def _trying(self, ask: Callable[[Database], T], *, is_look: bool = False) -> T:
        """What `ask` returns. If the file can not be used after all, another is made: the records have everything.

        Args:
            is_look: Whether it is a look at the storage; all else is asked after there was one.
        """
        import sqlite3

        with self._lock:
            for _ in range(4):
                database = self._open()
                try:
                    if not (self._is_read or is_look):
                        self._refresh(database, False)
                    return ask(self._open())
                except sqlite3.Error as error:
                    if database.path == MEMORY:
                        raise StorageError(
                            f"The index of {self.root} can not be kept in memory: {error}."
                        ) from error
                    self._give_up(database, error)
        raise StorageError(f"The index of {self.root} can not be kept. Look at {self._paths[0]}.")

    def _give_up(self, database: Database, error: sqlite3.Error) -> None:
        """Takes the file out of the way, as damaged; or, where it can not be written, goes on without it."""
        if is_refused(error):
            self._paths = [path for path in self._paths if path != database.path]
        self._leave(discard=not is_refused(error))

    def _open(self) -> Database:
        import sqlite3

        if self._database is not None and (self._database.path == MEMORY or self._database.is_current()):
            return self._database
        self._leave(discard=False)
        for path in self._paths:
            if path != MEMORY and not self._may_be(path):
                continue
            try:
                self._database = Database(path, self.root)
                return self._database
            except (sqlite3.Error, OSError):
                continue
        raise StorageError(f"The index of {self.root} can not be kept, not even in memory.")

    def _may_be(self, path: str) -> bool:
        """Whether a file can be there. None is made while a component runs here, or where little is to be read."""
        if not os.path.isdir(self.root):
            self._aside = True
            return False
        if os.path.exists(path):
            return True
        if runs_here() or not (self._is_wanted or has_many(self.root, _SMALL)):
            self._aside = True
            return False
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError:
            return False
        return True

    def _leave(self, *, discard: bool) -> None:
        database, self._database = self._database, None
        self._is_read = self._aside = False
        self._writer.forget()
        if database is not None:
            database.close()
            if discard and database.path != MEMORY:
                try:
                    database.discard()
                except OSError:
                    self._paths = [path for path in self._paths if path != database.path]


def _keys(database: Database) -> dict[tuple[str, str], int]:
    """The numbers of the names that occur, by space and name."""
    return {
        (space, name): number for number, space, name in database.query("SELECT number, space, name FROM key")
    }
