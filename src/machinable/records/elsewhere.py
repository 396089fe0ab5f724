"""The door to storages elsewhere: where a storage is mirrored here, what `records.mirror` does; nothing otherwise.

Whoever works with records comes in here, at the points where the outside world matters. Most storages are directories:
for these nothing of the mirror is even loaded.
Everything here raises StorageError if the storage can not be reached, or the mirror not written.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib import import_module

from machinable.records.mirror.place import mirror_around, store_at

__all__ = [
    "compare",
    "directory_at",
    "exists",
    "fetch",
    "fetch_directory",
    "fetch_file",
    "fetch_shared",
    "is_compared",
    "listed",
    "look",
    "look_below",
    "publish_tombstone",
    "share",
    "share_file",
    "told_row",
    "trust",
    "withdraw",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from typing import Any

    from machinable.store.store import Store


def _mirror(name: str) -> Any:
    """A module of `records.mirror`, by name: loaded where there is a mirror."""
    return import_module(f"machinable.records.mirror.{name}")


def look(root: str, directory: str, *, anew: bool = False) -> None:
    """As `mirror.looking.look`: what the storage says of one record is in the mirror."""
    if store_at(root) is not None:
        _mirror("looking").look(root, directory, anew=anew)


def look_below(root: str, prefix: str = "") -> None:
    """As `look`, for all records below a directory (of an execution; of the whole storage), and its executions."""
    if store_at(root) is not None:
        _mirror("looking").look_below(root, prefix)


def listed(root: str, directories: Iterable[str], every_seconds: float = 0.0) -> AbstractContextManager[None]:
    """A context in which looks below some directories are answered by one listing each: `mirror.looking.Listed`."""
    if store_at(root) is None:
        return nullcontext()
    covered: AbstractContextManager[None] = _mirror("looking").Listed(root, directories, every_seconds)
    return covered


def exists(root: str, directory: str) -> bool:
    """Whether anything has the name of a record."""
    look(root, directory)
    return os.path.lexists(directory)


def trust(root: str, directory: str) -> None:
    """Has the next look at a record pass, if the mirror knows the end of it."""
    if store_at(root) is not None:
        _mirror("looking").trust(root, directory)


def directory_at(url: str) -> str | None:
    """Where the mirror has the record that lies at a URL, after a look at it; `None` for what is no such URL."""
    if "://" not in url:
        return None
    found: str | None = _mirror("looking").directory_at(url)
    return found


def fetch(root: str, directory: str, inside: str = ".") -> None:
    """Has what lies under a name in a record (`"."`: all of it) in the mirror."""
    if store_at(root) is not None:
        _mirror("fetching").fetch(root, directory, inside)


def fetch_file(path: str) -> str:
    """Has a file of a record in the mirror, as the storage has it now, and returns `path`."""
    if mirror_around(path) is not None:
        _mirror("fetching").fetch_file(path)
    return path


def told_row(path: str) -> dict[str, Any] | None:
    """The last row of the table at `path`, as the end of its attempt tells it; `None` where the file has to be read."""
    if mirror_around(path) is None:
        return None
    row: dict[str, Any] | None = _mirror("contents").told_row(path)
    return row


def share(path: str, data: bytes, *, exclusive: bool = False) -> bool:
    """Sends what is about to be written to `path`. `False` if it is `exclusive`, and somebody has written it before."""
    if mirror_around(path) is None:
        return True
    was_first: bool = _mirror("sharing").share(path, data, exclusive=exclusive)
    return was_first


def share_file(path: str) -> None:
    """Sends a file that never changes once it has its name, unless the storage has it."""
    if mirror_around(path) is not None:
        _mirror("sharing").share_file(path)


def fetch_shared(path: str) -> bool:
    """Has such a file in the mirror; whether there is one."""
    if mirror_around(path) is None:
        return os.path.exists(path)
    is_there: bool = _mirror("sharing").fetch_shared(path)
    return is_there


def fetch_directory(path: str) -> None:
    """Has all such files below a directory in the mirror."""
    if mirror_around(path) is not None:
        _mirror("sharing").fetch_directory(path)


def publish_tombstone(directory: str, data: bytes) -> None:
    """Leaves a tombstone where a record was."""
    root = mirror_around(directory)
    if root is not None:
        _mirror("trashing").publish_tombstone(root, directory, data)


def withdraw(root: str, directory: str, target: str, about: bytes | None) -> None:
    """Moves what is below a directory to the trash, there as here."""
    if store_at(root) is not None:
        _mirror("trashing").withdraw(root, directory, target, about)


def is_compared(store: Store) -> bool:
    """Whether the server's clock was compared with ours lately."""
    compared: bool = _mirror("liveness").is_compared(store)
    return compared


def compare(store: Store) -> None:
    """Compares the server's clock with ours, which writes to the storage."""
    _mirror("liveness").compare(store)
