"""Storages on other machines and the directories that mirror them here."""

from __future__ import annotations

import json
import os
from importlib import import_module

from machinable.blake import blake2b
from machinable.errors import StorageError
from machinable.store import owner
from machinable.store.files import reason, write_whole
from machinable.store.opening import check, open_store
from machinable.store.url import parse, password_variable

__all__ = ["cache_directory", "mirror_of", "prepare", "store_of", "url_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Store

_PREFIX = "mirror-"
_DOCUMENT = os.path.join(".machinable", "mirror.json")
_CLAIMS = os.path.join(".machinable", "claims.json")

# What the place of a mirror depends on besides the URL; looked at each time, so that it stays cheap.
_VARIABLES = (
    "MACHINABLE_CACHE",
    "XDG_CACHE_HOME",
    "HOME",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_CONNECTION_STRING",
    "GOOGLE_BASE_URL",
    "STORAGE_EMULATOR_HOST",
)

_mirrors: dict[tuple[str | None, ...], str] = {}
_stores: dict[str, Store] = {}


def cache_directory() -> str:
    """Where mirrors lie: `MACHINABLE_CACHE`, else `$XDG_CACHE_HOME/machinable`, else `~/.cache/machinable`."""
    chosen = os.environ.get("MACHINABLE_CACHE")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.path.abspath(base), "machinable")


def mirror_of(url: str) -> str:
    """The directory that mirrors the storage at a URL. It is created, and says what it mirrors.

    Raises:
        StorageError: If it can not be the URL of a storage, or the cache directory can not be written.
    """
    environment = os.environ
    key = (url, *(environment.get(name) for name in _VARIABLES))
    known = _mirrors.get(key)
    if known is not None and os.path.exists(os.path.join(known, _DOCUMENT)):
        return known
    location = parse(url)
    place = import_module("machinable.store.places").place_of(location)
    if location.password:
        # Children, however they are started, have to find it; a file would keep it for longer than needed.
        os.environ[password_variable(location.url)] = location.password
    name = blake2b(f"{location.url}\n{place}".encode(), digest_size=8).hexdigest()
    root = os.path.join(cache_directory(), f"{_PREFIX}{name}")
    path = os.path.join(root, _DOCUMENT)
    if not os.path.exists(path):
        check(location)
        document = {"format": 1, "kind": "mirror", "url": location.url, "place": place}
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            write_whole(path, json.dumps(document).encode() + b"\n", f"{path}.{owner.token()}")
        except OSError as error:
            raise StorageError(
                f"The cache directory {cache_directory()} can not be written: {reason(error)}. "
                "It keeps the local copy of storages elsewhere; set MACHINABLE_CACHE to another directory."
            ) from error
    _mirrors[key] = root
    return root


def store_of(root: str) -> Store | None:
    """The store that a storage's directory mirrors; `None`, at once, for a directory that is the storage itself."""
    if _PREFIX not in root:
        return None
    store = _stores.get(root)
    if store is None and os.path.basename(root).startswith(_PREFIX):
        document = _document(root)
        if document is not None:
            memory = os.path.join(root, _CLAIMS)
            store = _stores[root] = open_store(document["url"], document.get("place"), memory)
    return store


def prepare(root: str) -> None:
    """Loads the library that a mirror needs, without using it, for a process that others are forked off."""
    store = store_of(root)
    ready = getattr(store, "prepare", None)
    if ready is not None:
        import shutil  # noqa: F401 — of each record, something is removed

        ready()


def url_of(root: str) -> str | None:
    """The URL that a storage's directory mirrors, without its password; `None` for one that is the storage itself."""
    store = store_of(root)
    return None if store is None else store.url


def _document(root: str) -> dict[str, str] | None:
    """What a mirror says of itself; `None` if the directory only has a similar name."""
    try:
        with open(os.path.join(root, _DOCUMENT), encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{os.path.join(root, _DOCUMENT)} can not be read: {error}. Remove it.") from error
    if not isinstance(document, dict) or document.get("kind") != "mirror" or not document.get("url"):
        return None
    return document
