"""The lock of a mirror: held for moments by processes of this machine that add or take away metadata in it."""

from __future__ import annotations

import os

from machinable.records.mirror.place import META
from machinable.store.files import failure

try:
    import fcntl
except ImportError:  # Windows: renames alone have to do
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lock"]


class Lock:
    """A context in which no other process or thread changes the metadata of a mirror. Nothing is sent inside."""

    __slots__ = ("_descriptor", "_root")

    def __init__(self, root: str) -> None:
        self._root = root
        self._descriptor = -1

    def __enter__(self) -> None:
        directory = os.path.join(self._root, META)
        path = os.path.join(directory, "mirror.lock")
        try:
            try:
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            except FileNotFoundError:
                os.makedirs(directory, exist_ok=True)
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            if fcntl is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise failure(error, path) from error

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)
