"""What a storage holds of one record, in the form that local storages have, wherever it lies."""

from __future__ import annotations

import os

from machinable.errors import DamagedRecord, StorageError
from machinable.records.attempt import number_of
from machinable.records.documents import load, parse
from machinable.records.mirror.contents import hash_file, stored_files
from machinable.records.mirror.fetching import fetch
from machinable.records.mirror.looking import listing_of
from machinable.records.mirror.place import META, store_at
from machinable.records.mirror.publishing import attempt_lines, files_in
from machinable.records.record import TOMBSTONE
from machinable.store.files import failure, read

__all__ = ["File", "Held", "check_storage", "hold", "read_file"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class File:
    """A file of a record: its size in bytes and, where a manifest tells it, the hash of its content."""

    __slots__ = ("attempt", "hash", "size")

    def __init__(self, size: int, hash: str | None, attempt: int = 1) -> None:
        self.size = size
        self.hash = hash
        self.attempt = attempt  # which one uploaded it, in an object store


class Held:
    """A record as one storage has it.

    Attributes:
        place: Relative to the storage, with `/`.
        component: What component.json says; `None` for the tombstone of a record.
        attempts: The complete lines of each attempt, as documents, by number. One of a loss that only an object
            store notes down is left out: its owner's silence says the same.
        notes: The names of its notes.
        files: By path, checkpoints included.
    """

    __slots__ = ("attempts", "component", "directory", "files", "notes", "place", "root", "tombstone")

    def __init__(self, root: str, place: str) -> None:
        self.root = root
        self.place = place
        self.directory = os.path.join(root, *place.split("/"))
        self.component: dict[str, Any] | None = None
        self.tombstone: dict[str, Any] | None = None
        self.attempts: dict[int, list[dict[str, Any]]] = {}
        self.notes: set[str] = set()
        self.files: dict[str, File] = {}

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.size for file in self.files.values())

    @property
    def meta(self) -> str:
        """The directory of its metadata, here."""
        return os.path.join(self.directory, META)

    def bring(self) -> None:
        """Has all files here, each as its manifest says. Raises StorageError."""
        fetch(self.root, self.directory)

    def hash_of(self, path: str) -> str:
        """The hash of a file that is here. Raises StorageError."""
        try:
            return hash_file(os.path.join(self.directory, path))
        except OSError as error:
            raise failure(error, os.path.join(self.directory, path), "read") from error


def hold(root: str, place: str) -> Held | None:
    """What the storage `root` holds of a record; `None` if nothing. In mirrors, metadata has to be there already.

    Raises:
        StorageError: If its metadata is damaged.
    """
    held = Held(root, place)
    try:
        names = os.listdir(held.meta)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if TOMBSTONE in names:
            held.tombstone = load(os.path.join(held.meta, TOMBSTONE))
            return held
        if "component.json" not in names:
            raise DamagedRecord(f"{held.directory} lacks component.json.")
        held.component = load(os.path.join(held.meta, "component.json"))
        for number in sorted(filter(None, map(number_of, names))):
            held.attempts[number] = _events(held.meta, number)
        if "notes" in names:
            listed = os.listdir(os.path.join(held.meta, "notes"))
            held.notes = {name for name in listed if name.endswith(".json") and not name.startswith(".")}
        held.files = _files(held)
    except OSError as error:
        raise failure(error, held.directory, "read") from error
    return held


def _events(meta: str, number: int) -> list[dict[str, Any]]:
    path = os.path.join(meta, f"attempt-{number}.jsonl")
    events = [
        parse(line, path, versioned=index == 0) for index, line in enumerate(attempt_lines(meta, number))
    ]
    if not events:
        raise DamagedRecord(f"{path} has no line.", True)
    return [event for event in events if event.get("kind") != "lost"]


def _files(held: Held) -> dict[str, File]:
    store = store_at(held.root)
    if store is not None:
        listed = stored_files(
            held.root, held.directory, None, lambda: listing_of(held.root, held.directory, store)
        )
        return {path: File(each.size, each.hash, each.attempt) for path, each in listed.items()}
    found = {}
    for path in files_in(held.directory):
        try:
            found[path] = File(os.stat(os.path.join(held.directory, path)).st_size, None)
        except FileNotFoundError:
            continue
    return found


def check_storage(root: str) -> None:
    """Raises StorageError if there is no such storage."""
    if store_at(root) is None and not os.path.isdir(root):
        raise StorageError(f"{root} is not there. Nothing can be copied from it.")


def read_file(path: str) -> bytes:
    """The bytes of a file. Raises StorageError."""
    try:
        return read(path)
    except OSError as error:
        raise failure(error, path, "read") from error
