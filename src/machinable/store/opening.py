"""From a URL to the store behind it."""

from __future__ import annotations

from importlib import import_module

from machinable.errors import DependencyMissing, StorageError
from machinable.store.url import OBJECT_STORES, parse

__all__ = ["check", "open_store"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Store
    from machinable.store.url import Location

# By name: a process whose results lie in a directory loads none of them.
_MODULES = {
    **dict.fromkeys(OBJECT_STORES, ("machinable.store.object", "ObjectStore")),
    "sftp": ("machinable.store.sftp", "SftpStore"),
}
_ANY_OTHER = ("machinable.store.foreign", "ForeignStore")


def open_store(url: str, place: str | None = None, memory: str | None = None) -> Store:
    """The store at a URL on another machine. Nothing is sent before its first call.

    Args:
        url: `s3://…`, `gs://…`, `az://…`, `sftp://…`, or another protocol of fsspec.
        place: Endpoint or account, where it was told apart before; by default what is set now.
        memory: Path of a file that remembers whether conditional writes are honoured.
    Raises:
        StorageError: If it can not be the URL of a storage.

    Example:
        >>> open_store("s3://bucket/results/").url
        's3://bucket/results'
    """
    location = parse(url)
    module, name = _MODULES.get(location.scheme, _ANY_OTHER)
    opened: Store = getattr(import_module(module), name)(location, place, memory)
    return opened


def check(location: Location) -> None:
    """Raises an error of one line where fsspec is needed and missing, or knows no such protocol."""
    if location.scheme in _MODULES:
        return
    try:
        from fsspec import available_protocols
    except ImportError:
        raise DependencyMissing(
            f"{location.scheme}:// storages need fsspec: pip install 'machinable[fsspec]'"
        ) from None
    known = [*available_protocols(), *_MODULES, "mem"]
    if location.scheme in known:
        return
    import difflib

    near = difflib.get_close_matches(location.scheme, known, n=1, cutoff=0.5)
    hint = (
        f"Did you mean {near[0]}://?"
        if near
        else "Use a directory, 'mem://', or s3://, gs://, az://, sftp://."
    )
    raise StorageError(f"{location.url}: there are no storages of the kind {location.scheme}://. {hint}")
