"""What may leave a storage: which components a filter means, what has to stay, and the move to the trash."""

from __future__ import annotations

import os

from machinable.errors import ConfigurationError, StorageError
from machinable.identity.request import Request
from machinable.records import clock
from machinable.records.record import Record
from machinable.records.trash import leave_tombstone
from machinable.store.files import failure
from machinable.types import Status
from machinable.upkeep.trashed import throw_away
from machinable.wording import nearest

__all__ = ["Best", "all_but_best", "older", "parse_best", "remove", "running", "used_by"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = dict[str, Any]


class Best:
    """How many of the best are kept, and which are best: by the last value in a column, the lowest or the highest."""

    __slots__ = ("column", "count", "highest")

    def __init__(self, count: int, column: str, highest: bool) -> None:
        self.count = count
        self.column = column
        self.highest = highest


def parse_best(text: str) -> Best:
    """`3 loss` (the three lowest) or `3 accuracy:max` (the three highest). Raises ConfigurationError."""
    number, _, column = text.strip().partition(" ")
    column, colon, direction = column.strip().rpartition(":")
    if not colon:
        column, direction = direction, "min"
    if not (number.isascii() and number.isdecimal() and len(number) < 10 and column):
        raise ConfigurationError(
            f"--keep-best is {text!r}, but a number and a column of the record are needed: --keep-best 3 loss keeps "
            "the three lowest, --keep-best 3 accuracy:max the three highest."
        )
    if direction not in ("min", "max"):
        raise ConfigurationError(
            f"--keep-best {text}: {direction!r} is neither min (the lowest are best) nor max (the highest are)."
        )
    return Best(int(number), column, direction == "max")


def all_but_best(rows: Sequence[Row], best: Best) -> tuple[list[Row], list[Row]]:
    """The rows that are not among the best, and those that can not be compared: without a number in that column.

    Raises:
        ConfigurationError: If no row has the column.
    """
    compared: list[tuple[bool, float, str, Row]] = []
    without: list[Row] = []
    for row in rows:
        value = (row.get("record") or {}).get(best.column)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # What is not a number is worse than any.
            is_nan = value != value
            rank = 0.0 if is_nan else -float(value) if best.highest else float(value)
            compared.append((is_nan, rank, str(row["path"]), row))
        else:
            without.append(row)
    if rows and not compared:
        known = sorted({column for row in rows for column in row.get("record") or {}})
        near = nearest(best.column, known)
        hint = f" Did you mean {near!r}?" if near else f" There are: {', '.join(known)}." if known else ""
        raise ConfigurationError(
            f"No record of these components has a number in a column {best.column!r}.{hint}"
        )
    compared.sort(key=lambda entry: entry[:3])
    return [row for *_, row in compared[best.count :]], without


def older(rows: Iterable[Row], seconds: float, root: str) -> list[Row]:
    """Those of which the last thing known happened longer ago than that: the end, else the start."""
    now = clock.now(root)
    return [row for row in rows if now - _last(row) > seconds]


def _last(row: Row) -> float:
    known = (row.get(key) for key in ("ended", "started", "timestamp"))
    return float(next((value for value in known if isinstance(value, (int, float))), float("inf")))


def used_by(rows: Iterable[Row], going: set[str]) -> dict[str, Row]:
    """Of the components that are to go (by path), those that have to stay, with one that uses each and stays."""
    rows = list(rows)
    kept: dict[str, Row] = {}
    found = True
    while found:  # what a component that has to stay uses has to stay as well
        found = False
        ids: dict[str, list[str]] = {}
        for path in going - kept.keys():
            ids.setdefault(path.rpartition("/")[2], []).append(path)
        for row in rows:
            if row["path"] in going and row["path"] not in kept:
                continue
            for id_ in (*(row.get("uses") or {}).values(), *(row.get("observed") or ())):
                for path in ids.pop(id_, ()):
                    kept[path], found = row, True
    return kept


def running(root: str, path: str) -> str | None:
    """How it is known that a component runs; `None` if it does not, or is damaged."""
    try:
        state = Record(os.path.join(root, *path.split("/")), root).state()
    except StorageError:
        return None
    return state.evidence if state.status is Status.RUNNING else None


def remove(root: str, directory: str, going: set[str]) -> str:
    """Moves a record or an execution to the trash, and returns where it is then.

    Args:
        going: The paths of all records that go with it.
    Raises:
        StorageError: If it can not be moved.
    """
    try:
        identity = _followed(root, directory, going)
        trash = throw_away(root, directory)
        if identity is not None:
            leave_tombstone(directory, identity)
    except OSError as error:
        raise failure(error, directory, "move to the trash") from error
    return trash


def _followed(root: str, directory: str, going: set[str]) -> str | None:
    """The identity of a record that a newer one of the same request follows: look-ups have to find the way to it."""
    try:
        found = Record.find(directory, root)
        if found is None:
            return None
        request = Request.from_document(found.document["request"])
    except (StorageError, KeyError, TypeError, ValueError):
        return None  # damaged, or an execution
    newer = os.path.join(os.path.dirname(directory), request.with_counter(request.counter + 1).id)
    path = os.path.relpath(newer, root).replace(os.sep, "/")
    return request.identity if os.path.isdir(newer) and path not in going else None
