"""Every other protocol that fsspec has: `memory://`, `ftp://`, `smb://`, `webdav://` and more."""

from __future__ import annotations

import os
import threading

from machinable.errors import DependencyMissing, StorageError
from machinable.store import clocks, forks, landing, owner
from machinable.store.concurrent import each
from machinable.store.retrying import patiently
from machinable.store.store import Entry

__all__ = ["ForeignStore"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from machinable.store.store import Progress
    from machinable.store.url import Location

    Result = TypeVar("Result")

#: Protocols where a file that is being written is seen by others, and a rename puts it into its place.
_BY_RENAME = {"ftp", "ftps", "smb", "webdav", "dav", "hdfs", "arrow_hdfs", "webhdfs", "dbfs", "sftp"}
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "modify", "created")
_PART_BYTES = 8 * 2**20
_TEMPORARY = ".~"


def _fsspec(scheme: str) -> Any:
    try:
        import fsspec
    except ImportError:
        raise DependencyMissing(
            f"{scheme}:// storages need fsspec: pip install 'machinable[fsspec]'"
        ) from None
    return fsspec


class ForeignStore:
    """A `Store` on a file system of fsspec. See `machinable.store.store.Store` for what it promises.

    fsspec's exclusive creation looks first and writes then, on all of them: nothing can be claimed here.
    """

    can_claim = False

    def __init__(self, location: Location, place: str | None = None, memory: str | None = None) -> None:
        self.url = location.url
        self._location = location
        self._clock = clocks.ServerClock(self._stamp)
        self._lock = threading.RLock()
        self._pid = 0
        self._files: Any = None
        self._base = ""

    def __repr__(self) -> str:
        return f"<ForeignStore {self.url}>"

    def _open(self) -> Any:
        if self._pid != os.getpid():
            with forks.opening():
                if self._pid == os.getpid():
                    return self._files
                self._lock = threading.RLock()  # a thread of the parent may have held it at the fork
                fsspec = _fsspec(self._location.scheme)
                url = self.url
                if self._location.password:  # as it was typed: fsspec decodes nothing
                    scheme, _, rest = url.partition("://")
                    user, _, rest = rest.partition("@")
                    url = f"{scheme}://{user}:{self._location.password}@{rest}"
                try:
                    self._files, base = fsspec.core.url_to_fs(url, use_listings_cache=False)
                except ImportError as error:
                    raise DependencyMissing(f"{self._location.scheme}:// storages: {error}") from None
                except Exception as error:
                    raise self._failure(error) from None
                self._base = base.rstrip("/")
                self._pid = os.getpid()
        return self._files

    def _failure(self, error: BaseException) -> StorageError:
        lines = str(error).splitlines()
        text = lines[0] if lines else type(error).__name__
        if self._location.password:
            text = text.replace(self._location.password, "…")
        kind = "denies access" if isinstance(error, PermissionError) else "can not be used"
        return StorageError(f"{self.url} {kind}: {text}")

    def _call(self, key: str, function: Callable[[Any], Result]) -> Result:
        files = self._open()

        def attempt() -> Result:
            if files.async_impl:
                return function(files)
            with self._lock:  # one connection, for one request at a time
                return function(files)

        try:
            return patiently(attempt, _passes)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(f"{self.url}/{key}") from None
        except (StorageError, DependencyMissing):
            raise
        except ImportError as error:
            raise DependencyMissing(f"{self._location.scheme}:// storages: {error}") from None
        except Exception as error:
            raise self._failure(error) from None

    @property
    def _width(self) -> int:
        return 8 if self._open().async_impl else 1

    def _path(self, key: str) -> str:
        self._open()
        return f"{self._base}/{key}" if key else self._base

    def get(self, key: str) -> bytes:
        return self._call(key, lambda files: bytes(files.cat_file(self._path(key))))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        def get(key: str) -> bytes | None:
            try:
                return self.get(key)
            except FileNotFoundError:
                return None

        names = list(keys)
        found = zip(names, each(get, names, self._width), strict=True)
        return {key: data for key, data in found if data is not None}

    def put(self, key: str, data: bytes) -> None:
        self._publish(key, lambda files, path: files.pipe_file(path, data))

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        each(lambda item: self.put(*item), items, self._width)

    def create(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key) == data
        except FileNotFoundError:
            self.put(key, data)
            return True

    def _publish(self, key: str, write: Callable[[Any, str], None]) -> None:
        path = self._path(key)

        def publish(files: Any) -> None:
            files.makedirs(path.rpartition("/")[0], exist_ok=True)
            if self._location.scheme not in _BY_RENAME:
                write(files, path)
                return
            directory = path.rpartition("/")[0]
            temporary = f"{directory}/{_TEMPORARY}{owner.token()}"
            try:
                write(files, temporary)
                _rename(files, temporary, path)
            except BaseException:
                _discard(files, temporary)
                raise

        self._call(key, publish)

    def upload(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        def send(item: tuple[str, str]) -> None:
            key, path = item
            size = os.path.getsize(path)
            self._publish(key, lambda system, target: system.put_file(path, target))
            if progress is not None:
                progress(key, size)

        each(send, files, self._width)

    def download(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        def fetch(item: tuple[str, str]) -> None:
            key, path = item
            with landing.Landing(path) as descriptor:
                size = self._call(key, lambda system: self._fetch(system, key, descriptor))
            if progress is not None:
                progress(key, size)

        each(fetch, files, self._width)

    def _fetch(self, files: Any, key: str, descriptor: int) -> int:
        size = 0
        os.ftruncate(descriptor, 0)
        with files.open(self._path(key), "rb") as source:
            while data := source.read(_PART_BYTES):
                landing.write_at(descriptor, data, size)
                size += len(data)
        return size

    def entries(self, prefix: str = "") -> list[Entry]:
        def find(files: Any) -> dict[str, dict[str, Any]]:
            files.invalidate_cache()
            found: dict[str, dict[str, Any]] = files.find(self._path(prefix), detail=True)
            return found

        try:
            found = self._call(prefix, find)
        except FileNotFoundError:
            return []
        skip = len(self._base) + 1
        listed = [
            Entry(path[skip:], int(info.get("size") or 0), _time(info))
            for path, info in found.items()
            if len(path) > skip and not path.rpartition("/")[2].startswith(_TEMPORARY)
        ]
        return sorted(listed, key=lambda entry: entry.key)

    def children(self, prefix: str = "") -> list[str]:
        def names(files: Any) -> list[str]:
            files.invalidate_cache()
            found = files.ls(self._path(prefix), detail=False)
            return sorted({path.rstrip("/").rpartition("/")[2] for path in found})

        try:
            listed = self._call(prefix, names)
        except FileNotFoundError:
            return []
        return [name for name in listed if not name.startswith(_TEMPORARY)]

    def delete(self, keys: Iterable[str]) -> None:
        def remove(key: str) -> None:
            try:
                self._call(key, lambda files: files.rm_file(self._path(key)))
            except FileNotFoundError:
                pass
            except StorageError:
                if self._call(key, lambda files: files.exists(self._path(key))):
                    raise

        each(remove, keys, self._width)

    def now(self) -> float:
        return self._clock.now()

    def _stamp(self, key: str) -> float:
        self.put(key, b"")
        told = self._call(key, lambda files: _time(files.info(self._path(key))))
        self.delete([key])
        if not told:
            raise StorageError(f"{self.url} does not tell when files were written.")
        return told


def _passes(error: BaseException) -> bool:
    """Whether an error of the network may pass by itself."""
    if isinstance(error, (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)):
        return False
    return isinstance(error, (ConnectionError, TimeoutError, EOFError)) or type(error).__name__ in (
        "error_temp",
        "ServerTimeoutError",
        "ClientConnectionError",
        "ServerDisconnectedError",
    )


def _rename(files: Any, source: str, target: str) -> None:
    try:
        files.mv(source, target)
    except Exception:
        if not files.exists(target):
            raise
        files.rm_file(target)  # a server that does not replace
        files.mv(source, target)


def _discard(files: Any, path: str) -> None:
    try:
        files.rm_file(path)
    except Exception:
        pass  # the connection is gone; nobody reads what has such a name


def _time(info: dict[str, Any]) -> float:
    """When a file was written, from what the many file systems call that; 0.0 if this one does not tell."""
    value: Any = next((info[name] for name in _TIMES if info.get(name) is not None), None)
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and value[:14].isdecimal():  # FTP: 20261122233115
        import calendar
        import time

        return float(calendar.timegm(time.strptime(value[:14], "%Y%m%d%H%M%S")))
    if hasattr(value, "timestamp"):
        if value.tzinfo is None:
            import datetime

            value = value.replace(tzinfo=datetime.UTC)
        return float(value.timestamp())
    return 0.0
