"""Records on their way through a cluster: as the bytes of their files, out of one storage and into another."""

from __future__ import annotations

import os
import stat

from machinable.records.active import mark_active
from machinable.records.attempt import attempt_name, read_attempt
from machinable.records.claim import Claim, log_name
from machinable.records.record import META, Record
from machinable.store import owner
from machinable.store.files import open_appending, remove_tree

__all__ = [
    "CHECKPOINTS",
    "File",
    "Files",
    "Orders",
    "Parcel",
    "collect",
    "pack",
    "unpack",
    "unpack_input",
    "unpack_record",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: A file of a record: its content, or the target of a link; its mode, and its time in nanoseconds since the epoch.
File = tuple[bytes, int, int]
Files = dict[str, File]  # by path, relative to the record

CHECKPOINTS = os.path.join(META, "checkpoints")


class Orders:
    """How a node runs a component whose attempt the coordinator has claimed.

    Attributes:
        storage: The number of its storage in `Site.storages`.
        place: Where its record lies in there.
        number: Of the attempt.
        nonce: Of the claim.
        resumed_from: The attempt that it goes on from, if it does.
        files: The record as it is.
    """

    __slots__ = ("files", "nonce", "number", "place", "resumed_from", "storage")

    def __init__(
        self, storage: int, place: str, number: int, nonce: str, resumed_from: int | None, files: Files
    ) -> None:
        self.storage = storage
        self.place = place
        self.number = number
        self.nonce = nonce
        self.resumed_from = resumed_from
        self.files = files

    def __reduce__(self) -> tuple[Any, ...]:
        return Orders, (
            self.storage,
            self.place,
            self.number,
            self.nonce,
            self.resumed_from,
            self.files,
        )


class Parcel:
    """What a component has done to its record on a node.

    Attributes:
        files: New and changed ones, without that of the attempt.
        removed: Those that are gone.
        end: The terminal line of the attempt; `None` if its process could not write it.
        others: The records of components that it launched itself: (storage, place, files).
    """

    __slots__ = ("end", "files", "others", "removed")

    def __init__(
        self,
        files: Files,
        removed: list[str],
        end: dict[str, Any] | None,
        others: list[tuple[int, str, Files]],
    ) -> None:
        self.files = files
        self.removed = removed
        self.end = end
        self.others = others

    def __reduce__(self) -> tuple[Any, ...]:
        return Parcel, (self.files, self.removed, self.end, self.others)


def pack(directory: str, *, checkpoints: int | None = None, attempt: int = 1) -> Files:
    """The files of a record.

    Args:
        checkpoints: Only so many of them, the last ones; `None`: all.
        attempt: The output of attempts before this one is left out.
    """
    present = _checkpoints(directory)
    kept = present if checkpoints is None else present[max(len(present) - checkpoints, 0) :]
    logs = {log_name(before) for before in range(1, attempt)}
    files: Files = {}
    for path in _walk(directory):
        if path in logs or os.path.basename(path).startswith(".tmp."):
            continue
        if path.startswith(CHECKPOINTS + os.sep) and path.split(os.sep)[2] not in kept:
            continue
        try:
            files[path] = _read(os.path.join(directory, path))
        except FileNotFoundError:
            continue  # a file of a process that still runs
    return files


def unpack(files: Files, directory: str) -> None:
    """Writes files below a directory that nobody else sees yet."""
    for path, file in files.items():
        _write(os.path.join(directory, path), file)


def unpack_input(storage: str, place: str, content: Any, fetch: Callable[[Any], Files] | None) -> None:
    """Puts the record of an input into a storage of the node's own, unless it is there.

    Args:
        fetch: Makes files out of the content.
    """
    target = os.path.join(storage, place)
    if os.path.isdir(target):
        return
    parent, name = os.path.split(target)
    prepared = os.path.join(parent, f".{name}.{owner.token()}")
    try:
        unpack(fetch(content) if fetch is not None else content, prepared)
        try:
            os.rename(prepared, target)
        except OSError:
            if not os.path.isdir(target):
                raise
    finally:
        remove_tree(prepared)


def unpack_record(storage: str, orders: Orders) -> Claim:
    """Puts the record of a component into a storage of the node's own, and opens its attempt there."""
    directory = os.path.join(storage, orders.place)
    remove_tree(directory)
    unpack(orders.files, directory)
    mark_active(orders.nonce)
    descriptor = open_appending(os.path.join(directory, META, attempt_name(orders.number)))
    return Claim(storage, directory, orders.number, orders.nonce, descriptor)


def collect(storages: list[str], orders: Orders) -> Parcel:
    """What became of the record in the storage of the node's own, which is then removed from it."""
    directory = os.path.join(storages[orders.storage], orders.place)
    files: Files = {}
    present = set()
    attempt = os.path.join(META, attempt_name(orders.number))
    for path in _walk(directory):
        if path == attempt or os.path.basename(path).startswith(".tmp."):
            continue
        present.add(path)
        file = _read(os.path.join(directory, path))
        if orders.files.get(path) != file:
            files[path] = file
    try:
        end = read_attempt(os.path.join(directory, META), orders.number).end
    except OSError:
        end = None
    others: list[tuple[int, str, Files]] = []
    _collect_observed(storages, orders.storage, (end or {}).get("observed") or (), others, set())
    removed = [path for path in orders.files if path not in present and path != attempt]
    remove_tree(directory)
    return Parcel(files, removed, end, others)


def _collect_observed(
    storages: list[str], storage: int, ids: Any, found: list[tuple[int, str, Files]], seen: set[str]
) -> None:
    """The records that a component made on the node, by launching others, and those that they made."""
    for id_ in ids:
        directory = os.path.join(storages[storage], id_)
        if id_ in seen or not os.path.isdir(os.path.join(directory, META)):
            continue
        seen.add(id_)
        attempts = Record(directory, storages[storage]).attempts()
        if not attempts or not owner.same_machine(attempts[-1].owner):
            continue  # an input that was brought here
        found.append((storage, id_, pack(directory)))
        for attempt in attempts:
            _collect_observed(storages, storage, (attempt.end or {}).get("observed") or (), found, seen)


def _checkpoints(directory: str) -> list[str]:
    try:
        names = os.listdir(os.path.join(directory, CHECKPOINTS))
    except OSError:
        return []
    return sorted((name for name in names if name.isdecimal()), key=int)


def _walk(directory: str) -> Iterator[str]:
    """The paths of all files and links below a directory, relative to it."""
    for part, directories, names in os.walk(directory):
        links = [name for name in directories if os.path.islink(os.path.join(part, name))]
        for name in (*names, *links):
            yield os.path.relpath(os.path.join(part, name), directory)


def _read(path: str) -> File:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return os.fsencode(os.readlink(path)), status.st_mode, status.st_mtime_ns
    with open(path, "rb") as file:
        return file.read(), status.st_mode, status.st_mtime_ns


def _write(path: str, file: File) -> None:
    content, mode, time_ns = file
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(os.fsdecode(content), path)
        return
    with open(path, "xb") as target:
        target.write(content)
    os.chmod(path, stat.S_IMODE(mode))
    os.utime(path, ns=(time_ns, time_ns))
