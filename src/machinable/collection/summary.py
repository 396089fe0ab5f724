"""Numbers of repeated components in short: mean, standard deviation, confidence interval and how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from machinable.collection.alike import Alike
from machinable.collection.csv import csv_of
from machinable.collection.frames import pandas_frame, polars_frame
from machinable.collection.student import Statistics
from machinable.execution.columns import Column, Names
from machinable.execution.tables import cell, html_of, text_of
from machinable.types import Status
from machinable.wording import counted

__all__ = ["Line", "Summary", "lines_of", "summarise"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Any

    from machinable.collection.members import Found, Given

    Row = dict[str, Any]


_ENDS = ("mean", "std", "low", "high")


class Line:
    """What components that are taken together amount to."""

    __slots__ = ("left_out", "n", "statistics", "values")

    def __init__(self, values: Row, rows: Iterable[Row]) -> None:
        self.values = values  # what tells them from others: names and values
        self.n = 0  # how many are finished
        self.left_out: dict[str, int] = {}  # how many are not, by status
        found: dict[str, list[float]] = {}
        for row in rows:
            status = row.get("status")
            if status != Status.FINISHED:
                self.left_out[str(status)] = self.left_out.get(str(status), 0) + 1
                continue
            self.n += 1
            for name, value in (row.get("record") or {}).items():
                number = _number(value)
                if number is not None:
                    found.setdefault(name, []).append(number)
        self.statistics = {name: Statistics(numbers) for name, numbers in found.items()}

    def __repr__(self) -> str:
        return f"<{self.values}: n={self.n}, {self.statistics}>"


class Summary(Sequence[Line]):
    """Lines of a table: for each, what was measured, as the mean of several components.

    `rows()` has it as data, with the columns `<name>_mean`, `<name>_std` (n - 1 in the denominator), `<name>_low` and
    `<name>_high` (the ends of the 95 % confidence interval of the mean), `<name>_n`, and `None` where there is none.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = list(lines)
        told = dict.fromkeys(name for line in self._lines for name in line.values)
        measured = dict.fromkeys(name for line in self._lines for name in line.statistics)
        self._measured = [name for name in measured if name not in told]
        own = {"n", "left_out", *(f"{name}_{end}" for name in self._measured for end in (*_ENDS, "n"))}
        # What tells the lines apart, and its header: a parameter may be called n.
        self._told = {name: f"config.{name}" if name in own else name for name in told}

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, key: Any) -> Any:
        return Summary(self._lines[key]) if isinstance(key, slice) else self._lines[key]

    def rows(self) -> list[dict[str, Any]]:
        """The lines as plain data."""
        return [self._flat(line) for line in self._lines]

    def to_pandas(self) -> Any:
        """The lines as a pandas.DataFrame. Raises DependencyMissing without pandas."""
        return pandas_frame(*self._table())

    def to_polars(self) -> Any:
        """The lines as a polars.DataFrame. Raises DependencyMissing without Polars."""
        return polars_frame(*self._table())

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """The lines as CSV: written to `path`, or returned. Raises StorageError if it can not be written."""
        return csv_of(*self._table(), path)

    def _flat(self, line: Line) -> Row:
        flat = {header: line.values.get(name) for name, header in self._told.items()}
        flat.update(n=line.n, left_out=sum(line.left_out.values()))
        for name in self._measured:
            statistics = line.statistics.get(name)
            for end in _ENDS:
                flat[f"{name}_{end}"] = getattr(statistics, end, None)
            flat[f"{name}_n"] = statistics.n if statistics is not None else 0
        return flat

    def _table(self) -> tuple[list[Row], list[Column]]:
        rows = self.rows()
        names = dict.fromkeys(name for row in rows for name in row)
        return [{"line": row} for row in rows], [Column("line", name, name) for name in names]

    # --- for people

    def __repr__(self) -> str:
        if not self._lines:
            return "no components"
        return "\n".join([text_of(*self._cells()), *self._notes()])

    def _repr_html_(self) -> str:
        if not self._lines:
            return "<p>no components</p>"
        return html_of(*self._cells()) + "".join(f"<p>{note}</p>" for note in self._notes())

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        left_out = any(line.left_out for line in self._lines)
        spread = {name: any(_std_of(line, name) for line in self._lines) for name in self._measured}
        header = [*self._told.values(), "n", *(["left out"] if left_out else [])]
        for name in self._measured:
            header += [name, f"{name} std"] if spread[name] else [name]
        body = []
        for line in self._lines:
            texts = [*(cell(line.values.get(name)) for name in self._told), str(line.n)]
            if left_out:
                texts.append(", ".join(f"{count} {status}" for status, count in line.left_out.items()))
            for name in self._measured:
                texts.append(_mean_of(line, name, spread[name]))
                if spread[name]:
                    texts.append(cell(_std_of(line, name), 2))
            body.append(texts)
        return header, body

    def _notes(self) -> list[str]:
        spread = any(_std_of(line, name) for line in self._lines for name in self._measured)
        return (
            ["mean ± 95 % confidence interval of the mean (Student's t); std: standard deviation"]
            if spread
            else []
        )


def summarise(members: Found | Given, over: str | Sequence[str]) -> Summary:
    """The summary of components, of which those are taken together that are alike but for seed, trial and `over`."""
    rows = members.rows()
    if not rows:
        return Summary([])
    alike = Alike(Names(rows), over)
    groups = alike.groups(rows, members.homes)
    first = [_with_inputs(alike.stripped(rows[group[0]]), [rows[i] for i in group]) for group in groups]
    columns = [
        column
        for column in Names(first).telling_apart()
        if column.kind != "field" or column.key not in ("id", "seed")
    ]
    return lines_of(
        [{column.name: column.of(row) for column in columns} for row in first],
        [[rows[position] for position in group] for group in groups],
    )


def lines_of(values: Iterable[Row], groups: Iterable[Sequence[Row]]) -> Summary:
    """The summary with a line for each group of rows."""
    return Summary(Line(told, rows) for told, rows in zip(values, groups, strict=True))


def _with_inputs(row: Row, group: Sequence[Row]) -> Row:
    """The row with its inputs as the whole group has them: each trial may have one of its own."""
    uses = {}
    for name in row["uses"]:
        found = list(dict.fromkeys(str((each.get("uses") or {}).get(name)) for each in group))
        uses[name] = found[0] if len(found) == 1 else f"{found[0]} and {counted(len(found) - 1, 'other')}"
    return {**row, "uses": uses}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None


def _std_of(line: Line, name: str) -> float | None:
    statistics = line.statistics.get(name)
    return statistics.std if statistics is not None else None


def _mean_of(line: Line, name: str, spread: bool) -> str:
    """`0.412 ± 0.031`: as many digits as the interval allows, and how many there were, if not all.

    Where no line has any spread, as of the number of epochs, the mean alone.
    """
    statistics = line.statistics.get(name)
    if statistics is None:
        return ""
    mean, half = statistics.mean, statistics.half_width
    if half is None or not spread:
        text = f"{mean:.4g}"
    elif half == 0:
        text = f"{mean:.4g} ± 0"
    else:
        decimals = 1 - math.floor(math.log10(half))
        if -3 <= decimals <= 8 and abs(mean) < 1e9:
            decimals = max(decimals, 0)
            text = f"{mean:.{decimals}f} ± {half:.{decimals}f}"
        else:
            text = f"{mean:.4g} ± {half:.2g}"
    return text if statistics.n == line.n else f"{text} (n={statistics.n})"
