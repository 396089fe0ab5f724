"""From the documents of an object store to the files of a record in the mirror, as a local storage has them."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.records.attempt import attempt_name, number_of, read_attempt
from machinable.records.documents import parse
from machinable.records.mirror.keys import Listing, claim_key, end_key
from machinable.records.mirror.objects import Claimed, Ended, line
from machinable.records.mirror.place import META, unsent_name
from machinable.store import owner
from machinable.store.files import INNER, read, remove_file, remove_tree, write_whole

#: The times of files lag behind by up to a tick of the kernel.
_TICK_SECONDS = 0.05

__all__ = ["drop", "install", "is_ours", "names_of", "needed", "note_waiting"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def names_of(directory: str) -> set[str]:
    """The names in the metadata of a record of the mirror; none if it is not there."""
    try:
        return set(os.listdir(os.path.join(directory, META)))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def is_ours(names: set[str]) -> bool:
    """Whether the files of a record are this machine's: it runs the last attempt, or has not published its end yet."""
    highest = max(map(number_of, names), default=0)
    return bool(highest) and unsent_name(highest) in names


def needed(listing: Listing, directory: str, names: set[str]) -> list[str]:
    """The keys of the documents that the mirror lacks."""
    place, keys = listing.place, []
    embeds = False
    for number in listing.numbers:
        if number in listing.ends:
            if f"end-{number}.json" not in names or _is_cut(directory, number):
                keys.append(end_key(place, number))
                embeds = True
        elif number in listing.claims:
            if attempt_name(number) not in names:
                keys.append(claim_key(place, number))
                embeds |= number == 1
        elif attempt_name(number) not in names or _has_grown(directory, listing, number):
            keys.append(listing.plain[number].key)
    lacks = "component.json" not in names or not _is_intact(os.path.join(directory, META, "component.json"))
    if lacks and listing.numbers and not embeds:
        keys.append(f"{place}/{META}/component.json" if listing.component else claim_key(place, 1))
    if listing.numbers and not is_ours(names):
        last = listing.numbers[-1]
        if last in listing.waiting and last not in listing.ends:
            keys.append(listing.waiting[last])  # it comes and goes
    notes = names_of_notes(directory) if "notes" in names else set()
    keys += [key for key in listing.notes if key.rpartition("/")[2] not in notes]
    if listing.tombstone is not None and not listing.numbers and "tombstone.json" not in names:
        keys.append(listing.tombstone)
    return keys


def names_of_notes(directory: str) -> set[str]:
    """The names of the notes that the mirror has of a record."""
    try:
        return set(os.listdir(os.path.join(directory, META, "notes")))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _has_grown(directory: str, listing: Listing, number: int) -> bool:
    try:
        return (
            os.stat(os.path.join(directory, META, attempt_name(number))).st_size != listing.plain[number].size
        )
    except OSError:
        return True


def install(directory: str, listing: Listing, documents: Mapping[str, bytes]) -> None:
    """Adds documents to a record of the mirror, which is published whole if it was not there.

    The mirror's lock is held. What a process of this machine writes to is left alone, unless another machine took
    the component over. Raises OSError and StorageError.
    """
    meta = os.path.join(directory, META)
    if os.path.isdir(meta):
        _fill(meta, listing, documents)
        return
    parent, name = os.path.split(directory)
    prepared = os.path.join(parent, f".{name}.{owner.token()}")
    try:
        os.makedirs(os.path.join(prepared, META))
        _fill(os.path.join(prepared, META), listing, documents)
        if os.listdir(os.path.join(prepared, META)):
            _move_into(prepared, directory)
    finally:
        remove_tree(prepared)


def _move_into(prepared: str, directory: str) -> None:
    if os.path.isdir(directory):  # with data, whose metadata somebody has deleted
        os.rename(os.path.join(prepared, META), os.path.join(directory, META))
    else:
        os.rename(prepared, directory)


def _fill(meta: str, listing: Listing, documents: Mapping[str, bytes]) -> None:
    place, component = listing.place, None
    for key, data in documents.items():
        name = key[len(place) + len(META) + 2 :]
        if name.startswith("notes/"):
            os.makedirs(os.path.join(meta, "notes"), exist_ok=True)
            _write(os.path.join(meta, "notes", name[len("notes/") :]), data, meta)
        elif name in ("component.json", "tombstone.json"):
            component = _write_new(os.path.join(meta, name), data, meta)
    for number in listing.numbers:
        ended = documents.get(end_key(place, number))
        claimed = documents.get(claim_key(place, number))
        plain = documents.get(listing.plain[number].key) if number in listing.plain else None
        document = None
        if ended is not None:
            document = _add_end(meta, number, ended)
        elif claimed is not None:
            document = _add_claim(meta, number, claimed, claim_key(place, number))
        elif plain is not None and not os.path.exists(os.path.join(meta, unsent_name(number))):
            _write(os.path.join(meta, attempt_name(number)), plain, meta)
        component = component or document
        waits = documents.get(listing.waiting.get(number, ""))
        if waits is not None:
            note_waiting(meta, number, parse(waits, listing.waiting[number], versioned=False))
    first = documents.get(claim_key(place, 1))
    if component is None and first is not None:
        component = line(Claimed(first, claim_key(place, 1)).component or {})
    if component is not None:
        _write_new(os.path.join(meta, "component.json"), component, meta)


def _add_end(meta: str, number: int, data: bytes) -> bytes | None:
    end = Ended(data, f"end-{number}.json")
    path = os.path.join(meta, attempt_name(number))
    mark = os.path.join(meta, unsent_name(number))
    component = line(end.component)
    if os.path.exists(mark):
        if end.kind != "lost" and _is_at_it(meta, number):
            return component  # its owner is about to note this down itself
    else:
        try:
            if read_attempt(meta, number).end is not None:
                _write(os.path.join(meta, f"end-{number}.json"), data, meta)
                return component
        except (OSError, StorageError):
            pass
    if os.path.isdir(path):  # of a copy from a file system without links
        path = os.path.join(path, INNER)
    _write(path, b"".join(map(line, end.lines)), meta)
    _write(os.path.join(meta, f"end-{number}.json"), data, meta)
    remove_file(mark)
    return component


def _is_at_it(meta: str, number: int) -> bool:
    """Whether the owner of a local attempt lives, and is about to end it."""
    try:
        attempt = read_attempt(meta, number)
    except (OSError, StorageError):
        return False
    return bool(
        attempt.events and attempt.events[-1].get("kind") != "unsent" and owner.is_alive(attempt.owner)
    )


def _add_claim(meta: str, number: int, data: bytes, key: str) -> bytes | None:
    claimed = Claimed(data, key)
    _write_new(os.path.join(meta, attempt_name(number)), line(claimed.started), meta)
    return line(claimed.component) if claimed.component is not None else None


def note_waiting(meta: str, number: int, waits: dict[str, Any] | None) -> None:
    """Says in the mirror what the owner of an attempt on another machine waits for; `None`: for nothing any more."""
    path = os.path.join(meta, attempt_name(number))
    first = read(path).partition(b"\n")[0] + b"\n"
    _write(path, first + (line(waits) if waits is not None else b""), meta)


def _write(path: str, data: bytes, meta: str) -> None:
    write_whole(path, data, os.path.join(meta, f".fetch.{owner.token()}"))


def _write_new(path: str, data: bytes, meta: str) -> bytes:
    """Writes a file, unless it is there; one that a crash has cut is replaced."""
    if not _is_intact(path):
        _write(path, data, meta)
    return data


def _is_cut(directory: str, number: int) -> bool:
    """Whether a crash of the machine has cut what the mirror has of an attempt that ended."""
    meta = os.path.join(directory, META)
    return not (
        _is_intact(os.path.join(meta, f"end-{number}.json"))
        and _is_intact(os.path.join(meta, attempt_name(number)))
    )


def _is_intact(path: str) -> bool:
    """Whether a document is there up to its last character. Files of the mirror are not synced to the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return os.path.isdir(path)  # an attempt of a copy from a file system without links
    try:
        size = os.fstat(descriptor).st_size
        return size > 0 and os.pread(descriptor, 1, size - 1) == b"\n"
    except OSError:
        return True
    finally:
        os.close(descriptor)


def drop(directory: str, before: float) -> None:
    """Takes a record away from the mirror that the storage does not have any more. The mirror's lock is held.

    Args:
        before: What has changed since this time stays, in seconds since the epoch: it may be newer than what the
            storage said.
    """
    meta = os.path.join(directory, META)
    names = names_of(directory)
    try:
        if (
            any(name.startswith("unsent-") for name in names)
            or os.stat(meta).st_mtime >= before - _TICK_SECONDS
        ):
            return
        parent, name = os.path.split(directory)
        gone = os.path.join(parent, f".{name}.{owner.token()}")
        os.rename(directory, gone)
    except OSError:
        return
    remove_tree(gone)
