"""What a storage holds besides records: executions and their runs, snapshots of code, environments."""

from __future__ import annotations

import os

from machinable.copying.held import read_file
from machinable.copying.landing import copy_file
from machinable.errors import DamagedRecord
from machinable.records.documents import parse
from machinable.records.listing import is_execution_name, names_in
from machinable.records.mirror.place import META, store_at
from machinable.records.mirror.sharing import fetch_directory, fetch_shared
from machinable.store.files import failure

__all__ = ["copy_shared"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from machinable.copying.report import Report

_COMMON = ("code", "environments")


def copy_shared(source: str, target: str, report: Report, dry: bool) -> None:
    """Copies what the target lacks, before the records that refer to it. Raises StorageError."""
    for key in _keys(source):
        theirs = _size(target, key)
        path = os.path.join(source, *key.split("/"))
        if theirs is None:
            report.shared += 1
            if not dry:
                fetch_shared(path)
                _put(path, target, key)
        elif key.endswith("/execution.json"):
            why = _other_execution(path, target, key)
            if why:
                report.different.append((key.partition("/")[0], why))
        elif theirs != _size(source, key):
            report.different.append((key, "it has other bytes there"))


def _keys(root: str) -> Iterator[str]:
    """The keys of all of it."""
    for name in _COMMON:
        yield from (f"{META}/{name}/{each}" for each in _names(root, f"{META}/{name}"))
    for name in names_in(root):
        if is_execution_name(name):
            if os.path.exists(os.path.join(root, name, META, "execution.json")):
                yield f"{name}/{META}/execution.json"
            yield from (f"{name}/{META}/runs/{each}" for each in _names(root, f"{name}/{META}/runs"))


def _names(root: str, key: str) -> list[str]:
    directory = os.path.join(root, *key.split("/"))
    if store_at(root) is not None and key.startswith(META):
        fetch_directory(directory)
    return [name for name in names_in(directory) if not name.startswith(".")]


def _size(root: str, key: str) -> int | None:
    path = os.path.join(root, *key.split("/"))
    fetch_shared(path)
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def _other_execution(path: str, target: str, key: str) -> str | None:
    """Why an execution of the target is another one than that of the same name here; `None` if it is the same."""
    there = os.path.join(target, *key.split("/"))
    try:
        mine, theirs = (parse(read_file(each), each) for each in (path, there))
    except DamagedRecord as error:
        return str(error)
    same = all(mine.get(name) == theirs.get(name) for name in ("id", "seed"))
    return None if same else f"there, {theirs.get('id')} has this name"


def _put(path: str, target: str, key: str) -> None:
    store = store_at(target)
    if store is not None:
        store.upload([(key, path)])
        return
    try:
        copy_file(path, os.path.join(target, *key.split("/")))
    except OSError as error:
        raise failure(error, target) from error
