"""What is different where the storage is an object store or on another machine: all of it is known by its listing."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.records.listing import names_in
from machinable.records.mirror.contents import stored_files
from machinable.records.mirror.keys import Listing, place_in
from machinable.records.mirror.looking import listing_of
from machinable.records.mirror.place import META, store_at
from machinable.records.mirror.sharing import fetch_directory, fetch_shared
from machinable.upkeep.finding import WRONG, Finding

__all__ = ["check_objects", "describe_store", "files_of", "has_shared", "objects_of", "shared_names"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


def objects_of(root: str) -> list[tuple[str, int]] | None:
    """Keys and sizes in bytes of all that is in the storage behind a mirror; `None` if `root` is no mirror.

    Raises:
        StorageError: If the storage can not be reached.
    """
    store = store_at(root)
    return None if store is None else [(entry.key, entry.size) for entry in store.entries()]


def describe_store(root: str) -> dict[str, Any]:
    """The URL of the storage behind a mirror, and whether concurrent launches are protected; empty for any other."""
    store = store_at(root)
    if store is None:
        return {}
    try:
        return {"url": store.url, "can_claim": store.can_claim, "exists": True, "writable": True}
    except StorageError as error:
        return {"url": store.url, "can_claim": None, "exists": True, "writable": False, "problem": str(error)}


def shared_names(root: str, folder: str) -> list[str]:
    """The names in a directory of `.machinable` that all records share; in a mirror, after bringing them there."""
    directory = os.path.join(root, META, folder)
    if store_at(root) is not None:
        fetch_directory(directory)
    return names_in(directory)


def has_shared(path: str) -> bool:
    """Whether there is a file that all records share."""
    return os.path.exists(path) or fetch_shared(path)


def files_of(root: str, directory: str) -> dict[str, int] | None:
    """The files of a record by path, with their sizes in bytes, fetched or not; `None` if `root` is no mirror.

    Raises:
        StorageError: If the storage can not be reached.
    """
    store = store_at(root)
    if store is None:
        return None
    found = stored_files(root, directory, None, lambda: listing_of(root, directory, store))
    return {path: stored.size for path, stored in found.items()}


def check_objects(root: str, components: Iterable[str]) -> Iterator[Finding]:
    """Whether the storage behind a mirror has all that the manifests of its records list; nothing for any other.

    Raises:
        StorageError: If the storage can not be reached.
    """
    store = store_at(root)
    if store is None:
        return
    listings: dict[str, Listing] = {}
    sizes: dict[str, int] = {}
    for entry in store.entries():
        sizes[entry.key] = entry.size
        place = place_in(entry.key)
        if place is not None:
            listings.setdefault(place, Listing(place)).add(entry)
    for path in components:
        directory = os.path.join(root, *path.split("/"))
        listing = listings.get(path) or Listing(path)
        try:
            files = stored_files(root, directory, None, lambda listing=listing: listing)  # type: ignore[misc]
        except StorageError as error:
            what = f"the manifest can not be read: {error}"
            yield Finding(
                WRONG, "manifest", path, what, "Restore it from a copy, or launch the component again"
            )
            continue
        for stored in files.values():
            missing = [key for key in stored.keys if key not in sizes]
            size_bytes = sum(sizes.get(key, 0) for key in stored.keys)
            if missing or size_bytes != stored.size:
                what = (
                    f"{missing[0]} is not there, which the manifest lists"
                    if missing
                    else f"{stored.path} has {size_bytes} bytes, but the manifest says {stored.size}"
                )
                mend = "Copy the file there again, or invalidate the component, so that the next launch runs it anew"
                yield Finding(WRONG, "object", path, what, mend)
