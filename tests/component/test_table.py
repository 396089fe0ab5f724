"""The table of measurements and its file."""

from __future__ import annotations

import enum
import errno
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.component.table import Table, read_rows, truncate_copy
from machinable.errors import DependencyMissing, StorageError


def table_at(path: Path) -> Table:
    return Table(str(path), lambda: os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


def test_a_saved_row_is_a_line_of_json_with_nothing_added(path: Path) -> None:
    record = table_at(path)
    record["loss"] = 0.5
    record["name"] = "é"
    assert not path.exists()
    record.save()
    assert path.read_text(encoding="utf-8") == '{"loss": 0.5, "name": "é"}\n'
    assert record.row == {}


def test_the_table_is_read_back(path: Path) -> None:
    record = table_at(path)
    assert record.empty and len(record) == 0 and record.latest is None and list(record) == []
    for epoch in range(3):
        record.update({"epoch": epoch, "loss": 1 / (epoch + 1)})
        assert "loss" in record and record["epoch"] == epoch and not record.empty
        record.save()
    assert "loss" not in record
    assert len(record) == 3
    assert record.latest == record[-1] == {"epoch": 2, "loss": 1 / 3}
    assert [row["epoch"] for row in record] == record.column("epoch") == [0, 1, 2]
    assert read_rows(str(path)) == list(record)
    assert "3 rows" in repr(record)
    with pytest.raises(KeyError):
        record["loss"]
    record.close()
    record["epoch"] = 3
    record.save()
    assert len(record) == 4


def test_nothing_is_saved_without_a_value(path: Path) -> None:
    table_at(path).save()
    assert not path.exists()


def test_a_changed_copy_of_a_row_changes_no_other(path: Path) -> None:
    record = table_at(path)
    record["a"] = 1
    record.save()
    for row in (record[0], record.latest, next(iter(record))):
        assert row is not None
        row["a"] = 2
    assert record[0] == {"a": 1}


def test_a_column_is_none_where_a_row_lacks_it_and_unknown_ones_name_the_nearest(path: Path) -> None:
    record = table_at(path)
    assert record.column("loss") == []
    record["loss"] = 1
    record.save()
    record["accuracy"] = 2
    record.save()
    assert record.column("accuracy") == [None, 2]
    with pytest.raises(StorageError, match=r"no column 'los'. Did you mean 'loss'\?"):
        record.column("los")
    with pytest.raises(StorageError, match=r"It has: loss, accuracy\."):
        record.column("zzz")


def test_nan_and_infinity_are_texts_in_the_file_and_floats_in_the_table(path: Path) -> None:
    record = table_at(path)
    record["x"] = [float("nan"), {"y": float("-inf")}]
    record["z"] = float("inf")
    record.save()
    assert json.loads(path.read_text()) == {"x": ["NaN", {"y": "-Infinity"}], "z": "Infinity"}
    (row,) = record
    assert math.isnan(row["x"][0]) and row["x"][1] == {"y": -math.inf} and row["z"] == math.inf
    assert read_rows(str(path))[0]["z"] == math.inf


class Color(enum.IntEnum):
    RED = 3


class Name(str, enum.Enum):
    ADA = "ada"


def test_values_of_other_kinds_become_plain(path: Path) -> None:
    np = pytest.importorskip("numpy")
    record = table_at(path)
    values = {
        "float64": (np.float64(0.5), 0.5),
        "float32": (np.float32(0.5), 0.5),
        "integer": (np.int64(3), 3),
        "boolean": (np.bool_(True), True),
        "array": (np.arange(3), [0, 1, 2]),
        "scalar array": (np.array(2.0), 2.0),
        "tuple": ((1, (2, np.float32(3))), [1, [2, 3.0]]),
        "color": (Color.RED, 3),
        "name": (Name.ADA, "ada"),
        "dict": ({"a": np.float32(1)}, {"a": 1.0}),
    }
    for name, (value, _) in values.items():
        record[name] = value
    record["numpy nan"] = np.float32("nan")
    record.save()
    row = record[0]
    assert math.isnan(row.pop("numpy nan"))
    assert row == {name: plain for name, (_, plain) in values.items()}
    assert all(type(row[name]) is type(plain) for name, (_, plain) in values.items())


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), {1: 2}, lambda: None, [object()]])
def test_a_value_that_json_can_not_hold_is_refused_where_it_is_set(value: Any, path: Path) -> None:
    record = table_at(path)
    with pytest.raises(StorageError, match=r"record\['bad'\]"):
        record["bad"] = value
    assert record.row == {}


def test_the_name_of_a_column_is_a_text(path: Path) -> None:
    with pytest.raises(StorageError, match="name of a column is a text, not 3"):
        table_at(path)[3] = 1  # type: ignore[index]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
).filter(lambda value: "NaN" not in repr(value) and "Infinity" not in repr(value))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(st.text(), values, min_size=1, max_size=3), max_size=5))
def test_any_rows_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.unlink(missing_ok=True)
    record = table_at(path)
    for row in rows:
        record.update(row)
        record.save()
    record.close()
    assert list(Table(str(path))) == rows


def test_a_growing_table_is_read_while_another_process_writes_it(path: Path) -> None:
    reader = Table(str(path))
    assert len(reader) == 0
    with open(path, "ab", buffering=0) as writer:
        writer.write(b'{"a": 1}\n{"a": ')
        assert reader.column("a") == [1]
        writer.write(b"2}\n")
        assert reader.column("a") == [1, 2]


def test_a_table_that_was_replaced_is_read_anew(path: Path, tmp_path: Path) -> None:
    reader = Table(str(path))
    path.write_text('{"a": 1}\n{"a": 2}\n')
    assert reader.column("a") == [1, 2]
    truncate_copy(str(path), 1, str(tmp_path / "temporary"))
    assert reader.column("a") == [1]
    path.unlink()
    assert len(reader) == 0


def test_a_table_can_be_only_read(path: Path) -> None:
    reader = Table(str(path))
    reader["a"] = 1
    with pytest.raises(StorageError, match="can only be read"):
        reader.save()


def test_the_row_that_a_killed_process_was_writing_is_ignored_and_removed_by_the_next(path: Path) -> None:
    path.write_bytes(b'{"a": 1}\n{"a": 2, "b": "' + b"x" * 100_000)
    assert read_rows(str(path)) == [{"a": 1}]
    record = table_at(path)
    record["a"] = 3
    record.save()
    assert path.read_bytes() == b'{"a": 1}\n{"a": 3}\n'
    path.write_bytes(b'{"a":')
    record = table_at(path)
    record["a"] = 4
    record.save()
    assert path.read_bytes() == b'{"a": 4}\n'


def test_a_killed_process_leaves_every_row_it_saved(path: Path) -> None:
    script = f"""
import os, signal
from machinable.component.table import Table
record = Table({str(path)!r}, lambda: os.open({str(path)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
for i in range(100):
    record["i"] = i
    record.save()
record["i"] = 100
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == -signal.SIGKILL
    assert Table(str(path)).column("i") == list(range(100))


def test_damage_within_the_table_is_named(path: Path) -> None:
    path.write_text('{"a": 1}\n{"a" 2}\n{"a": 3}\n')
    with pytest.raises(StorageError, match=r"record\.jsonl is damaged in row 2"):
        read_rows(str(path))
    path.write_text("[1]\n")
    with pytest.raises(StorageError, match="damaged in row 1, which is not an object"):
        read_rows(str(path))


def test_a_full_disk_is_an_error_and_spoils_no_row(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = table_at(path)
    record["a"] = 1
    record.save()
    real = os.write
    calls = []

    def nearly_full(fd: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:3])

    record["a"] = 2
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", nearly_full)
        with pytest.raises(StorageError, match=r"record\.jsonl can not be written: the disk is full"):
            record.save()
    assert path.read_text() == '{"a": 1}\n'
    assert record.row == {"a": 2}
    record.save()
    assert path.read_text() == '{"a": 1}\n{"a": 2}\n'


def test_a_row_that_is_written_in_pieces_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = table_at(path)
    record["a"] = "long" * 10
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
        record.save()
    assert record[0] == {"a": "long" * 10}


def test_a_copy_has_the_first_rows_and_the_old_writer_does_not_reach_it(path: Path, tmp_path: Path) -> None:
    old = table_at(path)
    for number in range(5):
        old["a"] = number
        old.save()
    truncate_copy(str(path), 3, str(tmp_path / "temporary"))
    old["a"] = 99
    old.save()
    assert Table(str(path)).column("a") == [0, 1, 2]
    assert os.listdir(tmp_path) == ["record.jsonl"]


def test_a_copy_of_more_rows_than_there_are_is_an_error_and_changes_nothing(
    path: Path, tmp_path: Path
) -> None:
    path.write_text('{"a": 1}\n{"a":')
    with pytest.raises(StorageError, match="has 1 rows, but its checkpoint is of 2"):
        truncate_copy(str(path), 2, str(tmp_path / "temporary"))
    assert path.read_text() == '{"a": 1}\n{"a":'
    assert os.listdir(tmp_path) == ["record.jsonl"]


def test_no_rows_of_no_table_are_no_table(path: Path, tmp_path: Path) -> None:
    truncate_copy(str(path), 0, str(tmp_path / "temporary"))
    assert os.listdir(tmp_path) == []
    path.write_text('{"a": 1}\n')
    truncate_copy(str(path), 0, str(tmp_path / "temporary"))
    assert path.read_text() == ""


def test_a_copy_that_can_not_be_made_leaves_the_table(path: Path, tmp_path: Path) -> None:
    path.write_text('{"a": 1}\n')
    with pytest.raises(StorageError, match="can not be cut to 1 rows"):
        truncate_copy(str(path), 1, str(tmp_path / "missing" / "temporary"))
    (tmp_path / "temporary").write_text("another's")
    with pytest.raises(StorageError, match="File exists"):
        truncate_copy(str(path), 1, str(tmp_path / "temporary"))
    assert (tmp_path / "temporary").read_text() == "another's"


def test_a_frame_needs_pandas(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyMissing, match=r"machinable\[pandas\]"):
        table_at(path).to_pandas()
