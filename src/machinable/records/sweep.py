"""Clearing away what killed processes left half-built: hidden siblings of records, prepared files inside them."""

from __future__ import annotations

import os
import time

from machinable.errors import StorageError
from machinable.records import clock
from machinable.records.documents import encode, load
from machinable.records.record import META
from machinable.store import owner
from machinable.store.files import remove_file, remove_tree, write_whole

__all__ = [
    "is_first_use",
    "leftovers",
    "remove_leftover",
    "sweep_execution",
    "sweep_record",
    "sweep_storage",
]

#: What processes on other machines left behind is removed after this time, in seconds.
_FOREIGN_SECONDS = 86400.0

#: Sweeping may take this part of the time, whatever the size of the storage.
_SHARE = 0.001

_swept: set[str] = set()


def is_first_use(root: str) -> bool:
    """Whether this process has not swept the storage yet."""
    return root not in _swept


def sweep_storage(root: str) -> None:
    """Removes half-built records that dead processes left in a storage, unless that was done lately.

    Listing a directory of a million records takes a while, so a marker tells how long the last sweep took, and the
    next one waits a thousand times as long.
    """
    _swept.add(root)
    marker = os.path.join(root, META, "swept.json")
    try:
        last = float(load(marker).get("seconds", 0.0))
        if clock.now(root) - os.stat(marker).st_mtime < last / _SHARE:
            return
    except (OSError, StorageError, TypeError, ValueError):
        pass
    began = time.monotonic()
    meta = os.path.join(root, META)
    try:
        for directory in (root, meta, *_directories(os.path.join(meta, "shapes"))):
            _sweep(directory, root)
        write_whole(
            marker,
            encode({"seconds": round(time.monotonic() - began, 6)}),
            os.path.join(meta, f".swept.{owner.token()}"),
        )
    except OSError:
        return  # a storage that can not be swept can still be used


def sweep_record(meta: str, root: str) -> None:
    """Removes prepared files of dead owners from the `.machinable` directory of a record that was taken over."""
    try:
        _sweep(meta, root)
    except OSError:
        return


def sweep_execution(directory: str, root: str) -> None:
    """Removes what dead owners half-built in the directory of an execution that runs again."""
    for part in (directory, os.path.join(directory, META)):
        try:
            _sweep(part, root)
        except OSError:
            continue


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _sweep(directory: str, root: str) -> None:
    """Removes from a directory what dead processes left half-built."""
    for path in leftovers(directory, root):
        remove_leftover(path)


def leftovers(directory: str, root: str) -> list[str]:
    """Whatever in a directory has a hidden name that ends with the token of a dead process. Raises OSError."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.name.startswith(".") or entry.name == META:
                continue
            if _is_dead(entry.name.removesuffix(".d").rpartition(".")[2], entry.path, root):
                found.append(entry.path)
    return found


def remove_leftover(path: str) -> None:
    """Removes a file or a directory, as far as it can be removed."""
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
        return
    remove_file(path)


def _is_dead(token: str, path: str, root: str) -> bool:
    alive = owner.token_is_alive(token)
    if alive is None and token.count("-") == 3:
        try:
            return clock.now(root) - os.lstat(path).st_mtime > _FOREIGN_SECONDS
        except OSError:
            return False
    return alive is False
