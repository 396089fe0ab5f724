"""What a storage outside of this machine is to the rest: bytes under keys. It knows nothing of components."""

from __future__ import annotations

__all__ = ["Entry", "Store"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    Progress = Callable[[str, int], None]  # called with each key that is done, and its size in bytes
else:
    Protocol = object


class Entry:
    """One object as a listing tells of it.

    Attributes:
        key: Relative to the store's URL, with `/` between its parts.
        size: In bytes.
        modified: When it was written, in seconds since the epoch by the server's clock (often whole seconds).
    """

    __slots__ = ("key", "modified", "size")

    def __init__(self, key: str, size: int, modified: float) -> None:
        self.key = key
        self.size = size
        self.modified = modified

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, {self.size}, {self.modified})"


class Store(Protocol):
    """Bytes under keys, at a URL. Threads may share one; after a fork it opens anew in the child.

    A key is a relative path with `/`. An object is written whole or not at all: no reader meets a part of one.
    Calls that take several keys do them at the same time. What passes by itself (a time-out, an error of the server,
    throttling, a connection that was cut) is tried again, with pauses that grow and vary; what remains is a
    `StorageError` of one line, which names the URL without its password.
    """

    @property
    def url(self) -> str:
        """The URL in its normal form, without credentials."""

    @property
    def can_claim(self) -> bool:
        """Whether `create` really excludes all others. Found out by a trial once for each storage, and remembered."""

    def get(self, key: str) -> bytes:
        """The bytes of an object. Raises FileNotFoundError if there is none."""

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The bytes of those objects that exist, by key."""

    def put(self, key: str, data: bytes) -> None:
        """Writes an object, in place of the one that was there."""

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Writes several objects. After an error some of them may have been written."""

    def create(self, key: str, data: bytes) -> bool:
        """Writes an object under a key that nobody has; `False`: somebody has it.

        Where it is unclear who wrote what stands there (the connection was cut after the request), its content
        decides. So `data` should hold something that no other writer has.
        """

    def upload(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        """Writes local files, given as (key, path), large ones in parts."""

    def download(self, files: Iterable[tuple[str, str]], progress: Progress | None = None) -> None:
        """Fetches objects to local files, given as (key, path), each renamed into its place once it is complete.

        Raises FileNotFoundError, with the key, for an object that does not exist.
        """

    def entries(self, prefix: str = "") -> list[Entry]:
        """All objects below a directory (`""` is everything), sorted by key."""

    def children(self, prefix: str = "") -> list[str]:
        """The names directly below a directory, of objects and of directories, sorted."""

    def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; those that are gone already are fine."""

    def now(self) -> float:
        """The time by the server's clock, in seconds since the epoch, to about a second."""
