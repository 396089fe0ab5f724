"""What came out of two components: the last values of their tables, and their files by size and content."""

from __future__ import annotations

import os
from hashlib import blake2b

from machinable.comparison.pairs import differing
from machinable.component.table import last_row
from machinable.records.claim import is_reserved
from machinable.records.elsewhere import fetch
from machinable.records.record import META, Record
from machinable.store.files import failure

__all__ = ["compare_results"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK_BYTES = 1 << 20


def compare_results(a: Record, b: Record) -> dict[str, Any]:
    """What differs in the results, as plain JSON. Raises StorageError if a file can not be read."""
    first, second = (last_row(os.path.join(each.directory, "record.jsonl")) or {} for each in (a, b))
    return {"record": differing(first, second), "files": _compare_files(a, b)}


def _compare_files(a: Record, b: Record) -> dict[str, Any]:
    for each in (a, b):
        fetch(each.root, each.directory)
    old, new = _files(a.directory), _files(b.directory)
    both = [name for name in old if name in new]
    changed = {}
    for name in both:
        if old[name] != new[name] or not _same_content(
            os.path.join(a.directory, name), os.path.join(b.directory, name)
        ):
            changed[name] = {"a": old[name], "b": new[name]}
    return {
        "same": [name for name in both if name not in changed],
        "changed": changed,
        "only_a": {name: size for name, size in old.items() if name not in new},
        "only_b": {name: size for name, size in new.items() if name not in old},
    }


def _files(directory: str) -> dict[str, int]:
    """The sizes of what a component saved, in bytes; not of its table and what it printed."""
    found = {}
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != META and not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, directory)
            if is_reserved(inside) or name.startswith("."):
                continue
            try:
                found[inside.replace(os.sep, "/")] = os.stat(path).st_size
            except OSError:
                continue  # it runs, and removed the file this moment; or a link that leads nowhere
    return found


def _same_content(a: str, b: str) -> bool:
    return os.path.samefile(a, b) or _hash(a) == _hash(b)


def _hash(path: str) -> bytes:
    digest = blake2b(digest_size=32)
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise failure(error, path, "read") from error
    return digest.digest()
