"""What lies in the trash of a storage: how it gets there, how it comes back, how it goes for good."""

from __future__ import annotations

import os
import time

from machinable.errors import ConfigurationError, StorageError
from machinable.identity.ids import is_component_id
from machinable.records import clock
from machinable.records.documents import encode, load
from machinable.records.listing import is_execution_name, names_in
from machinable.records.mirror.looking import look_below
from machinable.records.mirror.trashing import bring_back, erase, fetch_names
from machinable.records.record import META, TOMBSTONE
from machinable.records.trash import move_to_trash
from machinable.store import owner
from machinable.store.files import failure, remove_file, remove_tree, write_whole
from machinable.wording import day

__all__ = ["Trashed", "delete", "restore", "throw_away", "trash_of", "trashed_named"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Says, within what was moved, where it lay.
ORIGIN = "trashed.json"


class Trashed:
    """A record, or an execution, in the trash.

    Attributes:
        name: Of its directory in the trash.
        id: Under which it lay in the storage.
        origin: Where it lay, relative to the storage, with `/`; `None` if that is not known.
        time: When it was moved, in seconds since the epoch.
        module: Of a component, where it can be read.
    """

    __slots__ = ("directory", "id", "module", "name", "origin", "root", "time")

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.name = name
        self.directory = os.path.join(root, META, "trash", name)
        self.id, _, rest = name.partition(".")
        seconds = rest.partition("-")[0]
        self.time = float(seconds) if seconds.isdecimal() else 0.0
        try:
            told = load(os.path.join(self.directory, META, ORIGIN))
        except (OSError, StorageError):
            told = {}  # what machinable itself has moved aside: a record that a crash had cut
        self.origin = self._origin(told)
        self.module = told["module"] if isinstance(told.get("module"), str) else _module(self.directory)

    def _origin(self, told: dict[str, Any]) -> str | None:
        path = told.get("path")
        if not isinstance(path, str):
            return None
        *homes, last = path.split("/")
        fits = last == self.id and len(homes) < 2 and all(map(is_execution_name, homes))
        return path if fits else None


def throw_away(root: str, directory: str) -> str:
    """Moves the directory of a record or an execution to the trash, and returns where it is now. Raises OSError."""
    path = os.path.relpath(directory, root).replace(os.sep, "/")
    meta = os.path.join(directory, META)
    data = encode({"kind": "trashed", "path": path, "time": time.time()})
    if os.path.isdir(meta):
        write_whole(os.path.join(meta, ORIGIN), data, os.path.join(meta, f".trashed.{owner.token()}"))
    return move_to_trash(root, directory, data)


def trash_of(root: str) -> list[Trashed]:
    """All that is in the trash, the oldest first."""
    fetch_names(root)
    names = names_in(os.path.join(root, META, "trash"))
    return sorted((Trashed(root, name) for name in names), key=lambda each: (each.time, each.name))


def trashed_named(root: str, text: str) -> Trashed:
    """What was moved to the trash under this ID, or one that begins so; of several with one ID, the last.

    Raises:
        ConfigurationError: If there is none, or if several IDs begin so.
    """
    text = text.rstrip("/").rpartition("/")[2]
    every = trash_of(root)
    found = [each for each in every if each.name == text] or [each for each in every if each.id == text]
    found = found or [each for each in every if text and each.id.startswith(text)]
    if not found:
        raise ConfigurationError(
            f"There is no {text!r} in the trash. See what is there with: machinable ls --trash"
        )
    ids = list(dict.fromkeys(each.id for each in found))
    if len(ids) > 1:
        raise ConfigurationError(f"{len(ids)} IDs in the trash begin with {text!r}: {', '.join(ids[:5])}.")
    return found[-1]


def restore(trashed: Trashed) -> str:
    """Moves it back to where it lay, and returns the directory.

    Raises:
        StorageError: If something else lies there by now, if its place is not known, or it can not be written.
    """
    if trashed.origin is None:
        raise StorageError(
            f"Where {trashed.id} lay is not known: machinable had moved it aside because it was damaged. "
            f"To have it back, move {trashed.directory}."
        )
    target = os.path.join(trashed.root, *trashed.origin.split("/"))
    look_below(trashed.root)
    if not os.path.isdir(os.path.dirname(target)):
        home = trashed.origin.partition("/")[0]
        raise StorageError(
            f"{trashed.id} lay in the execution {home}, which is not there. Restore that first: "
            f"machinable rm --restore {home}"
        )
    try:
        if os.path.exists(os.path.join(target, META, TOMBSTONE)):
            remove_tree(target)
        if os.path.lexists(target):
            raise StorageError(
                f"{trashed.id} can not come back: {target} is there again, since {day(os.stat(target).st_mtime)}. "
                f"Remove that first: machinable rm {trashed.id}"
            )
        bring_back(trashed.root, trashed.directory, target)
        bring_back(trashed.root, trashed.directory, target)
        os.rename(trashed.directory, target)
        remove_file(os.path.join(target, META, ORIGIN))
    except OSError as error:
        raise failure(error, target, "move back to") from error
    return target


def delete(trashed: Trashed) -> None:
    """Deletes it for good. Raises StorageError if something of it can not be deleted."""
    erase(trashed.root, trashed.directory)
    erase(trashed.root, trashed.directory)
    remove_tree(trashed.directory)
    if os.path.lexists(trashed.directory):
        _make_writable(trashed.directory)
        remove_tree(trashed.directory)
    if os.path.lexists(trashed.directory):
        remove_file(trashed.directory)  # no directory after all
    if os.path.lexists(trashed.directory):
        raise StorageError(
            f"{trashed.directory} can not be deleted. Look at its permissions, or who has it open."
        )


def older_than(trashed: Trashed, seconds: float) -> bool:
    """Whether it was moved to the trash longer ago than that, by the storage's clock."""
    return clock.now(trashed.root) - trashed.time > seconds


def _make_writable(directory: str) -> None:
    """Directories that the component made read-only can not be emptied."""
    for folder, folders, _ in os.walk(directory):
        for name in ["", *folders]:
            try:
                os.chmod(os.path.join(folder, name) if name else folder, 0o700, follow_symlinks=False)
            except (OSError, NotImplementedError):
                continue


def _module(directory: str) -> str | None:
    try:
        document: dict[str, Any] = load(os.path.join(directory, META, "component.json"))
        return str(document["request"]["module"])
    except (OSError, StorageError, KeyError, TypeError):
        return None


def is_record(trashed: Trashed) -> bool:
    """Whether it is a component's record, and no execution."""
    return is_component_id(trashed.id)
