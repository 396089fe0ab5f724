"""One record, read for the index."""

from __future__ import annotations

import os
import time

from machinable.errors import RemovedRecord
from machinable.records.record import Record
from machinable.records.row import read_row
from machinable.types import Status

__all__ = ["UNSETTLED", "Found", "Taker"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.records.record import State

#: In place of the time of a directory that may change again without a new time.
UNSETTLED = -1


class Found:
    """A record as it was read for the index."""

    __slots__ = ("inode", "is_open", "modified", "path", "row")

    def __init__(self, path: str, inode: int, modified: int, row: dict[str, Any], is_open: bool) -> None:
        self.path = path
        self.inode = inode
        self.modified = modified  # of its metadata's directory, in nanoseconds
        self.row = row
        self.is_open = is_open  # whether its state can change without a mark


class Taker:
    """Reads records of a storage.

    Args:
        step_seconds: A directory that changed less than this before it is looked at may change again without a new
            time.
        offset_seconds: How much the storage's clock is ahead of this host's.
    """

    __slots__ = ("_offset", "_root", "_step")

    def __init__(self, root: str, step_seconds: float, offset_seconds: float) -> None:
        self._root = root
        self._step = step_seconds
        self._offset = offset_seconds

    def settled(self, modified: int) -> int:
        """The time to be remembered: one that a later change is going to differ from."""
        return modified if time.time() + self._offset - modified / 1e9 > self._step else UNSETTLED

    def read(self, path: str, inode: int | None) -> Found | None:
        """The record at a path; `None` if there is none.

        Args:
            inode: Its number in the file system, where that is known.
        """
        record = Record(os.path.join(self._root, *path.split("/")), self._root)
        try:
            modified = self.settled(os.stat(record.meta).st_mtime_ns)
        except OSError:
            modified = UNSETTLED
        try:
            row, state = read_row(record)
            if state is None and _is_nothing(record.directory):
                return None
            if inode is None:
                inode = os.stat(record.directory).st_ino & (2**63 - 1)
        except (RemovedRecord, FileNotFoundError):
            return None
        return Found(path, inode, modified, row, state is None or _is_open(state))


def _is_nothing(path: str) -> bool:
    """Whether nothing is there, or an empty directory, which is no record."""
    try:
        return not os.listdir(path)
    except NotADirectoryError:
        return False
    except OSError:
        return not os.path.lexists(path)


def _is_open(state: State) -> bool:
    """Whether a record's state can change without a file that is added to it."""
    if state.attempt is None or state.status is Status.RUNNING:
        return True
    return state.status is Status.LOST and (not state.owner_is_gone or state.attempt.damage is not None)
