"""Single files besides records (runs, notes, shapes, snapshots): sent when they are written, fetched on demand."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.records.mirror.place import META, key_of, mirror_around, store_at
from machinable.store import owner
from machinable.store.files import failure, write_whole

__all__ = ["fetch_directory", "fetch_keys", "fetch_shared", "share", "share_file"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Store


def share(path: str, data: bytes, *, exclusive: bool = False) -> bool:
    """Sends what is about to be written to `path` to the storage, where that is mirrored here.

    Returns:
        `False` if it is `exclusive`, and somebody has written it before.
    Raises:
        StorageError: If it can not be sent.
    """
    root = mirror_around(path)
    if root is None:
        return True
    store, key = _store(root), key_of(root, path)
    if exclusive:
        return store.create(key, data)
    store.put(key, data)
    return True


_shared: set[str] = set()


def share_file(path: str) -> None:
    """Sends a file that never changes once it has its name, unless the storage has it. Raises StorageError."""
    root = mirror_around(path)
    if root is None or path in _shared:
        return
    store, key = _store(root), key_of(root, path)
    if not any(entry.key == key for entry in store.entries(key.rpartition("/")[0])):
        store.upload([(key, path)])
    _shared.add(path)


def fetch_shared(path: str) -> bool:
    """Has such a file in the mirror; whether there is one. Outside of mirrors it is left as it is."""
    if os.path.exists(path):
        return True
    root = mirror_around(path)
    if root is None:
        return False
    try:
        _write(root, path, _store(root).get(key_of(root, path)))
    except FileNotFoundError:
        return False
    return True


def fetch_directory(path: str) -> None:
    """Has all such files below a directory in the mirror."""
    root = mirror_around(path)
    if root is None:
        return
    fetch_keys(root, [entry.key for entry in _store(root).entries(key_of(root, path))])


def fetch_keys(root: str, keys: list[str]) -> None:
    """Has such files in the mirror `root`, given by their keys. Raises StorageError."""
    lacking = [key for key in keys if not os.path.exists(os.path.join(root, key))]
    for key, data in _store(root).get_many(lacking).items() if lacking else ():
        _write(root, os.path.join(root, key), data)


def _write(root: str, path: str, data: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, data, os.path.join(root, META, f".fetch.{owner.token()}"))
    except OSError as error:
        raise failure(error, path) from error


def _store(root: str) -> Store:
    store = store_at(root)
    if store is None:
        raise StorageError(f"{root} does not say any more which storage it mirrors.")
    return store
