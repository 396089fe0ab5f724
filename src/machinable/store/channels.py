"""Channels of an SSH connection that serve files, and what the store of `sftp://` does on one of them."""

from __future__ import annotations

import stat
import threading

from machinable.store import ssh
from machinable.store.retrying import timeout_seconds

__all__ = [
    "Connection",
    "discard",
    "exists",
    "is_answer",
    "make_directories",
    "parts_of",
    "read_file",
    "replace",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_REQUEST_BYTES = 32768  # what every server takes in one piece


class Connection:
    """A connection and its channels, each of which serves one thread at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._idle: list[Any] = []
        self._tickets = threading.Semaphore(ssh.SAFE_CHANNELS)

    def take(self) -> Any:
        """A channel for this thread alone."""
        self._tickets.acquire()
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            channel = self._client.open_sftp()
            channel.get_channel().settimeout(timeout_seconds())
        except BaseException:
            self._tickets.release()
            raise
        return channel

    def give(self, channel: Any) -> None:
        """Puts a channel back."""
        if channel is not None:
            self._idle.append(channel)
            self._tickets.release()

    def close(self) -> None:
        """Ends the connection; threads that use it meet an error."""
        for _ in range(ssh.SAFE_CHANNELS):
            self._tickets.release()
        self._client.close()


def is_answer(error: BaseException) -> bool:
    """Whether the server said no, so that the connection is fine."""
    if isinstance(error, (ConnectionError, TimeoutError, EOFError)) or not isinstance(error, OSError):
        return False
    return "closed" not in str(error).lower()


def read_file(channel: Any, path: str) -> Iterator[bytes]:
    """The bytes of a file, in pieces. Raises FileNotFoundError, also for a directory."""
    with channel.open(path, "rb") as file:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode or 0):
            raise FileNotFoundError(path)  # a directory is no object
        size = int(status.st_size or 0)
        if size > 2 * _REQUEST_BYTES:
            file.prefetch(size)
        while data := file.read(_REQUEST_BYTES):
            yield data


def parts_of(path: str) -> Iterator[bytes]:
    """The bytes of a local file, in pieces."""
    with open(path, "rb") as file:
        while data := file.read(2**20):
            yield data


def exists(channel: Any, path: str) -> bool:
    """Whether there is anything of this name."""
    try:
        channel.stat(path)
    except FileNotFoundError:
        return False
    return True


def make_directories(channel: Any, path: str) -> None:
    """Makes a directory and those above it. Raises PermissionError where that is refused."""
    if exists(channel, path):
        return
    parent = path.rpartition("/")[0]
    if parent:
        make_directories(channel, parent)
    try:
        channel.mkdir(path)
    except OSError:
        if not exists(channel, path):  # if it does, another made it at the same time
            raise PermissionError(path) from None


def replace(channel: Any, source: str, target: str) -> None:
    """Renames a file to a name that another may have."""
    try:
        channel.posix_rename(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        # A server that has only the protocol's own rename, which does not replace.
        if not exists(channel, target):
            discard(channel, source)
            raise
        channel.remove(target)
        channel.rename(source, target)


def discard(channel: Any, path: str) -> None:
    """Removes a file, if that is possible."""
    try:
        channel.remove(path)
    except Exception:
        pass  # the connection is gone; nobody reads what has such a name
