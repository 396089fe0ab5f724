"""`sftp://`: files on any machine that one can log in to. Claims are hard links, which exclude others everywhere."""

from __future__ import annotations

import os
import stat

from machinable.errors import StorageError
from machinable.store import claims, clocks, forks, landing, owner, ssh
from machinable.store.channels import (
    Connection,
    discard,
    exists,
    is_answer,
    make_directories,
    parts_of,
    read_file,
    replace,
)
from machinable.store.concurrent import each
from machinable.store.retrying import patiently
from machinable.store.store import Entry

__all__ = ["SftpStore"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from machinable.store.store import Progress
    from machinable.store.url import Location

    Result = TypeVar("Result")

_TEMPORARY = ".~"
_EXTENDED = 200  # the request for what a server offers beyond the protocol


class SftpStore:
    """A `Store` in a directory of another machine. See `machinable.store.store.Store` for what it promises.

    The URL is `sftp://[user@]host[:port]/path`, with an absolute path, or `/~/path` for one below the home directory.
    """

    def __init__(self, location: Location, place: str | None = None, memory: str | None = None) -> None:
        self.url = location.url
        self._location = location
        path = location.path
        self._base = path[2:] or "." if path == "~" or path.startswith("~/") else f"/{path}"
        self._memory = memory
        self._honest: bool | None = None
        self._clock = clocks.ServerClock(self._stamp)
        self._connection: Connection | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<SftpStore {self.url}>"

    # The connection

    def prepare(self) -> None:
        """Loads in a process that others are forked off what takes them long to load."""
        ssh.preload()
        self._honest = claims.recall(self._memory)

    def _open(self) -> Connection:
        with forks.opening():
            if self._pid != os.getpid():  # of the parent's connection, only the socket is left
                self._connection = None
                self._pid = os.getpid()
            if self._connection is None:
                self._connection = Connection(ssh.connect(self._location))
            return self._connection

    def _drop(self, connection: Connection) -> None:
        with forks.opening():
            if self._connection is connection:
                self._connection = None
        connection.close()

    def _call(self, key: str, function: Callable[[Any], Result]) -> Result:
        """Calls `function(channel)`, on a new connection if the one at hand turns out to be broken."""

        def attempt() -> Result:
            connection = self._open()
            channel = None
            try:
                channel = connection.take()
                result = function(channel)
            except FileNotFoundError:
                connection.give(channel)
                raise
            except BaseException as error:
                if channel is not None and is_answer(error):
                    connection.give(channel)
                    raise
                self._drop(connection)
                if isinstance(error, Exception) and not isinstance(error, StorageError):
                    raise ConnectionError(str(error) or type(error).__name__) from None
                raise
            connection.give(channel)
            return result

        try:
            return patiently(attempt, lambda error: isinstance(error, ConnectionError))
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.url}/{key}") from None
        except PermissionError:
            raise StorageError(
                f"{self.url}: the server denies access to {key or 'the directory'!r}."
            ) from None
        except ConnectionError as error:
            machine = self._location.host.rpartition("@")[2]
            raise StorageError(
                f"{self.url}: {machine} can not be reached: {error}. Check the host and the network."
            ) from None
        except OSError as error:
            raise StorageError(
                f"{self.url}: the server refuses {key!r}: {error}. Is its disk full?"
            ) from None

    def _path(self, key: str) -> str:
        return f"{self._base.rstrip('/')}/{key}" if key else self._base

    # Reading

    def get(self, key: str) -> bytes:
        return self._call(key, lambda channel: b"".join(read_file(channel, self._path(key))))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        def get(key: str) -> bytes | None:
            try:
                return self.get(key)
            except FileNotFoundError:
                return None

        names = list(keys)
        found = zip(names, each(get, names, ssh.SAFE_CHANNELS), strict=True)
        return {key: data for key, data in found if data is not None}

    def download(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        def fetch(item: tuple[str, str]) -> None:
            key, path = item

            def receive(channel: Any) -> int:
                size = 0
                os.ftruncate(descriptor, 0)
                for data in read_file(channel, self._path(key)):
                    landing.write_at(descriptor, data, size)
                    size += len(data)
                return size

            with landing.Landing(path) as descriptor:
                size = self._call(key, receive)
            if progress is not None:
                progress(key, size)

        each(fetch, files, ssh.SAFE_CHANNELS)

    def entries(self, prefix: str = "") -> list[Entry]:
        found: list[Entry] = []
        level = [prefix]
        while level:
            deeper: list[str] = []
            for directory, listed in zip(level, each(self._list, level, ssh.SAFE_CHANNELS), strict=True):
                for item in listed:
                    key = f"{directory}/{item.filename}" if directory else item.filename
                    if stat.S_ISDIR(item.st_mode or 0):
                        deeper.append(key)
                    elif not item.filename.startswith(_TEMPORARY):
                        found.append(Entry(key, int(item.st_size or 0), float(item.st_mtime or 0)))
            level = deeper
        return sorted(found, key=lambda entry: entry.key)

    def children(self, prefix: str = "") -> list[str]:
        names = (item.filename for item in self._list(prefix))
        return sorted(name for name in names if not name.startswith(_TEMPORARY))

    def _list(self, directory: str) -> list[Any]:
        try:
            found: list[Any] = self._call(
                directory, lambda channel: channel.listdir_attr(self._path(directory))
            )
        except FileNotFoundError:
            return []
        return found

    # Writing

    def put(self, key: str, data: bytes) -> None:
        def write(channel: Any) -> None:
            temporary = self._prepare(channel, key, [data])
            replace(channel, temporary, self._path(key))

        self._call(key, write)

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        each(lambda item: self.put(*item), items, ssh.SAFE_CHANNELS)

    def create(self, key: str, data: bytes) -> bool:
        return self._call(key, lambda channel: self._create(channel, key, data))

    def _create(self, channel: Any, key: str, data: bytes) -> bool:
        path = self._path(key)
        temporary = self._prepare(channel, key, [data])
        try:
            try:
                channel._request(_EXTENDED, "hardlink@openssh.com", temporary, path)
                return True
            except OSError:
                if exists(channel, path):
                    return b"".join(read_file(channel, path)) == data
            # A server without hard links: it still creates exclusively, but others may see the file half-written.
            try:
                with channel.open(path, "wbx") as file:
                    file.write(data)
                return True
            except OSError:
                if not exists(channel, path):
                    raise
                return b"".join(read_file(channel, path)) == data
        finally:
            discard(channel, temporary)

    def _prepare(self, channel: Any, key: str, parts: Iterable[bytes]) -> str:
        """Writes a file under a name of its own beside the one it is for, and returns that name."""
        directory = self._path(key).rpartition("/")[0]
        temporary = f"{directory}/{_TEMPORARY}{owner.token()}"
        try:
            file = channel.open(temporary, "wb")
        except FileNotFoundError:
            make_directories(channel, directory)
            file = channel.open(temporary, "wb")
        try:
            with file:
                file.set_pipelined(True)
                for data in parts:
                    file.write(data)
        except OSError:
            discard(channel, temporary)
            raise
        return temporary

    def upload(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        def send(item: tuple[str, str]) -> None:
            key, path = item

            def write(channel: Any) -> None:
                temporary = self._prepare(channel, key, parts_of(path))
                replace(channel, temporary, self._path(key))

            size = os.path.getsize(path)
            self._call(key, write)
            if progress is not None:
                progress(key, size)

        each(send, files, ssh.SAFE_CHANNELS)

    def delete(self, keys: Iterable[str]) -> None:
        names = list(keys)
        each(self._remove, names, ssh.SAFE_CHANNELS)
        # Directories that are empty now go as well: keys have none.
        parents = {name.rpartition("/")[0] for name in names}
        while parents:
            removed = [parent for parent in parents if parent and self._remove_directory(parent)]
            parents = {parent.rpartition("/")[0] for parent in removed}

    def _remove(self, key: str) -> None:
        try:
            self._call(key, lambda channel: channel.remove(self._path(key)))
        except FileNotFoundError:
            pass

    def _remove_directory(self, key: str) -> bool:
        try:
            self._call(key, lambda channel: channel.rmdir(self._path(key)))
        except (FileNotFoundError, StorageError):
            return False  # not empty, most often
        return True

    # The server

    @property
    def can_claim(self) -> bool:
        if self._honest is None:
            self._honest = claims.recall(self._memory)
        if self._honest is None:
            self._honest = claims.probe(self)
            claims.remember(self._memory, self._honest)
        return self._honest

    def now(self) -> float:
        return self._clock.now()

    def _stamp(self, key: str) -> float:
        self.put(key, b"")
        told = self._call(key, lambda channel: float(channel.stat(self._path(key)).st_mtime))
        self.delete([key])
        return told
