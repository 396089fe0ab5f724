"""The file of the index: opened, made where there is none, made anew where it can not be used."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from machinable.blake import blake2b
from machinable.index.schema import APPLICATION, VERSION, create_tables, define_functions
from machinable.store import owner
from machinable.store.files import remove_file
from machinable.store.remote import cache_directory

__all__ = ["MEMORY", "Database", "cache_path", "default_path", "is_locked", "is_refused"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from typing import Any

MEMORY = ":memory:"

#: How long another process that writes is waited for, in seconds.
_PATIENCE_SECONDS = 3.0

_POSITIVE = 2**63 - 1  # integers of SQLite have 64 bits with a sign


def default_path(root: str) -> str:
    """Where the index of a storage lies, if it can be written there."""
    return os.path.join(root, ".machinable", "index.sqlite")


def cache_path(root: str) -> str:
    """Where it lies otherwise: in this user's cache directory."""
    name = blake2b(os.path.realpath(root).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return os.path.join(cache_directory(), f"index-{name}.sqlite")


def is_locked(error: BaseException) -> bool:
    """Whether an error only says that another process writes at the moment."""
    import sqlite3

    return isinstance(error, sqlite3.Error) and _code_of(error) in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


def is_refused(error: sqlite3.Error) -> bool:
    """Whether an error says that the file can not be written here (rights, locks, room), be it as good as it may."""
    import sqlite3

    return is_locked(error) or _code_of(error) in (
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
    )


def _code_of(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class Database:
    """A connection to the index of one storage, for one process.

    Raises:
        sqlite3.Error, OSError: If there can be no file at `path`, or it can not be written.
    """

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        self.root = root
        self.lock = threading.RLock()
        self._inode = -1
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        if self.path == MEMORY:
            return self._prepared(self._connect())
        # A directory in its place, or a link to somewhere else, is left alone.
        if os.path.lexists(self.path) and (os.path.islink(self.path) or not os.path.isfile(self.path)):
            raise IsADirectoryError(self.path)
        import sqlite3

        try:
            return self._prepared(self._connect())
        except sqlite3.DatabaseError as error:
            if is_refused(error):
                raise  # nothing is wrong with the file
        self.discard()
        return self._prepared(self._connect())

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(
            self.path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA trusted_schema = OFF")  # the file comes with a storage of anybody
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        define_functions(connection)
        return connection

    def _prepared(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        import sqlite3

        try:
            if self._version(connection) != (APPLICATION, VERSION) or self._is_copy(connection):
                connection.execute("BEGIN IMMEDIATE")
                version = self._version(connection)
                if version != (0, 0) and (version != (APPLICATION, VERSION) or self._is_copy(connection)):
                    raise sqlite3.DatabaseError("another version, or a copy")
                if version == (0, 0):
                    create_tables(connection)
                    connection.executemany("INSERT INTO about VALUES (?, ?)", self._places().items())
                    self._share()
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._inode = self._present_inode()
        return connection

    def _share(self) -> None:
        """Lets all write it who may write to its directory: SQLite would leave that to the user who made it."""
        if self.path != MEMORY:
            try:
                os.chmod(self.path, os.stat(os.path.dirname(self.path)).st_mode & 0o666)
            except OSError:
                pass

    @staticmethod
    def _version(connection: sqlite3.Connection) -> tuple[int, int]:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return (int(application), int(version)) if tables or application or version else (0, 0)

    def _is_copy(self, connection: sqlite3.Connection) -> bool:
        """Whether it is of another storage, or was copied with one, perhaps as it was written.

        What was moved keeps its number in the file system; what was put back from a backup is at its old place.
        """
        known = dict(connection.execute("SELECT name, value FROM about"))
        here = self._places()
        return any(
            known.get(name) != here[name] and known.get(f"{name} number") != here[f"{name} number"]
            for name in ("file", "storage")
        )

    def _places(self) -> dict[str, Any]:
        return {
            "file": os.fsencode(os.path.realpath(self.path)),
            "file number": self._present_inode(),
            "storage": os.fsencode(os.path.realpath(self.root)),
            "storage number": os.stat(self.root).st_ino & _POSITIVE if os.path.isdir(self.root) else 0,
        }

    def _present_inode(self) -> int:
        if self.path == MEMORY:
            return 0
        return os.stat(self.path).st_ino & _POSITIVE

    def is_current(self) -> bool:
        """Whether the file is still there, and the one that was opened."""
        try:
            return self._present_inode() == self._inode
        except OSError:
            return False

    def discard(self) -> None:
        """Takes the file out of the way. Processes that have it open go on with what they have."""
        for suffix in ("-journal", "-wal", "-shm"):
            remove_file(self.path + suffix)
        aside = f"{self.path}.{owner.token()}"
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        remove_file(aside)

    def query(self, statement: str, parameters: Any = ()) -> list[Any]:
        """All rows of a statement that reads."""
        with self.lock:
            return self._connection.execute(statement, parameters).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes. Raises sqlite3.OperationalError if others write for longer than is waited."""
        with self.lock:
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def in_memory(self) -> Database:
        """A copy in memory, which nobody else writes to."""
        copy = Database(MEMORY, self.root)
        with self.lock:
            self._connection.backup(copy._connection)
        return copy

    def close(self) -> None:
        """Closes the file."""
        with self.lock:
            self._connection.close()
