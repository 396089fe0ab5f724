"""A collection of components, as `get.all` returns it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from machinable.collection.csv import csv_of
from machinable.collection.frames import pandas_frame, polars_frame
from machinable.collection.groups import Groups
from machinable.collection.members import Found, Given
from machinable.collection.ordering import order
from machinable.collection.plotting import plot_curves
from machinable.collection.summary import Summary, summarise
from machinable.component.component import Component
from machinable.component.terminal import columns_of, is_terminal
from machinable.errors import ConfigurationError
from machinable.execution.columns import Names
from machinable.execution.summary import html_of_rows, text_of_rows
from machinable.identity.canonical import plain
from machinable.index.query import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self

__all__ = ["Collection"]


class Collection(Sequence[Component]):
    """Components, found or at hand: never changed, and shown as a table.

        found = get.all("train").where("status == 'finished' and lr < 0.1").sort("accuracy", descending=True)
        found[0].load_file("model.p")

    Tables and conditions are over what is known of the records when they are looked at first; a component is loaded
    only when it is touched. Names of values mean a key of the configuration (dotted), else a column of the record (its
    last row), else a field such as `status`, `seconds` or `trial`; `config.x` and `record.x` say which is meant.

    Args:
        components: Those at hand, such as the `components` of an execution; get.all finds those of a storage.
    """

    __slots__ = ("_members",)

    def __init__(self, components: Iterable[Component] = ()) -> None:
        self._members: Found | Given = (
            components._members if isinstance(components, Collection) else Given(components)
        )

    @classmethod
    def of(
        cls,
        rows: Sequence[dict[str, Any]] | Callable[[], Sequence[dict[str, Any]]],
        root: str,
        search: Callable[[str], Sequence[dict[str, Any]]] | None = None,
    ) -> Self:
        """The collection of the records of the storage `root` that have these rows (see `records/row.py`).

        Args:
            rows: The rows, or a function that gives them when they are looked at first.
            search: Gives those of them for which an expression holds; asked by `where` as long as `rows` was not.
        """
        return cls._of(Found(root, rows, search))

    @classmethod
    def _of(cls, members: Found | Given) -> Self:
        made = cls.__new__(cls)
        made._members = members
        return made

    # --- a sequence

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, key: Any) -> Any:
        """The component at a position; with a slice, a collection."""
        positions = range(len(self))
        if isinstance(key, slice):
            return self._take(positions[key])
        try:
            return self._members.component(positions[key])
        except IndexError:
            raise IndexError(f"there is no component {key} in a collection of {len(self)}") from None
        except TypeError:
            raise TypeError(f"{key!r} is not a position; a column of values is .column({key!r})") from None

    def __iter__(self) -> Iterator[Component]:
        return map(self._members.component, range(len(self)))

    def __contains__(self, component: object) -> bool:
        return isinstance(component, Component) and self._members.holds(component)

    def __eq__(self, other: object) -> bool:
        """Whether the other one, a list perhaps, has the same components in the same order."""
        if not isinstance(other, (Collection, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(map(_is_same, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Iterable[Component]) -> Collection:
        mine, theirs = self._members, other._members if isinstance(other, Collection) else None
        if isinstance(mine, Found) and isinstance(theirs, Found) and mine.root == theirs.root:
            return self._of(mine.plus(theirs))
        return Collection([*self, *other])

    def first(self) -> Component | None:
        """The first component; `None` if there is none."""
        return self[0] if len(self) else None

    def last(self) -> Component | None:
        """The last component; `None` if there is none."""
        return self[-1] if len(self) else None

    def map(self, function: Callable[[Component], Any]) -> list[Any]:
        """What `function` returns for each component."""
        return [function(component) for component in self]

    # --- parts of it

    def where(self, expression: str) -> Self:
        """Those of which an expression holds: `"lr < 0.1 and status == 'finished'"`.

        It is parsed, never evaluated; see `docs/results.md` for what it may hold.

        Raises:
            ConfigurationError: If it is no expression (it says where), or names what there is not.
        """
        found = self._members.searched(expression)
        if found is not None:
            return self._of(found)
        condition = parse(expression)
        rows = self._members.rows()
        if rows:
            condition.check(Names(rows).qualified())
        return self._take(position for position, row in enumerate(rows) if condition.matches(row))

    def filter(
        self, keep: Callable[[Component], bool] | dict[str, Any] | None = None, /, **values: Any
    ) -> Self:
        """Those for which `keep` is true, or that have these values: `filter(lr=0.1)`, `filter({"opt.lr": 0.1})`.

        Raises:
            ConfigurationError: If a name means nothing here.
        """
        if isinstance(keep, dict):
            values, keep = {**keep, **values}, None
        found = self
        if values:
            rows = self._members.rows()
            names = Names(rows)
            wanted = (
                [(names.find(name), _plain(name, value)) for name, value in values.items()] if rows else []
            )
            found = self._take(
                position
                for position, row in enumerate(rows)
                if all(_same(column.of(row), value) for column, value in wanted)
            )
        if keep is None:
            return found
        return found._take(position for position, component in enumerate(found) if keep(component))

    def sort(self, *keys: str | Callable[[Component], Any], descending: bool = False) -> Self:
        """Sorted by values, the first key before the second. What lacks a value (or has NaN) stays last.

        Values of several kinds are no error: numbers come before texts, texts before the rest.

        Args:
            keys: Names of values, or functions of a component.
        Raises:
            ConfigurationError: If a name means nothing here.
        """
        positions = list(range(len(self)))
        for key in reversed(keys):
            values = [key(each) for each in self] if callable(key) else self._values(key)
            ordered = order([values[position] for position in positions], descending=descending)
            positions = [positions[rank] for rank in ordered]
        return self._take(positions)

    def column(self, name: str) -> list[Any]:
        """One value of each, in their order; `None` where there is none. Raises ConfigurationError on a wrong name."""
        return self._values(name)

    def group_by(self, *keys: str) -> Groups:
        """A mapping from each value of a name (or tuple of values of several) to the components that have it.

        Raises:
            ConfigurationError: If a name means nothing here.
        """
        if not keys:
            raise ConfigurationError("group_by needs the name of what to group by, such as group_by('lr').")
        return Groups(self, keys, [self._values(key) for key in keys])

    def _take(self, positions: Iterable[int]) -> Self:
        return self._of(self._members.take(positions))

    def _values(self, name: str) -> list[Any]:
        rows = self._members.rows()
        if not rows:
            return []
        return Names(rows).find(name).values(rows)

    # --- numbers and tables

    def summary(self, over: str | Sequence[str] = "seed") -> Summary:
        """Mean, standard deviation, 95 % confidence interval and n of the numbers in the record, over the trials.

        Components are taken together that agree in module, configuration, inputs and scope. Only finished ones count;
        how many others there are is said.

        Args:
            over: What they need not agree in: seed and trial (and a value of the configuration of this name), besides
                any others that are named here.
        Raises:
            ConfigurationError: If a name means nothing here.
        """
        return summarise(self._members, over)

    def rows(self) -> list[dict[str, Any]]:
        """What is known of each, as plain data: `config`, `record`, `status`, `seconds`, … by name."""
        return [dict(row) for row in self._members.rows()]

    def to_pandas(self, columns: Iterable[str] | None = None, *, all_columns: bool = False) -> Any:
        """A pandas.DataFrame with a row for each: what varies of the configuration, the record's last row, the status.

        Args:
            columns: These instead, in this order.
            all_columns: Everything that is known.
        Raises:
            ConfigurationError: If there is no such column.
            DependencyMissing: Without pandas.
        """
        rows = self._members.rows()
        return pandas_frame(rows, Names(rows).chosen(columns, all_columns=all_columns))

    def to_polars(self, columns: Iterable[str] | None = None, *, all_columns: bool = False) -> Any:
        """The same as a polars.DataFrame; what Polars has no type for (dicts, values of several kinds) as JSON."""
        rows = self._members.rows()
        return polars_frame(rows, Names(rows).chosen(columns, all_columns=all_columns))

    def to_csv(
        self,
        path: str | os.PathLike[str] | None = None,
        columns: Iterable[str] | None = None,
        *,
        all_columns: bool = False,
    ) -> str | None:
        """The same as CSV, in UTF-8: written to `path`, or returned where there is none.

        Raises:
            StorageError: If it can not be written.
        """
        rows = self._members.rows()
        return csv_of(rows, Names(rows).chosen(columns, all_columns=all_columns), path)

    def plot(
        self, x: str | None, y: str, *, group_by: str | Sequence[str] | None = None, ax: Any = None
    ) -> Any:
        """Draws a column of the records over another, with Matplotlib; several trials as their mean and its interval.

            get.all("train").plot("epoch", "loss").figure.savefig("loss.png")

        One line for each configuration; the band is the 95 % confidence interval of the mean over its trials.

        Args:
            x: The column along the horizontal axis; `None`: the number of the row, from 0.
            y: The column that is drawn.
            group_by: Names of values that have a line each, instead of every configuration.
            ax: The axes to draw in; by default those of a new figure.
        Returns:
            The axes. Nothing is shown; in a notebook the figure shows itself.
        Raises:
            ConfigurationError: If there is no such column.
            DependencyMissing: Without Matplotlib.
        """
        return plot_curves(self, x, y, group_by, ax)

    def __str__(self) -> str:
        if not len(self):
            return "no components"
        width = columns_of(sys.stdout) if is_terminal(sys.stdout) else None
        return text_of_rows(self._members.rows(), width=width)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_of_rows(self._members.rows())


def _is_same(one: Component, other: Any) -> bool:
    if one is other:
        return True
    return isinstance(other, Component) and one.directory is not None and one.directory == other.directory


def _plain(name: str, value: Any) -> Any:
    """The value as rows hold it."""
    return str(value) if isinstance(value, str) else plain(value, name)


def _same(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
