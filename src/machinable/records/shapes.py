"""Shapes: the fields, defaults and inputs that a class had when its records were made. A cache that can be rebuilt."""

from __future__ import annotations

import os
import re
import time
from functools import cache

from machinable.blake import blake2b
from machinable.errors import StorageError
from machinable.identity.canonical import encode as canonical
from machinable.identity.ids import component_id
from machinable.records import clock
from machinable.records.documents import encode, load
from machinable.records.elsewhere import fetch_directory, share
from machinable.records.listing import records_in
from machinable.records.mirror import freshness
from machinable.records.mirror.place import store_at
from machinable.records.record import META
from machinable.store import owner
from machinable.store.files import remove_tree, write_whole

__all__ = ["Shape", "class_key", "forget_storage", "known_shapes", "rebuild_shapes", "remember_shape"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Shape:
    """Fields by dotted name with their defaults (`"???"`: required), and inputs by name with their default targets."""

    __slots__ = ("fields", "name", "text", "uses")

    def __init__(self, fields: dict[str, Any], uses: dict[str, Any]) -> None:
        self.fields = fields
        self.uses = uses
        encoded = canonical(self.document())
        self.text = encoded.decode()
        self.name = component_id(blake2b(encoded, digest_size=16).hexdigest())

    def document(self) -> dict[str, Any]:
        """As component.json and the cache hold it."""
        return {"fields": self.fields, "uses": self.uses}


_remembered: set[tuple[str, str, str]] = set()
_listed: dict[tuple[str, str], tuple[int, list[Shape], float]] = {}

#: How long a look at the cache holds, in seconds: a sweep asks thousands of times in a moment.
_FRESH_SECONDS = 0.25

#: In which steps the modification times of file systems move, with room to spare, in seconds.
_STEP_SECONDS = 0.05
_COARSE_STEP_SECONDS = 3.0
_UNSETTLED = -1

_rebuilt: dict[str, tuple[int, dict[str, list[Shape]]]] = {}


@cache
def class_key(module: str, class_name: str) -> str:
    """The name of a class's directory in the cache."""
    return re.sub(r"[^\w.-]", "_", f"{module}.{class_name}")


def known_shapes(root: str, key: str) -> list[Shape]:
    """All shapes that records of a class have in the storage `root`. Writes nothing."""
    cached = _listed.get((root, key))
    now = time.monotonic()
    if cached is not None and now < cached[2]:
        return cached[1]
    shapes = os.path.join(root, META, "shapes")
    directory = os.path.join(shapes, key)
    if store_at(root) is not None:
        os.makedirs(shapes, exist_ok=True)  # whoever adds to the storage sees to its cache as well
        if not freshness.is_fresh(root, directory):
            fetch_directory(directory)
            freshness.note(root, directory)
    try:
        changed = os.stat(directory).st_mtime_ns
    except OSError:
        if os.path.isdir(shapes) or not os.path.isdir(root):
            return []
        return _scanned(root).get(key, [])
    if cached is not None and cached[0] == changed:
        _listed[root, key] = (changed, cached[1], now + _FRESH_SECONDS)
        return cached[1]
    try:
        found = [
            _read(os.path.join(directory, name)) for name in sorted(os.listdir(directory)) if _is_shape(name)
        ]
    except (OSError, StorageError, KeyError, TypeError):  # damaged; the records themselves say what it held
        found = _scanned(root).get(key, [])
    _listed[root, key] = (changed if _is_settled(root, changed) else _UNSETTLED, found, now + _FRESH_SECONDS)
    return found


def remember_shape(root: str, key: str, shape: Shape) -> None:
    """Adds a shape to the cache, before the first record that has it is published. Raises OSError."""
    if (root, key, shape.name) in _remembered:
        return
    shapes = os.path.join(root, META, "shapes")
    if not os.path.isdir(shapes) and store_at(root) is None:
        _write_cache(root, shapes)
    path = os.path.join(shapes, key, f"{shape.name}.json")
    try:
        _read(path)
    except (OSError, StorageError, KeyError, TypeError):  # absent, or damaged
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, shape)
    _listed.pop((root, key), None)
    _remembered.add((root, key, shape.name))


def rebuild_shapes(root: str) -> None:
    """Makes the cache anew from the records of a storage. Raises OSError."""
    shapes = os.path.join(root, META, "shapes")
    aside = f"{root}{os.sep}{META}{os.sep}.shapes.{owner.token()}"
    forget_storage(root)
    try:
        os.rename(shapes, aside)
    except FileNotFoundError:
        pass
    try:
        _write_cache(root, shapes)
    finally:
        remove_tree(aside)


def forget_storage(root: str) -> None:
    """Drops what this process remembers of a storage's cache."""
    for entry in [entry for entry in _remembered if entry[0] == root]:
        _remembered.discard(entry)


def _is_shape(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _read(path: str) -> Shape:
    document = load(path)
    return Shape(document["fields"], document["uses"])


def _write(path: str, shape: Shape) -> None:
    data = encode(shape.document())
    share(path, data)
    write_whole(path, data, f"{os.path.dirname(path)}{os.sep}.{os.path.basename(path)}.{owner.token()}")


def _write_cache(root: str, shapes: str) -> None:
    """Publishes the whole cache at once, so that where it exists it is complete."""
    prepared = f"{root}{os.sep}{META}{os.sep}.shapes.{owner.token()}"
    os.makedirs(prepared)
    try:
        for key, found in _scan(root).items():
            os.mkdir(os.path.join(prepared, key))
            for name, shape in found.items():
                _write(os.path.join(prepared, key, f"{name}.json"), shape)
        os.rename(prepared, shapes)
    except OSError:
        remove_tree(prepared)
        if not os.path.isdir(shapes):  # else another process was faster
            raise


def _is_settled(root: str, changed: int) -> bool:
    """Whether a later change of a directory will show in its modification time, which moves in steps."""
    step = _COARSE_STEP_SECONDS if changed % 10**9 == 0 else _STEP_SECONDS
    return clock.now(root) - changed / 1e9 > step


def _scanned(root: str) -> dict[str, list[Shape]]:
    """What `_scan` finds, read once as long as the storage does not change: nobody may be able to write to it."""
    changed = os.stat(root).st_mtime_ns
    known = _rebuilt.get(root)
    if known is None or known[0] != changed:
        known = (changed, {key: list(found.values()) for key, found in _scan(root).items()})
        if _is_settled(root, changed):
            _rebuilt[root] = known
    return known[1]


def _scan(root: str) -> dict[str, dict[str, Shape]]:
    """The shapes of all records, read from their documents, by class and name."""
    found: dict[str, dict[str, Shape]] = {}
    for record in records_in(root):
        try:
            document = load(record.meta + os.sep + "component.json")
            request, shape = document["request"], document["shape"]
            entry = Shape(shape["fields"], shape["uses"])
            found.setdefault(class_key(request["module"], request["class"]), {})[entry.name] = entry
        except (OSError, StorageError, KeyError, TypeError):
            continue  # a damaged record is named when it is asked for
    return found
