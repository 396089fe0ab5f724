"""Marks of rare changes: which records changed after they had ended, so that nobody has to look at every one."""

from __future__ import annotations

import os

from machinable.records import clock
from machinable.store import owner
from machinable.store.files import remove_file

__all__ = ["KEPT_SECONDS", "changes_directory", "mark_changed", "record_of_mark", "storage_of"]

#: How long a mark is kept, in seconds. Who did not look for so long has to look at every record.
KEPT_SECONDS = 7 * 86400.0

_META = ".machinable"
_pruned: set[str] = set()


def changes_directory(root: str) -> str:
    """Where the marks of a storage are."""
    return os.path.join(root, _META, "changes")


def mark_changed(root: str, directory: str) -> None:
    """Leaves a mark that the record in `directory` changes: before it does, so that no kill can come in between.

    A mark that can not be left is no error: a search finds the change later.
    """
    changes = changes_directory(root)
    path = os.path.join(changes, f"{os.path.relpath(directory, root).replace(os.sep, '~')}.{owner.token()}")
    try:
        try:
            _touch(path)
        except FileNotFoundError:
            os.makedirs(changes, exist_ok=True)
            _touch(path)
        if root not in _pruned:
            _pruned.add(root)
            _prune(changes, root)
    except OSError:
        pass


def record_of_mark(name: str) -> str:
    """Which record a mark of this name is about: its directory relative to the storage, with `/`."""
    execution, _, component = name.partition(".")[0].rpartition("~")
    return f"{execution}/{component}" if execution else component


def storage_of(directory: str) -> str:
    """The storage in which the record in `directory` lies: by itself, or in the directory of an execution."""
    parent = os.path.dirname(directory)
    inside_execution = os.path.exists(os.path.join(parent, _META, "execution.json"))
    return os.path.dirname(parent) if inside_execution else parent


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _prune(changes: str, root: str) -> None:
    with os.scandir(changes) as entries:
        for entry in entries:
            if clock.now(root) - entry.stat(follow_symlinks=False).st_mtime > KEPT_SECONDS:
                remove_file(entry.path)
