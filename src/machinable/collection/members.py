"""What a collection is made of: rows of an index, whose components are loaded when touched, or components at hand."""

from __future__ import annotations

import os

from machinable import context
from machinable.component.checkpoint import TABLE
from machinable.component.component import Component
from machinable.component.loading import load_record
from machinable.component.table import read_rows
from machinable.errors import ConfigurationError
from machinable.execution.summary import outline
from machinable.records.elsewhere import fetch_file
from machinable.records.record import Record
from machinable.records.row import KEYS, row_of
from machinable.store.remote import store_of
from machinable.types import Status

__all__ = ["Found", "Given"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Row = dict[str, Any]


class Found:
    """Records of a storage, by their rows.

    Args:
        root: The storage.
        rows: One of each record; or a function that gives them, which is called when they are looked at first.
        search: Gives the rows for which an expression holds, without a look at the others, where an index can.
    """

    __slots__ = ("_loaded", "_project", "_rows", "_search", "root")

    def __init__(
        self,
        root: str,
        rows: Sequence[Row] | Callable[[], Sequence[Row]],
        search: Callable[[str], Sequence[Row]] | None = None,
        loaded: dict[str, Component] | None = None,
    ) -> None:
        self.root = root
        self._rows = rows
        self._search = search
        self._project = context.current().root()  # where the classes are, also after a `with Project(…)`
        # By path, and shared with what is taken from here: a component is one object, wherever it is met.
        self._loaded: dict[str, Component] = {} if loaded is None else loaded

    def rows(self) -> Sequence[Row]:
        """One row of each; the same as long as this object lives."""
        if callable(self._rows):
            self._rows = self._rows()
        return self._rows

    def __len__(self) -> int:
        return len(self.rows())

    def component(self, position: int) -> Component:
        """Loads the component, once. Raises StorageError if its record is damaged, or gone by now."""
        path = self.rows()[position]["path"]
        if path not in self._loaded:
            record = Record(self.directory(position), self.root)
            before = context.replace(context.Context(self._project, self.root))
            try:
                self._loaded[path] = load_record(record, Component)
            finally:
                context.replace(before)
        return self._loaded[path]

    def directory(self, position: int) -> str:
        """Where the record lies."""
        return os.path.join(self.root, *self.rows()[position]["path"].split("/"))

    def homes(self, position: int) -> list[str]:
        """The directories in which the records of its inputs may lie: where its own does, and the storage."""
        return _homes(self.directory(position), self.root)

    def table(self, position: int) -> list[Row]:
        """The rows of its record, for which nothing is loaded. Raises StorageError if they can not be read."""
        return read_rows(fetch_file(os.path.join(self.directory(position), TABLE)))

    @property
    def is_remote(self) -> bool:
        """Whether files have to be fetched."""
        return store_of(self.root) is not None

    def holds(self, component: Component) -> bool:
        """Whether it is one of these, be it another object."""
        directory = component.directory
        if directory is None or component._core.storage != self.root:
            return False
        path = os.path.relpath(directory, self.root).replace(os.sep, "/")
        return any(row["path"] == path for row in self.rows())

    def take(self, positions: Iterable[int]) -> Found:
        """Some of them, in the given order."""
        rows = self.rows()
        return self._with([rows[position] for position in positions])

    def plus(self, others: Found) -> Found:
        """These, and behind them those of another one of the same storage."""
        return self._with([*self.rows(), *others.rows()])

    def searched(self, expression: str) -> Found | None:
        """Those for which an expression holds; `None` where nothing can tell but their rows, as they are here."""
        if self._search is None or not callable(self._rows):
            return None
        return self._with(self._search(expression))

    def _with(self, rows: Sequence[Row]) -> Found:
        found = Found(self.root, rows, loaded=self._loaded)
        found._project = self._project
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Found, (self.root, list(self.rows()))


class Given:
    """Components at hand, stored or not. Their rows say how they are now."""

    __slots__ = ("_components",)

    def __init__(self, components: Iterable[Component]) -> None:
        self._components = list(components)
        for component in self._components:
            if not isinstance(component, Component):
                raise ConfigurationError(
                    f"{component!r} is not a component; a collection takes what get(...) returns."
                )

    def rows(self) -> Sequence[Row]:
        """One row of each, made anew."""
        return [_row(component) for component in self._components]

    def __len__(self) -> int:
        return len(self._components)

    def component(self, position: int) -> Component:
        """The component."""
        return self._components[position]

    def homes(self, position: int) -> list[str]:
        """The directories in which the records of its inputs may lie."""
        component = self._components[position]
        return _homes(component.directory or component._core.path_of(component.id), component._core.storage)

    def table(self, position: int) -> list[Row]:
        """The rows of its record. Raises StorageError if they can not be read."""
        return list(self._components[position].record)

    @property
    def is_remote(self) -> bool:
        """Whether files have to be fetched."""
        return any(store_of(component._core.storage) is not None for component in self._components)

    def holds(self, component: Component) -> bool:
        """Whether it is one of these, be it another object."""
        directory = component.directory
        return any(
            each is component or (directory is not None and each.directory == directory)
            for each in self._components
        )

    def searched(self, expression: str) -> None:
        """Nothing: there is no index of what is at hand."""

    def take(self, positions: Iterable[int]) -> Given:
        """Some of them, in the given order."""
        return Given(self._components[position] for position in positions)


def _homes(directory: str, root: str) -> list[str]:
    return list(dict.fromkeys([os.path.dirname(directory), root]))


def _row(component: Component) -> Row:
    record = component._record
    if record is not None:
        return row_of(record)
    return {
        **dict.fromkeys(KEYS),
        **outline(component),
        "path": component.id,
        "id": component.id,
        "nickname": component.nickname,
        "seed": component.seed,
        "counter": component._request.counter,
        "status": str(Status.PENDING),
        "evidence": component.status_evidence,
        "attempts": 0,
        "observed": [],
        "record": {},
    }
