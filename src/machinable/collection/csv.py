"""Rows as CSV, which pandas, Polars, R and spreadsheets read back as what they were."""

from __future__ import annotations

import os

from machinable.collection.frames import as_time
from machinable.collection.ordering import as_text
from machinable.errors import StorageError
from machinable.execution.columns import TIMES
from machinable.store.files import reason

__all__ = ["csv_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from machinable.execution.columns import Column


def csv_of(
    rows: Sequence[dict[str, Any]], columns: Sequence[Column], path: str | os.PathLike[str] | None = None
) -> str | None:
    """The values of the columns, as CSV with a header: written to `path`, in UTF-8, or returned where there is none.

    What is missing is empty. Booleans are `true` and `false`, numbers in full precision, points in time ISO 8601 in
    UTC, lists and dicts JSON.

    Raises:
        StorageError: If the file can not be written.
    """
    import csv
    import io

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    fields = [[_field(column, value) for value in column.values(rows)] for column in columns]
    writer.writerows(zip(*fields, strict=True))
    if path is None:
        return text.getvalue()
    place = os.path.expanduser(os.fspath(path))
    try:
        with open(place, "w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            file.write(text.getvalue())
    except OSError as error:
        raise StorageError(f"{place} can not be written: {reason(error)}") from error
    return None


def _field(column: Column, value: Any) -> Any:
    if value is None:
        return ""
    if column.kind == "field" and column.key in TIMES:
        return as_time(value).isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return as_text(value)
    return value
