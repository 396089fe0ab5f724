"""The clock of a storage. Hosts disagree about the time; ages of heartbeats are measured by the storage's own clock."""

from __future__ import annotations

import os
import time

from machinable.records import elsewhere
from machinable.records.mirror import freshness
from machinable.records.mirror.place import store_at
from machinable.store import owner

__all__ = ["is_known", "learn", "learn_file", "learn_modified", "measure", "now"]

_offsets: dict[str, float] = {}

_TICK_SECONDS = 0.02


def learn(root: str, descriptor: int) -> None:
    """Compares the storage's clock with ours, by the time that it gave to a file created this moment."""
    if root not in _offsets:
        learn_modified(root, os.fstat(descriptor).st_mtime)


def learn_modified(root: str, modified: float) -> None:
    """Compares the storage's clock with ours, by the modification time that it gave to a file this moment."""
    if root not in _offsets:
        offset = modified - time.time()
        # The times of files lag behind by up to a tick of the kernel. Our own clock is not to be set back by that.
        _offsets[root] = 0.0 if -_TICK_SECONDS < offset <= 0 else offset


def learn_file(root: str, path: str) -> None:
    """Compares the storage's clock with ours, by the time that it gives to a file now; if it can not be told, not."""
    try:
        os.utime(path)
        learn_modified(root, os.stat(path).st_mtime)
    except OSError:
        pass


def now(root: str) -> float:
    """The storage's time, in seconds since the epoch; this host's, as long as nothing was written there."""
    return time.time() + _offsets.get(root, 0.0)


def is_known(root: str) -> bool:
    """Whether the storage's clock was compared with ours."""
    store = store_at(root)
    if store is None:
        return root in _offsets
    return elsewhere.is_compared(store)


def measure(root: str) -> None:
    """Compares the clocks by a file that is created and removed at once. Raises OSError, StorageError."""
    store = store_at(root)
    if store is not None:
        elsewhere.compare(store)
        freshness.forget(root)
    path = os.path.join(root, f".clock.{owner.token()}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        learn(root, descriptor)
    finally:
        os.close(descriptor)
        os.unlink(path)
