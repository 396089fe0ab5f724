"""Where things of a mirror lie in the storage that it mirrors."""

from __future__ import annotations

import os

from machinable.store.remote import store_of

__all__ = ["LOST_SECONDS", "META", "key_of", "mirror_around", "shown", "store_at", "unsent_name"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Store

META = ".machinable"

#: How long a process on another machine may be silent before it is shown as lost, in seconds.
LOST_SECONDS = 300.0

_PREFIX = "mirror-"
_LENGTH = len(_PREFIX) + 16  # of the name of a mirror

_stores: dict[str, Store | None] = {}


def store_at(root: str) -> Store | None:
    """The store behind the storage directory `root`; `None` where that is no mirror: the directory is all there is."""
    try:
        return _stores[root]
    except KeyError:
        store = store_of(root)
        if store is not None or os.path.isdir(root):
            _stores[root] = store
        return store


def mirror_around(path: str) -> str | None:
    """The root of the mirror that `path` lies in; `None` if it lies in none."""
    start = path.rfind(os.sep + _PREFIX)
    while start >= 0:
        end = start + 1 + _LENGTH
        if path[end : end + 1] in ("", os.sep) and store_at(path[:end]) is not None:
            return path[:end]
        start = path.rfind(os.sep + _PREFIX, 0, start)
    return None


def key_of(root: str, path: str) -> str:
    """The key of what lies at `path` in the mirror `root`."""
    return os.path.relpath(path, root).replace(os.sep, "/")


def shown(path: str) -> str:
    """A path as users are told it: inside of a mirror as the URL that it stands for."""
    root = mirror_around(path)
    if root is None:
        return path
    store = store_at(root)
    assert store is not None
    key = key_of(root, path)
    return store.url if key == "." else f"{store.url.rstrip('/')}/{key}"


def unsent_name(number: int) -> str:
    """In the mirror: the mark of an attempt of this machine whose end has not been published in the storage yet."""
    return f"unsent-{number}"
