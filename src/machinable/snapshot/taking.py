"""Taking a snapshot: once per process and project, published once per content and storage."""

from __future__ import annotations

import os
import threading

from machinable.records.elsewhere import share_file
from machinable.records.record import META
from machinable.snapshot import archive
from machinable.snapshot.cache import Cache
from machinable.snapshot.listing import Listing, list_project, listing_hash
from machinable.store import owner
from machinable.store.files import failure, remove_file

__all__ = ["Snapshot", "changed_since", "take"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

_PREPARED = ".prepared-"


class Snapshot:
    """The code of a project at one moment, as it lies in a storage.

    Attributes:
        hash: Of the content: 32 hexadecimal digits.
        path: The zip.
        files: How many files and links it holds.
        commit: The commit that the project stands on; None without Git, and before the first commit.
        branch: Its branch; None without Git, and where no branch is checked out.
        dirty: Whether the snapshot differs from the commit, by changed or by untracked files; None without Git.
        left_out: The files that are not in it although they belong to the project, with the reason.
    """

    __slots__ = ("branch", "commit", "dirty", "files", "hash", "left_out", "path")

    def __init__(self, hash: str, path: str, listing: Listing) -> None:
        self.hash = hash
        self.path = path
        self.files = len(listing.entries)
        self.commit = listing.commit
        self.branch = listing.branch
        self.dirty = listing.dirty
        self.left_out = dict(sorted(listing.left_out.items()))

    def document(self) -> dict[str, Any]:
        """What the document of a run says about its code, as plain JSON."""
        return {
            "hash": self.hash,
            "commit": self.commit,
            "branch": self.branch,
            "dirty": self.dirty,
            "left_out": dict(self.left_out),
        }

    def __repr__(self) -> str:
        state = f"{self.commit[:10]}{' and changes' if self.dirty else ''}" if self.commit else "no commit"
        return f"Snapshot({self.hash}: {self.files} files, {state})"


# By project and storage: all those of a project are of one moment. And by what they were asked for with.
_taken: dict[str, dict[str, Snapshot]] = {}
_asked: dict[tuple[str, str], Snapshot] = {}
_lock = threading.Lock()


def take(root: str, storage: str) -> Snapshot:
    """The snapshot of the project at `root`, kept in a storage as `.machinable/code/<hash>.zip`.

    A process takes it once per project: later calls return the same, whatever became of the files by then.

    Args:
        root: The root of the project.
        storage: The directory of the storage.
    Raises:
        StorageError: If the storage can not be written.
    """
    asked = root, storage
    known = _asked.get(asked)
    if known is not None:
        return known
    root, storage = os.path.realpath(root), os.path.abspath(storage)
    with _lock:
        taken = _taken.setdefault(root, {})
        if storage not in taken:
            directory = os.path.join(storage, META, "code")
            try:
                os.makedirs(directory, exist_ok=True)
                taken[storage] = _copied(taken, directory) or _taken_now(root, storage, directory)
            except OSError as error:
                raise failure(error, str(error.filename or directory)) from error
        share_file(taken[storage].path)
        if os.path.isabs(asked[0]) and os.path.isabs(asked[1]):  # else another directory means others
            _asked[asked] = taken[storage]
        return taken[storage]


def changed_since(root: str, storage: str, snapshot_hash: str) -> bool:
    """Whether the project's code is no longer that of a snapshot. Reads what changed since then, writes nothing.

    It is about the files as they are now, so a process that starts late asks before it imports them.

    Args:
        root: The root of the project.
        storage: The directory of the storage, which does not count as code where it lies in the project.
        snapshot_hash: `Snapshot.hash` of the time to compare with.
    """
    root, storage = os.path.realpath(root), os.path.abspath(storage)
    cache = Cache(os.path.join(storage, META, "code"), root)
    return listing_hash(list_project(root, storage, cache).entries) != snapshot_hash


def _taken_now(root: str, storage: str, directory: str) -> Snapshot:
    cache = Cache(directory, root)
    listing = list_project(root, storage, cache)
    hash = listing_hash(listing.entries)
    path = os.path.join(directory, f"{hash}.zip")
    if not archive.is_whole(path):
        _sweep(directory)

        def write(file: BinaryIO) -> str:
            # Named by what went in: it may differ from what was listed a moment before.
            listing.entries = archive.write(file, root, listing.entries)
            return listing_hash(listing.entries)

        hash = _publish(directory, write)
    cache.save()
    return Snapshot(hash, os.path.join(directory, f"{hash}.zip"), listing)


def _copied(taken: dict[str, Snapshot], directory: str) -> Snapshot | None:
    """The snapshot that this process has taken for another storage, in this one too."""
    for known in taken.values():
        path = os.path.join(directory, f"{known.hash}.zip")
        if not archive.is_whole(path):
            try:
                with open(known.path, "rb") as source:
                    data = source.read()
            except OSError:
                continue  # removed since, with its storage

            def write(file: BinaryIO, data: bytes = data, hash: str = known.hash) -> str:
                file.write(data)
                return hash

            _publish(directory, write)
        copy = object.__new__(Snapshot)
        for name in Snapshot.__slots__:
            setattr(copy, name, getattr(known, name))
        copy.path = path
        return copy
    return None


def _publish(directory: str, write: Any) -> str:
    """Writes a zip aside, and renames it to the hash that `write` returns."""
    temporary = os.path.join(directory, _PREPARED + owner.token())
    try:
        with open(temporary, "xb") as file:
            hash: str = write(file)
            file.flush()
            # Runs refer to it for ever, and it is written once per change of the code.
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(directory, f"{hash}.zip"))
    except BaseException:
        remove_file(temporary)
        raise
    return hash


def _sweep(directory: str) -> None:
    """Removes what processes that are gone had begun to write."""
    for name in os.listdir(directory):
        if name.startswith(_PREPARED) and owner.token_is_alive(name[len(_PREPARED) :]) is False:
            remove_file(os.path.join(directory, name))


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # a thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
