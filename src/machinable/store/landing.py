"""A file that appears under its name only when it is complete."""

from __future__ import annotations

import os

from machinable.store import owner
from machinable.store.files import remove_file

__all__ = ["Landing", "write_at"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Landing:
    """With this, a descriptor of a new file, renamed to `path` at the end unless something was raised.

    The directories above `path` are created.
    """

    __slots__ = ("_descriptor", "_path", "_temporary")

    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = os.path.join(os.path.dirname(path), f".tmp.{owner.token()}")

    def __enter__(self) -> int:
        try:
            self._descriptor = os.open(self._temporary, _NEW, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._descriptor = os.open(self._temporary, _NEW, 0o666)
        return self._descriptor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            os.close(self._descriptor)
            if kind is None:
                os.replace(self._temporary, self._path)
                return
        except OSError:
            remove_file(self._temporary)
            raise
        remove_file(self._temporary)


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Writes all bytes at a place of the file; threads may write different places at the same time."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
