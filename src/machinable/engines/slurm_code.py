"""The code of a run on a node of a cluster: restored once per node, shared by all jobs there, removed by the last."""

from __future__ import annotations

import fcntl
import os

from machinable import snapshot
from machinable.errors import StorageError
from machinable.store.files import remove_tree

__all__ = ["Code"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Code:
    """A context in which the snapshot `hash` of a storage lies in a directory of this node that only the user can read.

    Jobs that use it hold a lock on a file beside it, which the kernel gives back however they end: who finds at the
    end that nobody else does removes it.

    Attributes:
        directory: Where it is.
    """

    def __init__(self, zip_path: str, name: str) -> None:
        from tempfile import gettempdir

        self._zip_path = zip_path
        base = os.path.join(gettempdir(), f"machinable-code-{os.getuid()}")
        self.directory = os.path.join(base, name)
        self._base = base
        self._lock = -1

    def __enter__(self) -> Self:
        while True:
            self._make_base()
            try:
                self._lock = os.open(f"{self.directory}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # the last user of other code went away at this moment
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            if self._is_in_place() and not os.path.isdir(self.directory):
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                if self._is_in_place() and not os.path.isdir(self.directory):
                    # It appears as a whole, so that one which was cut short is none.
                    snapshot.restore(self._zip_path, self.directory)
                fcntl.flock(self._lock, fcntl.LOCK_SH)  # for a moment there is no lock at all
            if self._is_in_place() and os.path.isdir(self.directory):
                return self
            os.close(self._lock)  # its last user removed it at this moment

    def __exit__(self, *_: object) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another job needs it
        else:
            if self._is_in_place():
                remove_tree(self.directory)
                os.unlink(f"{self.directory}.lock")
                self._remove_base()
        os.close(self._lock)
        self._sweep()

    def _sweep(self) -> None:
        """Removes code whose jobs were all killed."""
        try:
            names = [name for name in os.listdir(self._base) if name.endswith(".lock")]
        except FileNotFoundError:
            return
        for name in names:
            path = os.path.join(self._base, name)
            try:
                lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(lock)):
                    remove_tree(path.removesuffix(".lock"))
                    os.unlink(path)
            except (BlockingIOError, FileNotFoundError):
                pass  # other jobs need it, or have removed it
            finally:
                os.close(lock)
        self._remove_base()

    def _make_base(self) -> None:
        try:
            os.mkdir(self._base, 0o700)
        except FileExistsError:
            pass
        found = os.lstat(self._base)
        if found.st_uid != os.getuid() or found.st_mode & 0o077 or not os.path.isdir(self._base):
            raise StorageError(
                f"{self._base} belongs to somebody else. Remove it, or set TMPDIR to another place."
            )

    def _is_in_place(self) -> bool:
        """Whether the file that is locked is the one that others would lock."""
        try:
            there, own = os.stat(f"{self.directory}.lock"), os.fstat(self._lock)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def _remove_base(self) -> None:
        try:
            os.rmdir(self._base)
        except OSError:
            pass  # there is code of other runs
