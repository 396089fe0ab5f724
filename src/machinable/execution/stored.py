"""Executions as a storage has them: their runs and components, read without any of the user's code."""

from __future__ import annotations

import os

from machinable.errors import ConfigurationError, StorageError
from machinable.execution.record import execution_directory
from machinable.identity.ids import is_component_id, is_execution_id
from machinable.notices import notice
from machinable.records.documents import load, load_dated
from machinable.records.elsewhere import exists, look_below
from machinable.records.listing import is_execution_name, names_in, records_in
from machinable.records.record import META, Record

__all__ = ["Entry", "StoredExecution", "execution_of", "executions_in", "find"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LISTED = 5


class Entry:
    """A component of an execution, as its runs name it."""

    __slots__ = ("id", "module", "record")

    def __init__(self, module: str | None, id: str, record: Record | None) -> None:
        self.module = module  # `None`: no run names it, but its record lies in the execution's directory
        self.id = id
        self.record = record  # `None` as long as it has not started


class StoredExecution:
    """The directory of an execution. Reading it imports none of the user's code."""

    __slots__ = ("directory", "document", "root")

    def __init__(self, directory: str, root: str) -> None:
        """Raises FileNotFoundError, and StorageError if execution.json is damaged."""
        self.directory = directory
        self.root = root  # the storage that it lies in
        self.document: dict[str, Any] = load(os.path.join(directory, META, "execution.json"))
        if not isinstance(self.document.get("id"), str) or not isinstance(self.document.get("seed"), int):
            raise StorageError(f"{directory}: execution.json lacks the ID or the seed. Restore the file.")

    @property
    def id(self) -> str:
        """Six base62 digits."""
        return str(self.document["id"])

    def runs(self) -> list[dict[str, Any]]:
        """The documents of its runs, the first one first. Raises StorageError if one is damaged."""
        return load_dated(os.path.join(self.directory, META, "runs"))

    def entries(self) -> list[Entry]:
        """Its components: those that its runs name, in that order, and whatever else has a record in its directory."""
        found: dict[str, Entry] = {}
        for run in self.runs():
            for module, id_ in run.get("plan", ()):
                if id_ not in found:
                    found[id_] = Entry(module, id_, self._record(id_))
        for name in names_in(self.directory):
            if is_component_id(name) and name not in found:
                found[name] = Entry(None, name, Record(os.path.join(self.directory, name), self.root))
        return list(found.values())

    def _record(self, component_id: str) -> Record | None:
        """Of a planned component in its own directory; of one that `get` gave in the storage's."""
        for home in (self.directory, self.root):
            directory = os.path.join(home, component_id)
            if exists(self.root, directory):
                return Record(directory, self.root)
        return None


def executions_in(root: str, prefix: str = "") -> Iterator[StoredExecution]:
    """All executions of a storage, in the order of their IDs. Damaged ones are named in a note, and left out.

    Args:
        prefix: What their IDs begin with.
    """
    look_below(root)
    for name in names_in(root):
        if is_execution_name(name) and name.startswith(prefix):
            try:
                yield StoredExecution(os.path.join(root, name), root)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except StorageError as error:
                notice(f"left out: {error}", once=f"execution {root} {name}")


def execution_of(record: Record) -> StoredExecution | None:
    """The execution in whose directory a record lies, if it lies in one."""
    directory = os.path.dirname(record.directory)
    if directory == record.root:
        return None
    try:
        return StoredExecution(directory, record.root)
    except (FileNotFoundError, NotADirectoryError):
        return None


def find(root: str, text: str) -> Record | StoredExecution | None:
    """What has this ID, or the only ID that begins so; `<execution>/<component>` names a component of an execution.

    Raises:
        ConfigurationError: If several IDs begin so.
        StorageError: If what has the ID is damaged.
    """
    outer, slash, inner = text.partition("/")
    if not (outer.isascii() and outer.isalnum()) or (slash and not (inner.isascii() and inner.isalnum())):
        return None
    if not slash:
        exact = _exact(root, text)
        if exact is not None:
            return exact
    executions = [each for each in executions_in(root, outer) if each.id.startswith(outer)]
    if slash:
        executions = [each for each in executions if each.id == outer] or executions
        found: list[Record | StoredExecution] = [
            Record(os.path.join(execution.directory, name), root)
            for execution in executions
            for name in names_in(execution.directory)
            if is_component_id(name) and name.startswith(inner)
        ]
    else:
        found = [*executions, *records_in(root, text)]
    if len(found) > 1:
        names = ", ".join(os.path.relpath(each.directory, root) for each in found[:_LISTED])
        kind = "executions and components" if executions and not slash else "components"
        more = ", …" if len(found) > _LISTED else ""
        raise ConfigurationError(
            f"{len(found)} {kind} have an ID that begins with {text!r}: {names}{more}. Give more digits."
        )
    return found[0] if found else None


def _exact(root: str, text: str) -> Record | StoredExecution | None:
    if is_component_id(text):
        return Record.find(os.path.join(root, text), root)
    if is_execution_id(text):
        try:
            return StoredExecution(execution_directory(root, text), root)
        except (FileNotFoundError, NotADirectoryError):
            return None
    return None
