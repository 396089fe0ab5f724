"""Rows as a data frame of pandas or Polars, with a type for each column."""

from __future__ import annotations

from machinable.collection.ordering import as_text
from machinable.errors import DependencyMissing
from machinable.execution.columns import TIMES

__all__ = ["as_time", "pandas_frame", "polars_frame"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    from machinable.execution.columns import Column

    Row = dict[str, Any]

_INT64 = range(-(2**63), 2**63)


def pandas_frame(rows: Sequence[Row], columns: Sequence[Column]) -> Any:
    """A pandas.DataFrame: integers and booleans keep their type where values are missing (`Int64`, `boolean`).

    Raises:
        DependencyMissing: Without pandas.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise DependencyMissing("to_pandas() needs pandas: pip install 'machinable[pandas]'") from error
    series = {}
    for column in columns:
        values = column.values(rows)
        kind = _kind_of(column, values)
        if kind == "time":
            series[column.name] = pandas.to_datetime(
                pandas.Series(values, dtype="float64"), unit="s", utc=True
            )
            continue
        missing = None in values
        dtype: Any = {
            "boolean": "boolean" if missing else "bool",
            "integer": "Int64" if missing else "int64",
            "number": "float64",
            "text": "str",
        }.get(kind, "object")
        series[column.name] = pandas.Series(values, dtype=dtype)
    return pandas.DataFrame(series, index=pandas.RangeIndex(len(rows)))


def polars_frame(rows: Sequence[Row], columns: Sequence[Column]) -> Any:
    """A polars.DataFrame. What is of no single type there (dicts, several kinds of values) is JSON text.

    Raises:
        DependencyMissing: Without Polars.
    """
    try:
        import polars
    except ModuleNotFoundError as error:
        raise DependencyMissing("to_polars() needs Polars: pip install 'machinable[polars]'") from error
    kinds: dict[str, Any] = {
        "boolean": polars.Boolean,
        "integer": polars.Int64,
        "number": polars.Float64,
        "text": polars.String,
        "empty": polars.Null,
        "time": polars.Datetime("us", "UTC"),
    }
    series = []
    for column in columns:
        values = column.values(rows)
        kind = _kind_of(column, values)
        if kind == "time":
            values = [None if value is None else as_time(value) for value in values]
        elif kind == "number":
            values = [None if value is None else float(value) for value in values]
        elif kind not in kinds:
            values = [None if value is None else as_text(value) for value in values]
        series.append(polars.Series(column.name, values, dtype=kinds.get(kind, polars.String)))
    return polars.DataFrame(series)


def as_time(seconds: float) -> datetime:
    """Seconds since the epoch as a date and time in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def _kind_of(column: Column, values: Sequence[Any]) -> str:
    """`time`, `boolean`, `integer`, `number`, `text`, `empty`, or `mixed`."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if column.kind == "field" and column.key in TIMES:
        return "time"
    if not kinds:
        return "empty"
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        present = [value for value in values if value is not None]
        return "integer" if min(present) in _INT64 and max(present) in _INT64 else "mixed"
    if kinds <= {int, float}:
        return "number" if int not in kinds or all(map(_fits, values)) else "mixed"
    return "text" if all(issubclass(kind, str) for kind in kinds) else "mixed"


def _fits(value: Any) -> bool:
    """Whether a float can hold it: not an integer of hundreds of digits."""
    return type(value) is not int or -(2**1023) < value < 2**1023
