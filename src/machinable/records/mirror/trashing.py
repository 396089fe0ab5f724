"""The trash of a storage elsewhere. Nothing can be renamed there: objects are copied, and removed afterwards."""

from __future__ import annotations

import os

from machinable.records.mirror import freshness
from machinable.records.mirror.place import META, key_of, store_at
from machinable.store import owner
from machinable.store.files import remove_file

__all__ = ["bring_back", "erase", "fetch_names", "publish_tombstone", "withdraw"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Entry, Store

#: What is larger is copied by way of a file, in bytes.
_LARGE_BYTES = 32 << 20
_TRASH = f"{META}/trash"


def withdraw(root: str, directory: str, target: str, about: bytes | None) -> None:
    """Moves what is below a directory to the trash; nothing where `root` is no mirror.

    Killed at any moment, it leaves all of it here or there, and can be repeated.

    Args:
        target: Where it goes to, in the mirror.
        about: What is said there of where it lay.
    Raises:
        StorageError: If it can not be moved.
    """
    store = store_at(root)
    if store is None:
        return
    source, goal = key_of(root, directory), key_of(root, target)
    entries = store.entries(source)
    _copy(store, root, entries, source, goal)
    if about is not None:
        store.put(f"{goal}/{META}/trashed.json", about)
    _delete(store, entries)
    freshness.forget(root)


def bring_back(root: str, directory: str, target: str) -> None:
    """The reverse of `withdraw`, from `directory` in the trash to `target`. Raises StorageError."""
    store = store_at(root)
    if store is None:
        return
    source, goal = key_of(root, directory), key_of(root, target)
    entries = store.entries(source)
    # What makes it a record comes last.
    kept = [entry for entry in entries if not entry.key.endswith("/trashed.json")]
    _copy(store, root, sorted(kept, key=_rank, reverse=True), source, goal)
    store.delete([entry.key for entry in entries])
    freshness.forget(root)


def erase(root: str, directory: str) -> None:
    """Removes what lies below a directory for good. Raises StorageError."""
    store = store_at(root)
    if store is not None:
        _delete(store, store.entries(key_of(root, directory)))


def fetch_names(root: str) -> None:
    """Has a directory in the mirror for everything in the trash, with the document that says what it was."""
    store = store_at(root)
    if store is None:
        return
    for name in store.children(_TRASH):
        path = os.path.join(root, META, "trash", name, META, "trashed.json")
        if os.path.exists(path):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        about = store.get_many([f"{_TRASH}/{name}/{META}/trashed.json"])
        for data in about.values():
            with open(path, "wb") as file:
                file.write(data)


def publish_tombstone(root: str, directory: str, data: bytes) -> None:
    """Leaves a tombstone where a record was. Raises StorageError."""
    store = store_at(root)
    if store is not None:
        store.put(f"{key_of(root, directory)}/{META}/tombstone.json", data)
        freshness.forget(root)


def _copy(store: Store, root: str, entries: list[Entry], source: str, goal: str) -> None:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if entry.size > _LARGE_BYTES:
            aside = os.path.join(root, META, f".copied.{owner.token()}")
            try:
                store.download([(entry.key, aside)])
                store.upload([(goal + entry.key[len(source) :], aside)])
            finally:
                remove_file(aside)
            continue
        batch.append(entry)
        size += entry.size
        if size > _LARGE_BYTES or len(batch) >= 1000:
            _copy_small(store, batch, source, goal)
            batch, size = [], 0
    _copy_small(store, batch, source, goal)


def _copy_small(store: Store, entries: list[Entry], source: str, goal: str) -> None:
    found = store.get_many([entry.key for entry in entries])
    ranked = sorted(entries, key=_rank, reverse=True)
    for rank in sorted({_rank(entry) for entry in ranked}, reverse=True):
        some = [entry.key for entry in ranked if _rank(entry) == rank and entry.key in found]
        store.put_many([(goal + key[len(source) :], found[key]) for key in some])


def _delete(store: Store, entries: list[Entry]) -> None:
    """Removes ends before what they list, and claims last: whatever is left meanwhile is a record that did not end."""
    for ranks in ((1,), (2,), (0,)):
        keys = [entry.key for entry in entries if _rank(entry) in ranks]
        if keys:
            store.delete(keys)


def _rank(entry: Entry) -> int:
    """0 for claims and what else makes a record, 1 for ends, 2 for everything else."""
    parent, _, name = entry.key.rpartition("/")
    if not parent.endswith(META):
        return 2
    return (
        1 if name.startswith("end-") else 0 if name.startswith(("attempt-", "component", "execution")) else 2
    )
