"""What `machinable rm` is about to move: what is named, all or nothing; or what filters find and may go."""

from __future__ import annotations

import os

from machinable.cli.flags import Flags
from machinable.cli.output import place
from machinable.cli.rows import rows_of
from machinable.cli.stored import directory_of, lookup
from machinable.errors import ConfigurationError, StorageError
from machinable.identity.ids import is_component_id, is_execution_id
from machinable.records.listing import names_in
from machinable.records.record import Record
from machinable.types import Status
from machinable.upkeep.removal import all_but_best, older, parse_best, running, used_by
from machinable.wording import counted, nearest

__all__ = ["Going", "chosen", "named"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = dict[str, Any]

DAMAGED = "damaged"


class Going:
    """What is to be moved.

    Attributes:
        entries: The directories, with what they are called.
        paths: Of all records that go with them, relative to the storage.
        staying: Of those that filters found and that have to stay, why.
        without: How many filters found that `--keep-best` could not compare.
    """

    __slots__ = ("entries", "paths", "staying", "without")

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.paths: set[str] = set()
        self.staying: dict[str, str] = {}
        self.without = 0


def named(root: str, words: Sequence[str]) -> Going:
    """What IDs and modules name.

    Raises:
        ConfigurationError: If there is nothing of a name.
        StorageError: If something of it runs, or is used by what stays.
    """
    rows = rows_of(root)
    going = Going()
    found: dict[str, tuple[str, list[str]]] = {}
    for word in words:
        for directory, name, paths in _found(root, word, rows):
            found[directory] = (name, paths)
    for directory, (name, paths) in found.items():
        # A component of an execution that goes as a whole goes with it.
        if os.path.dirname(directory) not in found:
            going.entries[directory] = name
            going.paths.update(paths)
    titles = {row["path"]: _title(row) for row in rows}
    for path in sorted(going.paths):
        evidence = running(root, path)
        if evidence is not None:
            id_ = path.rpartition("/")[2]
            raise StorageError(
                f"{titles.get(path, id_)} runs ({evidence}). Interrupt it first: machinable cancel {id_}"
            )
    for path, user in used_by(rows, going.paths).items():
        id_ = path.rpartition("/")[2]
        raise StorageError(
            f"{titles.get(path, id_)} is used by {_title(user)} ({place(directory_of(root, user['path']))}). "
            f"Remove that first, or both: machinable rm {id_} {user['id']}"
        )
    return going


def chosen(root: str, flags: Flags) -> Going:
    """What filters find of what is named, or of the whole storage; only components, never an execution as such.

    Raises:
        ConfigurationError: If a filter can not be understood, or there is nothing of a name.
    """
    best = parse_best(flags.get("--keep-best") or "") if flags.get("--keep-best") else None
    seconds, statuses = flags.age("--older"), _statuses(flags)
    every = rows_of(root)
    going = Going()
    rows = rows_of(root, flags.get("--where")) if flags.get("--where") else every
    if flags.words:
        within = {path for word in flags.words for *_, paths in _found(root, word, every) for path in paths}
        rows = [row for row in rows if row["path"] in within]
    if statuses:
        rows = [row for row in rows if row["status"] in statuses]
    if seconds is not None:
        rows = older(rows, seconds, root)
    # A damaged record is removed where it is named, or asked for by its status: other filters say nothing of it.
    rows = [row for row in rows if row["status"] != DAMAGED or DAMAGED in statuses]
    # What runs is compared with the others, but never goes.
    if best is not None:
        rows, without = all_but_best(rows, best)
        going.without = len(without)
    for row in rows:
        evidence = running(root, row["path"])
        if evidence is not None:
            going.staying[row["path"]] = f"it runs ({evidence})"
    paths = {row["path"] for row in rows} - going.staying.keys()
    kept = used_by(every, paths)
    going.staying |= {path: f"{_title(user)} uses it" for path, user in kept.items()}
    going.paths = paths - kept.keys()
    going.entries = {
        directory_of(root, row["path"]): _place(row) for row in rows if row["path"] in going.paths
    }
    return going


def _statuses(flags: Flags) -> set[str]:
    known = [*map(str, Status), DAMAGED]
    asked = [each.strip() for each in (flags.get("--status") or "").split(",") if each.strip()]
    for status in asked:
        if status not in known:
            near = nearest(status, known)
            hint = f"Did you mean {near!r}?" if near else f"There are: {', '.join(known)}."
            raise ConfigurationError(f"--status: {status!r} is not the status of a component. {hint}")
    return {*asked, *(["failed"] if "--failed" in flags else [])}


def _found(root: str, word: str, rows: Iterable[Row]) -> list[tuple[str, str, list[str]]]:
    """Directories with their names and the paths of the records in them, for an ID or a module."""
    module = word.removesuffix(".py").replace("/", ".")
    members = [row for row in rows if row["module"] == module]
    if members and not (is_component_id(word) or is_execution_id(word)):
        return [(directory_of(root, row["path"]), _place(row), [row["path"]]) for row in members]
    found = lookup(root, word)
    path = os.path.relpath(found.directory, root).replace(os.sep, "/")
    if isinstance(found, Record):
        return [(found.directory, _name(found), [path])]
    inside = [f"{path}/{name}" for name in names_in(found.directory) if is_component_id(name)]
    return [(found.directory, f"execution {found.id} ({counted(len(inside), 'component')})", inside)]


def _name(record: Record) -> str:
    try:
        return f"{record.document['request']['module']} {record.id}"
    except (StorageError, KeyError, TypeError):  # damaged, and for that reason to be removed
        return record.id


def _place(row: Row) -> str:
    return f"{row['module']} {row['path']}" if row["module"] else str(row["path"])


def _title(row: Row) -> str:
    return f"{row['module']} {row['id']}" if row["module"] else str(row["id"])
