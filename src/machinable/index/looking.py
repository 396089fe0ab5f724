"""What changed in a storage since the index was made: found by the times of directories, few records are read."""

from __future__ import annotations

import os
import random
import time

from machinable.identity.ids import is_component_id
from machinable.index.helping import LEAST, Helper
from machinable.index.taking import UNSETTLED, Taker
from machinable.notices import notice
from machinable.records import clock
from machinable.records.changes import changes_directory, record_of_mark
from machinable.records.listing import is_execution_name
from machinable.records.record import META
from machinable.store.files import failure

__all__ = ["Look", "has_many"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from machinable.index.database import Database
    from machinable.index.taking import Found

#: A directory that changed less than this before it was looked at may change again without a new time, in seconds:
#: times of files move in steps, of up to two seconds on some file systems.
_STEP_SECONDS = 2.0

#: The same as long as nobody compared the clock of the storage with ours.
_UNKNOWN_CLOCK_SECONDS = 30.0

#: A mark is left before the change that it tells of; after this time the change is there, or never comes.
_MARK_SECONDS = 60.0

#: Every record is looked at once in this time, in seconds, marked or not.
_VERIFIED_SECONDS = 86400.0

#: With every look, so many records are looked at unasked, and more of them for as long as this takes, in seconds.
_LEAST_VERIFIED = 256
_SLICE_SECONDS = 0.0005

#: Of these, so many are read again that had changed right before they were read last.
_LEAST_READ = 32


class Look:
    """One look at a storage. First what is new is asked for, then the rest is there to be written.

    Attributes:
        database: The index; what is written to it may be written to another from some moment on.
        gone: The paths of records that are not there any more.
        directories: The directories that were listed, with their times.
        gone_directories: Executions that are not there any more.
        changes, gone_changes: Marks that are done with, and those that were pruned.
        verified: When all records were looked at, if that was done now.
    """

    def __init__(self, root: str, database: Database, *, thorough: bool = False) -> None:
        self._root = root
        self.database = database
        step = _STEP_SECONDS if clock.is_known(root) else _UNKNOWN_CLOCK_SECONDS
        self._settings = (step, clock.now(root) - time.time())
        self._taker = Taker(root, *self._settings)
        self._inodes: dict[str, int] = {}
        self._thorough = thorough
        self.gone: list[str] = []
        self.directories: dict[str, int] = {}
        self.gone_directories: list[str] = []
        self.changes: list[str] = []
        self.gone_changes: list[str] = []
        self.verified: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is there to be written, but for the records that were found."""
        return not (
            self.gone
            or self.directories
            or self.gone_directories
            or self.changes
            or self.gone_changes
            or self.verified is not None
        )

    def found(self) -> Iterator[Found]:
        """The records that are new or may have changed, read."""
        # The index is read before the disk: what is in it by then was there, so what is not on the disk is gone.
        known = dict(self.database.query("SELECT name, modified FROM directory"))
        todo = dict.fromkeys(self._open())
        todo.update(dict.fromkeys(self._listed(known)))
        todo.update(dict.fromkeys(self._marked(known)))
        todo.update(dict.fromkeys(self._unasked(todo)))
        removed = set(self.gone)
        items = [(path, self._inodes.get(path)) for path in todo if path not in removed]
        for path, found in self._read(items):
            if found is not None:
                yield found
            else:
                self.gone.append(path)

    def _read(self, items: list[tuple[str, int | None]]) -> Iterator[tuple[str, Found | None]]:
        if len(items) >= LEAST:
            return Helper(self._root, self._taker, self._settings).read(items)
        return ((path, self._taker.read(path, inode)) for path, inode in items)

    def _open(self) -> Iterable[str]:
        return [path for (path,) in self.database.query("SELECT path FROM component WHERE is_open")]

    def _listed(self, known: dict[str, int]) -> Iterator[str]:
        """New and replaced records, of the directories whose time changed."""
        executions = [name for name in known if name and name != _CHANGES]
        modified = self._time_of("")
        if modified is None or self._is_new("", modified, known):
            names: set[str] = set()
            yield from self._compare("", names)
            for name in executions:
                if name not in names:
                    self.gone_directories.append(name)
            executions = list(names)
            self.directories[""] = self._taker.settled(modified or 0)
        for name in executions:
            modified = self._time_of(name)
            if modified is None:
                if name in known and name not in self.gone_directories:
                    self.gone_directories.append(name)
            elif self._is_new(name, modified, known):
                yield from self._compare(name, None)
                self.directories[name] = self._taker.settled(modified)

    def _compare(self, directory: str, executions: set[str] | None) -> Iterator[str]:
        """The records of one directory that are not in the index, or look different. Executions are collected."""
        here = "path > ? AND path < ?" if directory else "directory = ''"
        known = {
            path: (inode, modified)
            for path, inode, modified in self.database.query(
                f"SELECT path, inode, modified FROM component WHERE {here}",
                (f"{directory}/", f"{directory}0") if directory else (),  # "0" comes after "/"
            )
        }
        prefix = f"{directory}/" if directory else ""
        new, doubtful = [], []
        try:
            with os.scandir(os.path.join(self._root, directory)) as entries:
                for entry in entries:
                    name = entry.name
                    if len(name) != 12 or not is_component_id(name):
                        if executions is not None and is_execution_name(name) and entry.is_dir():
                            executions.add(name)
                        continue
                    path = prefix + name
                    inode = entry.inode() & (2**63 - 1)
                    self._inodes[path] = inode
                    seen = known.pop(path, None)
                    if seen is None:
                        new.append(path)
                    elif seen[0] != inode:
                        doubtful.append((path, seen[1]))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            if not directory:
                raise failure(error, self._root, "read") from error
            notice(
                f"left out: {failure(error, os.path.join(self._root, directory), 'read')}",
                once=f"{self._root}/{directory}",
            )
        self.gone += known
        yield from new
        for path, modified in doubtful:
            if self._changed(path, modified):
                yield path

    def _marked(self, known: dict[str, int]) -> Iterator[str]:
        """Records that a mark says have changed."""
        modified = self._time_of(_CHANGES)
        if modified is None or not self._is_new(_CHANGES, modified, known):
            return
        done = {name for (name,) in self.database.query("SELECT name FROM change")}
        now, young = clock.now(self._root), False
        try:
            with os.scandir(changes_directory(self._root)) as entries:
                for entry in entries:
                    if entry.name in done:
                        done.discard(entry.name)
                        continue
                    if now - entry.stat(follow_symlinks=False).st_mtime > _MARK_SECONDS:
                        self.changes.append(entry.name)
                    else:
                        young = True
                    path = record_of_mark(entry.name)
                    if is_component_id(path.rpartition("/")[2]):
                        yield from self._if_changed(path)
        except FileNotFoundError:
            return
        self.gone_changes += done
        self.directories[_CHANGES] = UNSETTLED if young else self._taker.settled(modified)

    def _unasked(self, todo: dict[str, None]) -> Iterator[str]:
        """Records that changed without a mark: some with every look, all of them once a day."""
        rows = self.database.query("SELECT value FROM about WHERE name = 'verified'")
        age = time.time() - (rows[0][0] if rows else 0.0)
        if self._thorough or not 0 <= age < _VERIFIED_SECONDS:
            self.verified = time.time()
            every = self.database.query("SELECT path, modified FROM component")
            yield from (
                path for path, modified in every if path not in todo and self._changed(path, modified)
            )
            return
        last = self.database.query("SELECT max(row) FROM component")[0][0] or 0
        start = random.randint(0, last) if last > _LEAST_VERIFIED else 0
        end = time.perf_counter() + _SLICE_SECONDS
        unsettled = _LEAST_READ
        for _ in range(8):
            some = self.database.query(
                "SELECT path, modified FROM component WHERE row > ? ORDER BY row LIMIT ?",
                (start, _LEAST_VERIFIED),
            )
            for path, modified in some:
                if (
                    path not in todo
                    and (unsettled or modified != UNSETTLED)
                    and self._changed(path, modified)
                ):
                    unsettled -= modified == UNSETTLED
                    yield path
            start += _LEAST_VERIFIED
            if len(some) < _LEAST_VERIFIED or time.perf_counter() > end:
                return

    def _if_changed(self, path: str) -> Iterator[str]:
        rows = self.database.query("SELECT modified FROM component WHERE path = ?", (path,))
        if not rows or self._changed(path, rows[0][0]):
            yield path

    def _changed(self, path: str, modified: int) -> bool:
        """Whether anything was added to a record's metadata since it was read."""
        try:
            return modified == UNSETTLED or os.stat(f"{self._root}/{path}/{META}").st_mtime_ns != modified
        except OSError:
            return True

    def _time_of(self, directory: str) -> int | None:
        """The time of a directory; `None` if there is none."""
        path = os.path.join(self._root, directory) if directory else self._root
        try:
            # Opened, since over a network only that asks for the present time.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (
            OSError
        ):  # it can not be opened here: then it can not be listed either, or be told from outside
            return os.stat(path).st_mtime_ns
        try:
            return os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)

    def _is_new(self, name: str, modified: int, known: dict[str, int]) -> bool:
        return self._thorough or known.get(name) != modified


_CHANGES = f"{META}/changes"


def has_many(root: str, limit: int) -> bool:
    """Whether a storage has at least so many records. Few of them are looked at."""
    count, waiting = 0, [root]
    while waiting and count < limit:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if is_component_id(entry.name):
                        count += 1
                        if count >= limit:
                            break
                    elif directory == root and is_execution_name(entry.name):
                        waiting.append(entry.path)
        except OSError:
            continue
    return count >= limit
