"""Rounds that take turns, medians, and the table."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

WIDTHS = (62, 9, 24, 10, 7)


@dataclass(frozen=True)
class Place:
    """Where to measure: a directory, and whether limits count there."""

    name: str
    path: str
    limited: bool


@dataclass(frozen=True)
class Row:
    """One line of the table. Without a limit it is there for comparison only."""

    what: str
    place: str
    figure: str
    value: float | None = None  # what the limit is compared with
    limit: float | None = None
    counts: bool = True  # a limit that does not count is shown, and never missed

    @property
    def holds(self) -> bool | None:
        if self.value is None or self.limit is None:
            return None
        return self.value <= self.limit

    @property
    def missed(self) -> bool:
        return self.counts and self.holds is False


def interleaved(tasks: dict[str, Callable[[int], float]], rounds: int) -> dict[str, float]:
    """The median seconds of each task, which is called with the number of the round and returns seconds.

    The order changes from round to round, and a first round is thrown away.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    names = list(tasks)
    for number in range(rounds + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            seconds[name].append(tasks[name](number))
    return {name: median(values[1:]) for name, values in seconds.items()}


def print_header(part: str) -> None:
    print("\n" + line(part, "where", "figure", "limit", ""))
    print("-" * (sum(WIDTHS) + 2 * len(WIDTHS)))


def print_rows(rows: Iterator[Row]) -> bool:
    """Print rows as they come; whether all limits that count hold."""
    passed = True
    for row in rows:
        verdict = "" if row.holds is None else "pass" if row.holds else "FAIL" if row.counts else "(over)"
        limit = "" if row.limit is None else f"{row.limit:g}"
        print(line(row.what, row.place, row.figure, limit, verdict), flush=True)
        passed = passed and not row.missed
    return passed


def line(*cells: str) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"


def against(seconds: float, floor: float, unit: Callable[[float], str] = microseconds) -> str:
    """A time beside its ratio to a floor."""
    return f"{unit(seconds)} = {seconds / floor:.2f} × floor"
