"""The table of a component's measurements: one JSON line per row, readable while it grows."""

from __future__ import annotations

import json
import os
import threading

from machinable.errors import DependencyMissing, StorageError
from machinable.records.measurements import last_row, parse_rows
from machinable.store.files import reason, remove_file
from machinable.wording import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

__all__ = ["Table", "last_row", "read_rows", "truncate_copy"]

_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


class Table:
    """Rows of measurements. `table["loss"] = 0.1` sets a value of the row that `save()` appends.

    Values are JSON: numbers, texts, booleans, None, and lists and dicts of them; arrays and NumPy numbers
    become lists and numbers. NaN and infinity, which matter in measurements and which JSON lacks, are stored
    as the strings "NaN", "Infinity" and "-Infinity"; this class and `read_rows` give them back as floats (so
    a text that is just one of these words comes back as a float).

    Iterating and `len` are over the saved rows, which are read from the file, also while another process
    writes it.

    Args:
        path: The file. It need not exist.
        open_file: Gives a descriptor of the file in append mode; called when the first row is saved. None:
            the table is only read.
    """

    def __init__(self, path: str, open_file: Callable[[], int] | None = None) -> None:
        self.path = path
        self.row: dict[str, Any] = {}  # the values set since the last `save`
        self._open_file = open_file
        self._fd = -1
        self._lock = threading.RLock()
        self._rows: list[dict[str, Any]] = []  # what was read so far,
        self._offset = 0  # up to where,
        self._inode = -1  # and from which file

    def __setitem__(self, column: str, value: Any) -> None:
        if not isinstance(column, str):
            raise StorageError(f"the name of a column is a text, not {column!r} ({type(column).__name__}).")
        self.row[column] = value if type(value) in _PLAIN else _plain(value, column)

    def __getitem__(self, key: str | int) -> Any:
        """The value of a column in the row that is not saved yet; with a number, a saved row."""
        if isinstance(key, str):
            return self.row[key]
        return dict(self._read()[key])

    def __contains__(self, column: object) -> bool:
        """Whether the row that is not saved yet has this column."""
        return column in self.row

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([dict(row) for row in self._read()])

    def __len__(self) -> int:
        return len(self._read())

    def __bool__(self) -> bool:
        return True  # there is a table, if an empty one

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows: {self.path}>"

    @property
    def empty(self) -> bool:
        """Whether there is neither a saved row nor a value waiting to be saved."""
        return not self.row and not self._read()

    @property
    def latest(self) -> dict[str, Any] | None:
        """The row saved last."""
        rows = self._read()
        return dict(rows[-1]) if rows else None

    def column(self, name: str) -> list[Any]:
        """The column's value in each saved row, None in rows that lack it."""
        rows = self._read()
        known = {column: None for row in rows for column in row}
        if name not in known and rows:
            near = nearest(name, known)
            hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(known)}."
            raise StorageError(f"the record has no column {name!r}. {hint}")
        return [row.get(name) for row in rows]

    def to_pandas(self) -> Any:
        """The saved rows as a pandas.DataFrame."""
        try:
            import pandas  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ModuleNotFoundError as error:
            raise DependencyMissing("to_pandas() needs pandas: pip install 'machinable[pandas]'") from error
        return pandas.DataFrame(self._read())

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several values of the row."""
        for column, value in values.items():
            self[column] = value

    def save(self) -> None:
        """Append the row and begin a new one. Nothing is written if no value was set.

        Raises:
            StorageError: If the row could not be written. It is kept, and can be saved again.
        """
        with self._lock:
            if not self.row:
                return
            try:
                line = _encode(self.row)
            except ValueError:  # NaN or infinity
                line = _encode(_special_as_text(self.row))
            try:
                fd = self._fd if self._fd >= 0 else self._open()
                _append(fd, line.encode("utf-8", "backslashreplace") + b"\n")
            except OSError as error:
                raise StorageError(f"{self.path} can not be written: {reason(error)}") from error
            self.row = {}

    def close(self) -> None:
        """Close the file. A row saved later opens it again."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                try:
                    os.close(fd)
                except OSError as error:  # NFS tells here that the disk is full
                    raise StorageError(f"{self.path} can not be written: {reason(error)}") from error

    def _open(self) -> int:
        if self._open_file is None:
            raise StorageError(f"{self.path} can only be read: its component does not run here.")
        fd = self._open_file()
        try:
            size = os.fstat(fd).st_size
            if size:
                # The row that an earlier process was writing when it was killed.
                whole = _end_of_rows(self.path, size)
                if whole < size:
                    os.ftruncate(fd, whole)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return fd

    def _read(self) -> list[dict[str, Any]]:
        with self._lock:
            try:
                fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except FileNotFoundError:
                self._rows, self._offset, self._inode = [], 0, -1
                return self._rows
            except OSError as error:
                raise StorageError(f"{self.path} can not be read: {reason(error)}") from error
            with open(fd, "rb") as stream:
                status = os.fstat(fd)
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._rows, self._offset, self._inode = [], 0, status.st_ino
                if status.st_size > self._offset:
                    stream.seek(self._offset)
                    content = stream.read()
                    whole = content.rfind(b"\n") + 1
                    rows = parse_rows(self.path, content[:whole], len(self._rows))
                    self._rows = self._rows + rows if self._rows else rows
                    self._offset += whole
            return self._rows


def read_rows(path: str) -> list[dict[str, Any]]:
    """The rows of a table's file, without a last line that is not complete; none if there is no file.

    Raises:
        StorageError: If the file can not be read, or a complete line is damaged.
    """
    return list(Table(path))


def truncate_copy(path: str, rows: int, temporary: str) -> None:
    """Put a copy of the first rows in the place of the file, under which another process may still write its own.

    Args:
        rows: How many rows remain. 0 is fine if there is no file; then there is none afterwards.
        temporary: Where the copy is made: on the same file system, a name that nobody else uses.
    Raises:
        StorageError: If the file has fewer complete rows, or the copy can not be made.
    """
    try:
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except FileNotFoundError:
            if rows == 0:
                return
            content = b""
        end = 0
        for kept in range(rows):
            end = content.find(b"\n", end) + 1
            if not end:
                raise StorageError(f"{path} has {kept} rows, but its checkpoint is of {rows}.")
        copy = open(temporary, "xb")  # noqa: SIM115
        try:
            with copy:
                copy.write(content[:end])
                copy.flush()
                os.fsync(copy.fileno())  # the rename must not reach the disk before the rows
            os.replace(temporary, path)
        except BaseException:
            remove_file(temporary)
            raise
    except OSError as error:
        raise StorageError(f"{path} can not be cut to {rows} rows: {reason(error)}") from error


def _append(fd: int, line: bytes) -> None:
    """Append a line whole or not at all: a part of one would spoil the next."""
    written = 0
    try:
        while written < len(line):
            written += os.write(fd, line[written:] if written else line)
    except OSError:
        if written:
            os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise


def _end_of_rows(path: str, size: int) -> int:
    """Where the last complete line ends."""
    with open(path, "rb") as stream:
        end = size
        while end > 0:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


_PLAIN = frozenset({float, int, str, bool, type(None)})


def _plain(value: Any, column: str) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise StorageError(
                    f"record[{column!r}] has the key {name!r}; the keys of a stored dict are texts."
                )
        return {name: _plain(each, column) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, column) for each in value]
    # Enumerations and NumPy's float64 are subclasses; taken as their base, whatever they print as.
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    as_python = getattr(value, "tolist", None) or getattr(value, "item", None)
    if as_python is not None:  # arrays, and single numbers, of NumPy, PyTorch, JAX
        plain = as_python()
        if type(plain) is not type(value):
            return _plain(plain, column)
    raise StorageError(
        f"record[{column!r}] is {value!r:.60} ({type(value).__name__}), which JSON can not hold; convert it first."
    )


def _special_as_text(value: Any) -> Any:
    if isinstance(value, float) and not float("-inf") < value < float("inf"):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _special_as_text(each) for name, each in value.items()}
    return [_special_as_text(each) for each in value] if isinstance(value, list) else value
