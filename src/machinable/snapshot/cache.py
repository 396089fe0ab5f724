"""What earlier snapshots read, so that unchanged files are not read again. Losing it loses nothing."""

from __future__ import annotations

import json
import os
import time
from hashlib import blake2b

from machinable.store import owner
from machinable.store.files import read, write_whole

__all__ = ["Cache"]

VERSION = 1
_DIGITS = 64  # of a content hash

# A file system that counts time in seconds shows two changes within one second as one.
_SETTLED_NANOSECONDS = 2 * 10**9


class Cache:
    """The hashes of a project's files by size, inode, and the times of the last change of content and of status.

    The last (`ctime`) can not be set by anybody, so a file that is restored with its old modification time is read
    again. Files that changed within the last two seconds are not remembered: another change might not show.
    """

    __slots__ = ("_known", "_now", "_seen", "path")

    def __init__(self, directory: str, root: str) -> None:
        place = f"{owner.current()['host']}\0{root}".encode("utf-8", "surrogateescape")
        self.path = os.path.join(directory, f".seen-{blake2b(place, digest_size=8).hexdigest()}.json")
        self._known = _load(self.path)
        self._seen: dict[str, str] = {}
        self._now = time.time_ns()

    def find(self, path: bytes, status: os.stat_result) -> str | None:
        """The hash of a file, if it is known and the file is as it was."""
        name = path.decode("utf-8", "surrogateescape")
        known = self._known.get(name)
        if known is None or not known.startswith(_stamp(status)):
            return None
        self._seen[name] = known
        return known[-_DIGITS:]

    def remember(self, path: bytes, status: os.stat_result, hash: str) -> None:
        """Keeps the hash of a file whose `status` was taken before it was read."""
        if max(status.st_mtime_ns, status.st_ctime_ns) < self._now - _SETTLED_NANOSECONDS:
            self._seen[path.decode("utf-8", "surrogateescape")] = _stamp(status) + hash

    def save(self) -> None:
        """Writes what was seen, where it is not what was known."""
        if self._seen == self._known:
            return
        data = json.dumps({"version": VERSION, "files": self._seen}, separators=(",", ":")).encode("ascii")
        try:
            write_whole(self.path, data, f"{self.path}.{owner.token()}")
        except OSError:
            pass  # then the next process reads the files once more


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns} "


def _load(path: str) -> dict[str, str]:
    try:
        document = json.loads(read(path))
        files: dict[str, str] = document["files"] if document["version"] == VERSION else {}
        return files if all(isinstance(entry, str) for entry in files.values()) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
