"""The indexes that this process has open: one for each storage and file."""

from __future__ import annotations

import os

from machinable.index.searching import Search

__all__ = ["forget_indexes", "open_index"]

_opened: dict[tuple[str, str | None], Search] = {}

#: Those of the process that this one was forked from. Closing them here could undo what that one is writing.
_inherited: list[Search] = []


def open_index(root: str, path: str | None = None) -> Search:
    """The index of the storage in `root`. Nothing is read or written before it is asked for something.

    Args:
        path: The file; by default within the storage, or where that can not be written, in the cache directory.
    """
    known = _opened.get((root, path))
    if known is not None and known.pid != os.getpid():
        _inherited.append(known)
        known = None
    if known is None:
        known = _opened[root, path] = Search(root, path)
    return known


def forget_indexes(root: str) -> None:
    """Closes the indexes of a storage: what is asked next opens them anew."""
    for key in [key for key in _opened if key[0] == root]:
        search = _opened.pop(key)
        if search.pid == os.getpid():
            search.close()
        else:
            _inherited.append(search)
