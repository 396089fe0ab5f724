"""The checks of what executions share: snapshots of code, environments, shapes."""

from __future__ import annotations

import os
import stat

from machinable.blake import blake2b
from machinable.errors import MachinableError, StorageError
from machinable.records.documents import load
from machinable.records.listing import names_in
from machinable.records.mirror.fetching import fetch_file
from machinable.records.mirror.place import store_at
from machinable.records.record import META
from machinable.records.shapes import Shape
from machinable.snapshot.content import content_hash
from machinable.snapshot.listing import LINK, Entry, listing_hash
from machinable.store.files import read, reason
from machinable.upkeep.elsewhere import shared_names
from machinable.upkeep.finding import WRONG, Finding

__all__ = ["check_environments", "check_snapshot", "known_shapes", "snapshot_names"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_UTF8 = 0x800
_COPY = (
    "Copy it from another storage, or delete it: results are not affected, but their code can not be restored"
)


def snapshot_names(root: str) -> list[str]:
    """The hashes by which the snapshots of a storage are named."""
    store = store_at(root)
    names = (
        store.children(f"{META}/code") if store is not None else names_in(os.path.join(root, META, "code"))
    )
    return [name[:-4] for name in names if name.endswith(".zip") and not name.startswith(".")]


def check_snapshot(root: str, name: str) -> Iterator[Finding]:
    """Whether a snapshot holds what its name says, to the last byte."""
    path = os.path.join(root, META, "code", f"{name}.zip")
    where = f"{META}/code/{name}.zip"
    try:
        fetch_file(path)
        told = _hash(path)
    except OSError as error:
        yield Finding(
            WRONG, "unreadable", where, f"it can not be read: {reason(error)}", "Change its permissions"
        )
        return
    except StorageError as error:
        yield Finding(WRONG, "snapshot", where, f"the snapshot is damaged: {error}", _COPY, _removal(path))
        return
    if told != name:
        what = f"the snapshot is not what its name says: its content has the hash {told[:12]}…"
        yield Finding(WRONG, "snapshot", where, what, _COPY, _removal(path))


def _hash(path: str) -> str:
    """The hash over the files of a snapshot. Raises StorageError if it is damaged."""
    from zipfile import BadZipFile, ZipFile
    from zlib import error as ZlibError

    entries = []
    try:
        with ZipFile(path) as archive:
            for info in archive.infolist():
                raw = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
                data = archive.read(info)  # checks its CRC
                mode = info.external_attr >> 16
                entries.append(Entry(raw, LINK if stat.S_ISLNK(mode) else mode, content_hash(data), data))
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise StorageError(str(error) or type(error).__name__) from error
    entries.sort(key=lambda entry: entry.path)
    return listing_hash(entries)


def check_environments(root: str) -> Iterator[Finding]:
    """Whether the documents of environments can be read, and are what their names say."""
    directory = os.path.join(root, META, "environments")
    for name in shared_names(root, "environments"):
        if name.startswith(".") or not name.endswith(".json"):
            continue
        path, where = os.path.join(directory, name), f"{META}/environments/{name}"
        try:
            told = blake2b(read(path), digest_size=16).hexdigest()
            load(path)
        except (StorageError, OSError) as error:
            yield Finding(WRONG, "environment", where, f"it can not be read: {error}", _COPY, _removal(path))
            continue
        if told != name[:-5]:
            what = f"the environment is not what its name says: it has the hash {told[:12]}…"
            yield Finding(WRONG, "environment", where, what, _COPY, _removal(path))


def known_shapes(root: str) -> tuple[set[tuple[str, str]] | None, list[Finding]]:
    """Class and name of each shape in the cache (`None` without one), and what is wrong with it."""
    shapes = os.path.join(root, META, "shapes")
    if not os.path.isdir(shapes):
        return None, []
    known: set[tuple[str, str]] = set()
    found: list[Finding] = []
    for key in names_in(shapes):
        for name in names_in(os.path.join(shapes, key)):
            if key.startswith(".") or name.startswith(".") or not name.endswith(".json"):
                continue
            where = f"{META}/shapes/{key}/{name}"
            try:
                document = load(os.path.join(shapes, key, name))
                told = Shape(document["fields"], document["uses"]).name
            except (MachinableError, OSError, KeyError, TypeError, ValueError) as error:
                found.append(Finding(WRONG, "shapes", where, f"the shape can not be read: {error}", _ANEW))
                continue
            if told != name[:-5]:
                found.append(
                    Finding(WRONG, "shapes", where, f"the shape has the name of another: it is {told}", _ANEW)
                )
                continue
            known.add((key, told))
    return known, found


_ANEW = "The cache is made anew by: machinable doctor --fix"


def _removal(path: str) -> Any:
    def fix() -> str:
        os.unlink(path)
        return "deleted it"

    return fix
