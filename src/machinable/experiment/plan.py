"""The plan: which components, which configurations, how many trials. It describes, and never runs."""

from __future__ import annotations

import operator
import sys
from itertools import chain, islice

from machinable.config.versions import Sourced, normalise
from machinable.errors import ConfigurationError
from machinable.identity.canonical import MAX_DEPTH, shown
from machinable.wording import counted

__all__ = ["Entry", "Experiment", "version_text"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

_SCALARS = frozenset((bool, float, int, str, type(None)))
_SHOWN_ROWS = 10
_SHOWN_WIDTH = 60


class Entry:
    """What one call of `component` has planned. A value: nothing changes it.

    Attributes:
        target: A module name or a class.
        versions: Each a list of layers (dicts, and strings `~name`) to merge; there is a component for each version.
        name: What the plan calls it, if it was said.
        uses: Inputs as given.
        resources: What each component needs, in the engine's terms.
        repeats: The number of independent repetitions.
        splits: The number of parts of each.
    """

    __slots__ = ("name", "repeats", "resources", "splits", "target", "uses", "versions")

    def __init__(
        self,
        target: str | type,
        versions: tuple[list[Any], ...],
        name: str | None = None,
        uses: Any = None,
        resources: dict[str, Any] | None = None,
        repeats: int = 1,
        splits: int = 1,
    ) -> None:
        self.target = target
        self.versions = versions
        self.name = name
        self.uses = uses
        self.resources = resources
        self.repeats = repeats
        self.splits = splits

    @property
    def trials(self) -> int:
        """The number of trials of each version, parts of splits included."""
        return self.repeats * self.splits

    @property
    def title(self) -> str:
        """The entry in words: what the plan calls it, and its target where that is another word."""
        target = self.target if isinstance(self.target, str) else self.target.__qualname__
        return target if self.name in (None, target) else f"{self.name} ({target})"

    def with_version(self, layers: list[Any]) -> Entry:
        """The same with a single version."""
        return Entry(self.target, (layers,), self.name, self.uses, self.resources, self.repeats, self.splits)

    def times(self, repeats: int, splits: int) -> Entry:
        """The same with each trial repeated and split."""
        return Entry(
            self.target,
            self.versions,
            self.name,
            self.uses,
            self.resources,
            self.repeats * repeats,
            self.splits * splits,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in Entry.__slots__)

    __hash__ = None  # type: ignore[assignment]  # it holds dicts

    def __repr__(self) -> str:
        return f"<Entry {' '.join(filter(None, _row(self)))}>"


class Experiment:
    """A plan of components to execute. It is immutable: each method returns a new plan.

        plan = Experiment().component("train", grid(lr=[0.1, 0.01])).repeat(3)
        execute(plan)

    `len(plan)` is the number of components (equal ones, which run once, are counted as often as they stand there);
    iterating gives its entries, one for each version; `plan + plan` joins two.
    """

    __slots__ = ("_added", "_before", "_entries", "_name", "_size")

    def __init__(self) -> None:
        # A plan is an earlier one and what was added: plans that are written in a loop are not copied each time.
        self._before: Experiment | None = None
        self._added: tuple[Entry, ...] = ()
        self._entries: tuple[Entry, ...] | None = None  # of both, once it was asked for
        self._name: str | None = None
        self._size = 0

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What each call of `component` has planned."""
        if self._entries is None:
            parts: list[tuple[Entry, ...]] = []
            plan: Experiment | None = self
            while plan is not None:
                known = plan._entries
                parts.append(plan._added if known is None else known)
                plan = plan._before if known is None else None
            self._entries = tuple(chain.from_iterable(reversed(parts)))
        return self._entries

    @property
    def name(self) -> str | None:
        """What `named` has called the plan."""
        return self._name

    def component(
        self,
        target: str | type,
        version: Any = None,
        *,
        name: str | None = None,
        uses: Any = None,
        resources: dict[str, Any] | None = None,
    ) -> Self:
        """Plans a component, or one for each of a list of versions.

            .component("train", {"lr": 0.1})
            .component("train", [{"lr": 0.1}, {"lr": 0.01}])           # two components
            .component("train", ("~small", {"lr": 0.1}))               # one: merged left to right
            .component("train", ("~small", grid(lr=[0.1, 0.01])))      # two, each of them small

        Args:
            target: A module name or a class, as for `get`.
            version: A dict, `"~name"`, a list to iterate, or a tuple to merge.
            name: What the plan calls it, so that other components can use it; else the name of its module.
            uses: Inputs by name, in place of those that the class declares. A component of the plan is meant by its
                name there: trial k uses its trial k, or its only one. Anything else is asked for as by `get`.
            resources: What each component needs, in the engine's terms.
        Raises:
            ConfigurationError: If an argument is not of this kind.
        """
        if not isinstance(target, (str, type)) or not target:
            raise ConfigurationError(
                f"An experiment plans modules and classes, but got {shown(target)} ({type(target).__name__}). "
                "Write for instance .component('train')."
            )
        what = target if isinstance(target, str) else target.__qualname__
        if name is not None and (not isinstance(name, str) or not name.strip()):
            raise ConfigurationError(f"{what}: name is {shown(name)}, but some text is expected.")
        if resources is not None and not isinstance(resources, dict):
            raise ConfigurationError(
                f"{what}: resources is {shown(resources)}, but a dict is expected, as in {{'cpus': 2}}."
            )
        try:
            versions = tuple(_alternatives(version))
        except ConfigurationError as error:
            raise ConfigurationError(f"{what}: {error}") from None
        return self._plus((Entry(target, versions, name, _kept(uses), _kept(resources)),))

    def repeat(self, n: int) -> Self:
        """Repeats all that is planned so far in n independent trials; within a repeat, in n times as many.

        Raises:
            ConfigurationError: If n is not an integer of at least 1, or nothing is planned so far.
        """
        n = self._times("repeat", n)
        return self._empty()._plus(tuple(entry.times(n, 1) for entry in self.entries))

    def split(self, k: int) -> Self:
        """Splits each trial planned so far in k parts, which are trials of their own: see `self.trial.split`.

        Raises:
            ConfigurationError: If k is not an integer of at least 1, or nothing is planned so far.
        """
        k = self._times("split", k)
        return self._empty()._plus(tuple(entry.times(1, k) for entry in self.entries))

    def named(self, text: str) -> Self:
        """The plan under a name, for people to tell it from others."""
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"named({shown(text)}): the name of a plan is some text.")
        new = self._plus(())
        new._name = text
        return new

    def _times(self, what: str, n: Any) -> int:
        try:
            count = 0 if isinstance(n, bool) else operator.index(n)
        except TypeError:
            count = 0
        if count < 1:
            raise ConfigurationError(f"{what}({shown(n)}): an integer of at least 1 is expected.")
        if not self._size:
            raise ConfigurationError(
                f"{what}({count}): nothing is planned so far. Put it after .component(...)."
            )
        if self._size * count > sys.maxsize:
            raise ConfigurationError(f"{what}({shown(n)}): that is more than can be counted.")
        return count

    def _empty(self) -> Self:
        new = type(self)()
        new._name = self._name
        return new

    def _plus(self, entries: tuple[Entry, ...]) -> Self:
        new = self._empty()
        new._before = self
        new._added = entries
        new._size = self._size + sum(len(entry.versions) * entry.trials for entry in entries)
        return new

    def __add__(self, other: Experiment) -> Self:
        if not isinstance(other, Experiment):
            return NotImplemented
        new = self._plus(other.entries)
        new._name = self._name or other._name
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.entries, self._name)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            for layers in entry.versions:
                yield entry.with_version(layers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experiment):
            return NotImplemented
        if self._name != other._name or self._size != other._size:
            return False
        return self.entries == other.entries or list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it holds dicts

    def _rows(self) -> tuple[list[list[str]], int]:
        """The first rows of the table, and how many more there are."""
        rows = [_row(entry) for entry in islice(self, _SHOWN_ROWS)]
        return rows, sum(len(entry.versions) for entry in self.entries) - len(rows)

    def _headline(self) -> str:
        name = f" {self._name!r}" if self._name else ""
        return f"Experiment{name}: {counted(self._size, 'component')}"

    def __repr__(self) -> str:
        rows, more = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
            for row in rows
        ]
        return "\n".join(
            [
                self._headline(),
                *(line.rstrip() for line in lines),
                *([f"  … and {more:,} more"] if more else []),
            ]
        )

    def _repr_html_(self) -> str:
        from html import escape

        rows, more = self._rows()
        head = "".join(f"<th>{title}</th>" for title in ("component", "version", "uses", "trials"))
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        rest = f"<p>… and {more:,} more</p>" if more else ""
        return f"<p>{escape(self._headline())}</p>{table}{rest}"


def _restore(cls: type[Experiment], entries: tuple[Entry, ...], name: str | None) -> Experiment:
    plan = cls()._plus(entries)
    plan._name = name
    return plan


def version_text(layers: list[Any], width: int = _SHOWN_WIDTH) -> str:
    """A version in a line: `~small, lr=0.1`."""
    text = ", ".join(
        layer
        if isinstance(layer, str)
        else ", ".join(f"{key}={shown(value)}" for key, value in layer.items())
        for layer in layers
    )
    return text if len(text) <= width else text[: width - 1] + "…"


def _row(entry: Entry) -> list[str]:
    trials = f"{entry.repeats:,} trials" if entry.repeats > 1 else ""
    parts = f"{entry.splits:,} parts" if entry.splits > 1 else ""
    return [
        entry.title,
        version_text(entry.versions[0]),
        f"uses {_uses_text(entry.uses)}" if entry.uses else "",
        " × ".join(filter(None, (trials, parts))),
    ]


def _uses_text(uses: Any) -> str:
    if isinstance(uses, dict):
        text = ", ".join(f"{name}={_uses_text(target)}" for name, target in uses.items())
    elif isinstance(uses, (list, tuple)):
        text = ", ".join(map(_uses_text, uses))
    else:
        text = uses if isinstance(uses, str) else getattr(uses, "__qualname__", None) or repr(uses)
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 1] + "…"


def _alternatives(version: Any, depth: int = 0) -> list[list[Any]]:
    """The versions that are meant: a list has those of all its items, a tuple one of each part, merged."""
    if type(version) is dict:
        return [[_kept(version)]]
    if depth > MAX_DEPTH:
        raise ConfigurationError("A version contains itself. Use a list without a cycle.")
    if isinstance(version, list):
        if not version:
            raise ConfigurationError(
                "an empty list of versions plans nothing. Leave the version out to plan the defaults."
            )
        return [layers for item in version for layers in _alternatives(item, depth + 1)]
    if isinstance(version, tuple):
        merged: list[list[Any]] = [[]]
        for part in version:
            found = _alternatives(part, depth + 1)
            merged = [[*before, *after] for before in merged for after in found]
        return merged
    return [[_kept(layer) for layer in normalise(version)]]


def _kept(value: Any, depth: int = 0) -> Any:
    """A copy of dicts and lists, so that whoever made them can change theirs without changing the plan."""
    kind = type(value)
    if (
        kind in _SCALARS or depth > MAX_DEPTH
    ):  # deeper, it contains itself; that is refused when it is resolved
        return value
    if kind is dict:
        return {
            key: item if type(item) in _SCALARS else _kept(item, depth + 1) for key, item in value.items()
        }
    if kind is list:
        return [_kept(item, depth + 1) for item in value]
    if kind is tuple:
        return tuple(_kept(item, depth + 1) for item in value)
    if kind is Sourced:
        return Sourced(_kept(dict(value), depth), value.source)
    return value
