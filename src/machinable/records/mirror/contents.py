"""Which files a record has in the storage: by the manifest of its last end, or, while there is none, by its keys."""

from __future__ import annotations

import os

from machinable.blake import blake2b
from machinable.records.attempt import number_of
from machinable.records.mirror.installing import is_ours, names_of
from machinable.records.mirror.keys import CHECKPOINTS, Listing, file_key
from machinable.records.mirror.objects import Ended
from machinable.records.mirror.place import META, key_of, mirror_around
from machinable.store.files import read

__all__ = ["Stored", "ended", "hash_file", "stored_files", "told_row"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CHUNK = 1 << 20


class Stored:
    """A file as the storage has it.

    Attributes:
        path: Relative to the record's directory, with `/`.
        size: In bytes.
        hash: Of its content; `None` as long as no manifest tells it.
        attempt: Which attempt uploaded it.
        keys: Where it is; several are parts, in their order.
    """

    __slots__ = ("attempt", "hash", "keys", "path", "size")

    def __init__(self, path: str, size: int, hash: str | None, attempt: int, keys: list[str]) -> None:
        self.path = path
        self.size = size
        self.hash = hash
        self.attempt = attempt
        self.keys = keys


def hash_file(path: str) -> str:
    """The hash of a file's content: BLAKE2b of 16 bytes, in hexadecimal. Raises OSError."""
    digest = blake2b(digest_size=16)
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def ended(directory: str, number: int) -> Ended | None:
    """The end of an attempt, as the mirror has it; `None` if it has none. Raises StorageError if it is damaged."""
    path = os.path.join(directory, META, f"end-{number}.json")
    try:
        return Ended(read(path), path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def told_row(path: str) -> dict[str, Any] | None:
    """The last row of the table at `path`, as the end of its attempt tells it: the table itself may not be fetched.

    Empty where there are no rows; `None` where there is no such end, and outside of mirrors.
    """
    if "mirror-" not in path or mirror_around(path) is None:
        return None
    directory = os.path.dirname(path)
    names = names_of(directory)
    if is_ours(names):
        return None
    end = ended(directory, max(map(number_of, names), default=0))
    return (end.row or {}) if end is not None and end.files is not None else None


def stored_files(
    root: str, directory: str, number: int | None, list_keys: Callable[[], Listing]
) -> dict[str, Stored]:
    """The files of a record by path, as attempt `number` left them (by default the last).

    Args:
        list_keys: Called, at most once, where no manifest tells.
    """
    place = key_of(root, directory)
    listing: Listing | None = None
    if number is None:
        number = max(map(number_of, names_of(directory)), default=0)
    above: list[int] = []
    base: dict[str, Stored] = {}
    while number > 0:
        end = ended(directory, number)
        if end is not None and end.files is not None:
            base = {
                each.path: Stored(
                    each.path, each.size, each.hash, each.attempt, [file_key(place, each.attempt, each.path)]
                )
                for each in end.files
            }
            break
        above.append(number)
        number -= 1
    for each in reversed(above):
        if listing is None:
            listing = list_keys()
        base = _over(base, listing, each)
    return base


def _over(base: dict[str, Stored], listing: Listing, attempt: int) -> dict[str, Stored]:
    """The files after an attempt that has not written a manifest: those before it, and over them what it uploaded."""
    found: dict[str, Stored] = {}
    for path, entry in listing.files.get(attempt, {}).items():
        found[path] = Stored(path, entry.size, None, attempt, [entry.key])
    for path, parts in listing.parts.get(attempt, {}).items():
        if path in found:
            continue  # it was uploaded whole meanwhile
        keys, size = [], 0
        for offset, entry in sorted(parts.items()):
            if offset != size:
                break
            keys.append(entry.key)
            size += entry.size
        found[path] = Stored(path, size, None, attempt, keys)
    complete = {path.rpartition("/")[0] for path in found if _is_mark_of_checkpoint(path)}
    found = {
        path: stored
        for path, stored in found.items()
        if (whole := _checkpoint_of(path)) is None or whole in complete
    }
    left = {path: stored for path, stored in base.items() if _checkpoint_of(path) not in complete}
    return {**left, **found}


def _checkpoint_of(path: str) -> str | None:
    """The directory of the checkpoint that a file belongs to; `None` if it belongs to none."""
    if not path.startswith(CHECKPOINTS):
        return None
    return CHECKPOINTS + path[len(CHECKPOINTS) :].partition("/")[0]


def _is_mark_of_checkpoint(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    return name == "checkpoint.json" and directory == _checkpoint_of(path)
