"""Object stores, through obstore: `s3://` and what speaks its protocol, `gs://`, `az://`."""

from __future__ import annotations

import os
import re

from machinable.errors import DependencyMissing, MachinableError, StorageError
from machinable.store import aws, azure, claims, clocks, forks, google, landing, runtime, troubles
from machinable.store.concurrent import each
from machinable.store.places import place_of
from machinable.store.retrying import attempts, pause, timeout_seconds
from machinable.store.store import Entry

__all__ = ["ObjectStore"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from machinable.store.store import Progress
    from machinable.store.url import Location

    Result = TypeVar("Result")

#: Of a part of a large object; what is smaller is sent and fetched by one request.
PART_BYTES = 8 * 2**20
_PARTS = 9000  # S3 takes up to 10,000
_SPENT = re.compile(r"retries: (\d+),\s+max_retries: (\d+)")
_CLOUDS = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure"}


class ObjectStore:
    """A `Store` at a prefix of a bucket. See `machinable.store.store.Store` for what it promises.

    Args:
        place: The endpoint (or account) as `place_of` told it when the URL was first met.
        memory: Path of a file that remembers whether the server honours conditional writes.
    """

    def __init__(self, location: Location, place: str | None = None, memory: str | None = None) -> None:
        self.url = location.url
        self._location = location
        self._place = place_of(location) if place is None else place
        self._memory = memory
        self._honest: bool | None = None
        self._clock = clocks.ServerClock(self._stamp)
        self._pid = 0
        self._prepared = False  # but not used so far
        self._library: Any = None
        self._inner: Any = None
        self._settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<ObjectStore {self.url}>"

    # Opening

    def _open(self) -> tuple[Any, Any]:
        """obstore and its store, for this process."""
        if self._pid != os.getpid():
            with forks.opening():
                if self._pid != os.getpid():
                    self._library = runtime.obstore(self._location.scheme)
                    unused, self._prepared = self._prepared, False
                    if not unused:
                        self._settings = self._credentials()
                        self._inner = self._build(self._settings)
                    self._pid = os.getpid()
        return self._library, self._inner

    def prepare(self) -> None:
        """Makes everything ready in a process that others are forked off, which never uses the store itself."""
        try:
            self._library = runtime.preload()
            self._settings = self._credentials()
            self._inner = self._build(self._settings)
            self._honest = claims.recall(self._memory)
            self._prepared = True
        except (ImportError, MachinableError):
            pass  # told by the child, which tries again

    def _credentials(self) -> dict[str, Any]:
        try:
            if self._location.scheme == "s3":
                return aws.settings()
            if self._location.scheme == "az":
                return azure.settings(self._location.host)
            return google.settings()
        except (StorageError, DependencyMissing) as error:
            raise type(error)(f"{self.url}: {error}") from None

    def _build(self, settings: dict[str, Any]) -> Any:
        from datetime import timedelta

        endpoint = settings.get("endpoint") or (self._place if self._location.scheme != "az" else "")
        options: dict[str, Any] = {
            "timeout": timedelta(seconds=timeout_seconds()),
            "connect_timeout": timedelta(seconds=5),
        }
        options["allow_http"] = endpoint.startswith("http://") or "AZURE_STORAGE_USE_EMULATOR" in os.environ
        arguments = {
            "prefix": self._location.path or None,
            "client_options": options,
            "retry_config": {
                "max_retries": attempts() - 1,
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=10),
                    "base": 2,
                },
            },
            **settings,
        }
        store, bucket = self._library.store, self._location.host.partition("@")[0]
        try:
            if self._location.scheme == "s3":
                if endpoint:
                    arguments["endpoint"] = endpoint
                return store.S3Store(bucket, virtual_hosted_style_request=False, **arguments)
            if self._location.scheme == "az":
                return store.AzureStore(container_name=bucket, **arguments)
            if endpoint:
                arguments["config"] = {"google_base_url": endpoint}
            return store.GCSStore(bucket, **arguments)
        except (ValueError, TypeError, self._library.exceptions.BaseError) as error:
            raise self._failure(error) from None

    def _failure(self, error: BaseException, conditional: bool = False) -> StorageError:
        bucket = self._location.host.partition("@")[0]
        where = self._place or _CLOUDS[self._location.scheme]
        if conditional and troubles.code_of(str(error)) == "NotImplemented":
            return claims.Unconditional(f"{self.url}: {where} does not know conditional writes.")
        return troubles.explain(error, self.url, bucket, where)

    def _call(self, key: str, function: Callable[[Any, Any], Result], conditional: bool = False) -> Result:
        """Calls `function(obstore, store)`, again if that makes sense, and turns what it raises into our errors."""
        renewed = False
        attempt = 0
        while True:
            library, inner = self._open()
            try:
                return function(library, inner)
            except FileNotFoundError as error:
                if troubles.code_of(str(error)) in ("", "NoSuchKey", "BlobNotFound"):
                    raise FileNotFoundError(f"{self.url}/{key}") from None
                raise self._failure(error) from None
            except library.exceptions.AlreadyExistsError:
                raise FileExistsError(key) from None
            except (ValueError, library.exceptions.InvalidPathError):
                raise StorageError(
                    f"{self.url}: {key!r} can not be the name of an object. Rename the file."
                ) from None
            except library.exceptions.BaseError as error:
                text = str(error)
                if troubles.is_expired(text) and not renewed and self._renew():
                    renewed = True
                    continue
                attempt += 1
                if not _worth_another(text, attempt):
                    raise self._failure(error, conditional) from None
                pause(attempt)

    def _renew(self) -> bool:
        """Reads the credentials again, which somebody may have renewed meanwhile; `False` if they are the same."""
        settings = self._credentials()
        with forks.opening():
            if settings == self._settings:
                return False
            self._settings = settings
            self._inner = self._build(settings)
        return True

    # Reading

    def get(self, key: str) -> bytes:
        return self._call(key, lambda library, inner: bytes(library.get(inner, key).bytes()))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        names = list(keys)
        found = zip(names, each(self._get_or_none, names), strict=True)
        return {key: data for key, data in found if data is not None}

    def _get_or_none(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except FileNotFoundError:
            return None

    def download(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        def fetch(item: tuple[str, str]) -> None:
            key, path = item
            with landing.Landing(path) as descriptor:
                size = self._fetch(key, descriptor)
            if progress is not None:
                progress(key, size)

        each(fetch, files)

    def _fetch(self, key: str, descriptor: int) -> int:
        """Writes an object to an open file, a large one by several requests at once. Returns its size."""

        def whole(library: Any, inner: Any) -> tuple[int, str | None, bytes | None]:
            answer = library.get(inner, key)
            size = int(answer.meta["size"])
            data = bytes(answer.bytes()) if size <= PART_BYTES else None
            return size, answer.meta["e_tag"], data

        size, tag, data = self._call(key, whole)
        if data is not None:
            landing.write_at(descriptor, data, 0)
            return size

        def part(start: int) -> None:
            end = min(start + PART_BYTES, size)
            # Of one version: another that is written meanwhile must not lend a part of itself.
            options = {"range": (start, end), **({"if_match": tag} if tag else {})}
            data = self._call(
                key, lambda library, inner: bytes(library.get(inner, key, options=options).bytes())
            )
            landing.write_at(descriptor, data, start)

        each(part, range(0, size, PART_BYTES), width=8)
        return size

    def entries(self, prefix: str = "") -> list[Entry]:
        found = self._call(
            prefix, lambda library, inner: library.list(inner, prefix or None, chunk_size=1000).collect()
        )
        listed = [Entry(meta["path"], int(meta["size"]), meta["last_modified"].timestamp()) for meta in found]
        return sorted(listed, key=lambda entry: entry.key)

    def children(self, prefix: str = "") -> list[str]:
        found = self._call(prefix, lambda library, inner: library.list_with_delimiter(inner, prefix or None))
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        return sorted({path.rstrip("/").rpartition("/")[2] for path in paths})

    # Writing

    def put(self, key: str, data: bytes) -> None:
        self._call(
            key, lambda library, inner: library.put(inner, key, data, use_multipart=len(data) > PART_BYTES)
        )

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        each(lambda item: self.put(*item), items)

    def create(self, key: str, data: bytes) -> bool:
        try:
            self._call(key, lambda library, inner: library.put(inner, key, data, mode="create"), True)
        except FileExistsError:
            # Ours, if an earlier request was carried out although its answer was lost.
            return self._get_or_none(key) == data
        except claims.Unconditional:
            raise
        except StorageError:
            # Not every failure says that nothing was written.
            try:
                if self.get(key) == data:
                    return True
            except (FileNotFoundError, StorageError):
                pass
            raise
        return True

    def upload(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        def send(item: tuple[str, str]) -> None:
            key, path = item
            size = self._send(key, path)
            if progress is not None:
                progress(key, size)

        each(send, files)

    def _send(self, key: str, path: str) -> int:
        size = os.path.getsize(path)
        if size <= PART_BYTES:
            with open(path, "rb") as file:
                data = file.read()
            self.put(key, data)
            return len(data)
        from pathlib import Path

        self._call(
            key,
            lambda library, inner: library.put(
                inner,
                key,
                Path(path),
                use_multipart=True,
                chunk_size=max(PART_BYTES, size // _PARTS),
                max_concurrency=8,
            ),
        )
        return size

    def delete(self, keys: Iterable[str]) -> None:
        names = list(keys)
        if self._location.scheme == "s3":
            if names:
                self._call(names[0], lambda library, inner: library.delete(inner, names))
            return
        each(self._delete_one, names)

    def _delete_one(self, key: str) -> None:
        try:
            self._call(key, lambda library, inner: library.delete(inner, key))
        except FileNotFoundError:
            pass

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
        """Writes an object and tells when, by the server's clock."""
        self.put(key, b"")
        meta = self._call(key, lambda library, inner: library.head(inner, key))
        self.delete([key])
        return float(meta["last_modified"].timestamp())


def _worth_another(text: str, attempt: int) -> bool:
    """Whether to try again what obstore itself does not: a request that may have been carried out."""
    spent = _SPENT.search(text)
    most = int(spent[2]) if spent else 3
    exhausted = spent is not None and int(spent[1]) >= most
    return troubles.is_ambiguous(text) and not exhausted and "HTTP error" in text and attempt <= most
