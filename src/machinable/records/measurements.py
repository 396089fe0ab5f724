"""Rows of measurements as `record.jsonl` holds them: whole lines of JSON, texts standing for NaN and infinity."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.records.decoding import decode
from machinable.records.elsewhere import told_row
from machinable.store.files import reason

__all__ = ["MEASUREMENTS", "last_row", "parse_rows"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The file in a record's directory.
MEASUREMENTS = "record.jsonl"

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

#: How much of the end of a file is read first, in bytes: rows are short, and many records are read in a row.
_TAIL = 4096

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def last_row(path: str) -> dict[str, Any] | None:
    """The last complete row of a table's file, of which no more than its end is read; `None` if there is none.

    Raises:
        StorageError: If the file can not be read, or the row is damaged.
    """
    told = told_row(path)
    if told is not None:
        return _special_as_float(told) or None
    try:
        descriptor = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"{path} can not be read: {reason(error)}") from error
    try:
        size, length, content = os.fstat(descriptor).st_size, _TAIL, b""
        while True:
            start = max(0, size - length)
            os.lseek(descriptor, start, os.SEEK_SET)
            content = _read(descriptor, size - start)
            if start == 0 or content.count(b"\n") > 1:
                break
            length *= 16
    except OSError as error:
        raise StorageError(f"{path} can not be read: {reason(error)}") from error
    finally:
        os.close(descriptor)
    end = content.rfind(b"\n")
    if end < 0:
        return None
    return parse_rows(path, content[content.rfind(b"\n", 0, end) + 1 : end + 1])[0]


def parse_rows(path: str, content: bytes, before: int = 0) -> list[dict[str, Any]]:
    """The rows in complete lines.

    Args:
        path: For the messages.
        before: How many rows stand before these in the file.
    Raises:
        StorageError: If a line is damaged.
    """
    rows = []
    # Not splitlines(), which splits at characters that JSON leaves as they are.
    for number, line in enumerate(content.split(b"\n")[:-1], start=before + 1):
        try:
            row = decode(line)
        except (ValueError, RecursionError) as error:
            raise StorageError(f"{path} is damaged in row {number}: {line[:60]!r}") from error
        if not isinstance(row, dict):
            raise StorageError(f"{path} is damaged in row {number}, which is not an object: {line[:60]!r}")
        rows.append(_special_as_float(row) if b'"NaN"' in line or b'Infinity"' in line else row)
    return rows


def _read(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size:
        more = os.read(descriptor, size - len(data))
        if not more:
            break
        data += more
    return data


def _special_as_float(value: Any) -> Any:
    if isinstance(value, str):
        return _SPECIAL.get(value, value)
    if isinstance(value, dict):
        return {name: _special_as_float(each) for name, each in value.items()}
    return [_special_as_float(each) for each in value] if isinstance(value, list) else value
