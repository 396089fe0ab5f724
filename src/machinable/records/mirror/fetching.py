"""The data of records, brought into the mirror when they are asked for: whole, and as the manifest says."""

from __future__ import annotations

import os
import sys
import time

from machinable.errors import StorageError
from machinable.notices import flush_output, notice
from machinable.records.attempt import number_of
from machinable.records.mirror import freshness
from machinable.records.mirror.contents import Stored, hash_file, stored_files
from machinable.records.mirror.installing import is_ours, names_of
from machinable.records.mirror.locking import Lock
from machinable.records.mirror.looking import listing_of
from machinable.records.mirror.place import META, key_of, mirror_around, shown, store_at
from machinable.records.mirror.sharing import fetch_shared
from machinable.store import owner
from machinable.store.files import failure, remove_file
from machinable.wording import size

__all__ = ["fetch", "fetch_file", "restore"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from machinable.store.store import Store

_SAY_AFTER_SECONDS = 2.0
_RESTORE = "Restore it, or run the component anew with .invalidate() and .launch()."

#: What was found to be as its manifest says: path, and size, time and inode of the file at that moment.
_verified: dict[str, tuple[str, int, int, int]] = {}


def fetch_file(path: str) -> str:
    """Has a file of a record in the mirror, as the storage has it now, and returns `path`.

    Does nothing outside of mirrors, and where this machine runs the component. A file that the storage does not have is
    not in the mirror afterwards.

    Raises:
        StorageError: If it can not be fetched, or is not what the manifest says.
    """
    root = mirror_around(path)
    if root is not None:
        directory = _record_around(root, path)
        if directory is not None:
            fetch(root, directory, os.path.relpath(path, directory).replace(os.sep, "/"))
        elif not os.path.exists(path):
            fetch_shared(path)
    return path


def fetch(root: str, directory: str, inside: str = ".") -> None:
    """Has what lies under a name in a record (`"."`: all of it) in the mirror. Raises as `fetch_file` does."""
    store = store_at(root)
    if store is None:
        return
    names = names_of(directory)
    if is_ours(names):
        return
    highest = max(map(number_of, names), default=0)
    if f"end-{highest}.json" not in names:  # it may grow: each look asks the storage
        what = f"{directory}: {inside}"
        if freshness.is_fresh(root, what):
            return
        freshness.note(root, what)
    stored = stored_files(root, directory, None, lambda: listing_of(root, directory, store))
    wanted = [
        each
        for path, each in stored.items()
        if inside == "." or path == inside or path.startswith(inside + "/")
    ]
    _bring(store, root, directory, wanted, highest)
    if not wanted and inside != "." and not inside.startswith(META):
        _forget(root, directory, inside, highest)


def restore(root: str, directory: str, number: int) -> dict[str, Stored]:
    """Makes the mirror's files of a record those that attempt `number` left, and returns them.

    For the owner of the next attempt, before anybody knows of it: nobody else writes there then.
    """
    store = store_at(root)
    assert store is not None
    stored = stored_files(root, directory, number, lambda: listing_of(root, directory, store))
    try:
        _bring(store, root, directory, list(stored.values()), None)
    except StorageError:
        # Somebody deleted files of it: as in a directory, the next attempt goes on with those that are left.
        there = {entry.key for entry in store.entries(key_of(root, directory))}
        left = {path: each for path, each in stored.items() if there.issuperset(each.keys)}
        if len(left) == len(stored):
            raise
        stored = left
        _bring(store, root, directory, list(stored.values()), None)
    for path in _files_here(directory):
        if path not in stored:
            remove_file(os.path.join(directory, path))
    _remove_empty(os.path.join(directory, META, "checkpoints"))
    return stored


def _record_around(root: str, path: str) -> str | None:
    """The directory of the record that a path lies in."""
    parts = os.path.relpath(path, root).split(os.sep)
    for depth in (1, 2):
        directory = os.path.join(root, *parts[:depth])
        if len(parts) > depth and os.path.exists(os.path.join(directory, META, "component.json")):
            return directory
    return None


def _files_here(directory: str) -> list[str]:
    """The data that the mirror has of a record, checkpoints included."""
    found = []
    for base, folders, names in os.walk(directory):
        inside = os.path.relpath(base, directory).replace(os.sep, "/")
        if inside == META:
            folders[:] = [name for name in folders if name == "checkpoints"]
            continue
        found += [name if inside == "." else f"{inside}/{name}" for name in names]
    return found


def _remove_empty(base: str) -> None:
    for directory, _, _ in os.walk(base, topdown=False):
        try:
            os.rmdir(directory)
        except OSError:
            continue


def _forget(root: str, directory: str, path: str, highest: int) -> None:
    """Removes a file from the mirror that the storage does not have."""
    target = os.path.join(directory, path)
    if os.path.isfile(target):
        with Lock(root):
            if _is_still(directory, highest):
                remove_file(target)


def _is_still(directory: str, highest: int) -> bool:
    names = names_of(directory)
    return not is_ours(names) and max(map(number_of, names), default=0) == highest


def _bring(store: Store, root: str, directory: str, files: Iterable[Stored], highest: int | None) -> None:
    """Downloads what differs. `highest`: the last attempt; if a later one comes up meanwhile, nothing is changed."""
    lacking = [each for each in files if not _is_there(os.path.join(directory, each.path), each)]
    if not lacking:
        return
    token = owner.token()
    aside = os.path.join(directory, META, f".fetched.{token}")
    temporary = {each.path: f"{aside}.{index:x}.{token}" for index, each in enumerate(lacking)}
    bar = _Bar(shown(directory), sum(each.size for each in lacking))
    try:
        try:
            _download(store, lacking, temporary, bar)
            for each in lacking:
                _verify(each, temporary[each.path], directory)
        except FileNotFoundError as error:
            raise StorageError(
                f"{error} is missing in the storage, but its record lists it. {_RESTORE}"
            ) from None
        finally:
            bar.end()
        with Lock(root):
            if highest is not None and not _is_still(directory, highest):
                return
            for each in lacking:
                target = os.path.join(directory, each.path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(temporary[each.path], target)
                _note(target, each)
    except OSError as error:
        raise failure(error, directory) from error
    finally:
        for path in temporary.values():
            remove_file(path)


def _download(store: Store, files: list[Stored], temporary: dict[str, str], bar: _Bar) -> None:
    whole = [(each.keys[0], temporary[each.path]) for each in files if len(each.keys) == 1]
    store.download(whole, lambda key, count: bar.advance(count))
    for each in files:
        if len(each.keys) != 1:
            parts = store.get_many(each.keys)
            with open(temporary[each.path], "wb") as file:
                for key in each.keys:
                    if key not in parts:
                        break  # its attempt ended this moment, and removes its parts: what comes before will do
                    file.write(parts[key])
            bar.advance(each.size)


def _verify(stored: Stored, path: str, directory: str) -> None:
    if stored.hash is None:
        return
    found = os.stat(path).st_size
    if found != stored.size or hash_file(path) != stored.hash:
        raise StorageError(
            f"{shown(os.path.join(directory, stored.path))} is not what the manifest of its record says "
            f"({found} bytes in place of {stored.size}, or other ones). {_RESTORE}"
        )


def _is_there(path: str, stored: Stored) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    if status.st_size != stored.size:
        return False
    if stored.hash is None:
        # It may grow, but never changes in its midst, except for files that were written anew.
        return len(stored.keys) != 1
    if _verified.get(path) == (stored.hash, status.st_size, status.st_mtime_ns, status.st_ino):
        return True
    if hash_file(path) != stored.hash:
        return False
    _note(path, stored)
    return True


def _note(path: str, stored: Stored) -> None:
    if stored.hash is not None:
        status = os.stat(path)
        _verified[path] = (stored.hash, status.st_size, status.st_mtime_ns, status.st_ino)


class _Bar:
    """Tells that something is fetched, once that takes a while."""

    __slots__ = ("_began", "_done", "_shown", "_total", "_what")

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done, self._began, self._shown = 0, time.monotonic(), False

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._began < _SAY_AFTER_SECONDS:
            return
        stream = sys.stderr
        if stream is not None and stream.isatty():
            flush_output()
            stream.write(f"\rmachinable: fetching {self._what}: {size(self._done)} of {size(self._total)} ")
            stream.flush()
        elif not self._shown:
            notice(f"fetching {self._what} ({size(self._total)})")
        self._shown = True

    def end(self) -> None:
        if self._shown and sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
