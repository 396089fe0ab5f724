"""A component's files, on a real file system."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.component import files
from machinable.component.files import inside, load, save
from machinable.errors import DependencyMissing, StorageError

np = pytest.importorskip("numpy")


@pytest.fixture
def there(tmp_path: Path) -> Callable[[str, Any], Any]:
    def save_and_load(name: str, data: Any) -> Any:
        save(str(tmp_path / name), data, str(tmp_path / "temporary"))
        return load(str(tmp_path / name))

    return save_and_load


ThereAndBack = Callable[[str, Any], Any]

ROUND_TRIPS: list[tuple[str, Any]] = [
    ("a.json", {"loss": 0.1, "é": [1, None, True, "\u2028"], "deep": {"x": {}}}),
    ("a.JSON", [1, 2]),
    ("a.json", "\ud800 half a pair"),
    ("a.jsonl", [{"a": 1}, [2], "three\u2028", None]),
    ("a.jsonl", []),
    ("a.csv", [{"a": 1, "b": "x"}, {"a": 2.5, "b": 'y,\n"z"'}, {"a": -3e-7, "b": "007"}]),
    ("a.csv", [{"flag": True, "none": None}, {"flag": False, "none": 1}]),
    ("a.csv", []),
    ("a.p", {"set": {1, 2}, "path": pathlib.PurePosixPath("/x")}),
    ("a.txt", "é\r\n"),
    ("model.bin", b"\xff\x00"),
    ("README", "plain text"),
    (".json", "no suffix"),
    ("v1.2/weights", b"\xff"),
]


@pytest.mark.parametrize(("name", "data"), ROUND_TRIPS)
def test_what_is_saved_is_loaded_again(name: str, data: Any, there: ThereAndBack) -> None:
    assert there(name, data) == data


steady = settings(deadline=None, max_examples=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@steady
@given(json_values, st.sampled_from([".json", ".jsonl"]))
def test_any_json_value_is_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, value: Any, suffix: str
) -> None:
    path = str(tmp_path_factory.getbasetemp() / f"any{suffix}")
    data = [value] if suffix == ".jsonl" else value
    save(path, data, path + ".temporary")
    assert load(path) == data


@steady
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.floats(allow_nan=False), min_size=3))
)
def test_numbers_in_csv_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    path = str(tmp_path_factory.getbasetemp() / "any.csv")
    save(path, rows, path + ".temporary")
    back = load(path)
    assert back == rows
    assert [[type(value) for value in row.values()] for row in back] == [
        [type(row[name]) for name in rows[0]] for row in rows
    ]


def test_arrays_and_numpy_numbers_in_json_become_lists_and_numbers(there: ThereAndBack) -> None:
    data = {"array": np.arange(3), "number": np.float32(0.5), "path": pathlib.PurePosixPath("a/b")}
    assert there("a.json", data) == {"array": [0, 1, 2], "number": 0.5, "path": "a/b"}


def test_arrays_are_loaded_again(there: ThereAndBack) -> None:
    array = np.random.RandomState(0).rand(3, 4).astype("float32")
    back = there("a.npy", array)
    assert back.dtype == array.dtype and (back == array).all()
    named = there("a.npz", {"file": array, "allow_pickle": [1, 2], "a/b": np.array("text")})
    assert sorted(named) == ["a/b", "allow_pickle", "file"]
    assert (named["file"] == array).all() and named["allow_pickle"].tolist() == [1, 2]
    with pytest.raises(StorageError, match="a dict of arrays"):
        there("a.npz", [array])


def test_the_same_arrays_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        save(str(tmp_path / name), {"a": np.zeros(3)}, str(tmp_path / "temporary"))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("a socket stays here")


circle: list[Any] = []
circle.append(circle)

UNFIT: list[tuple[str, Any, str]] = [
    ("a.json", {"loss": float("nan")}, "NaN or infinity"),
    ("a.json", {"loss": np.array([np.inf])}, "NaN or infinity"),
    ("a.json", {1, 2}, "type set"),
    ("a.json", circle, "contains itself"),
    ("a.jsonl", {"a": 1}, "a list of rows"),
    ("a.jsonl", 3, "a list of rows"),
    ("a.csv", {"a": [1]}, "a list of dicts"),
    ("a.csv", [1], "a list of dicts"),
    ("a.csv", [{"a": [1]}], "in column 'a'"),
    ("a.txt", 3, "text"),
    ("a.txt", "\ud800", "UTF-8"),
    ("a.p", Unpicklable(), "a socket stays here"),
    ("a.npy", np.array([object()]), "only numbers and texts"),
    ("a.npz", {"a": np.array([object()])}, "in 'a'"),
    ("a.dat", {"a": 1}, r"a str or bytes under this suffix \(other data: .csv .json .jsonl"),
]


@pytest.mark.parametrize(("name", "data", "message"), UNFIT)
def test_data_that_does_not_fit_is_one_clear_error_and_leaves_no_file(
    name: str, data: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match=message) as caught:
        save(str(tmp_path / name), data, str(tmp_path / "temporary"))
    assert name in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


class Frame:
    """As much of a data frame as is used: of pandas."""

    index = range(0)

    def to_csv(self, index: bool) -> str:
        return f"index\n{index}\n"


def test_a_data_frame_writes_its_own_csv(there: ThereAndBack) -> None:
    assert there("a.csv", Frame()) == [{"index": True}]


def test_a_number_with_more_digits_than_python_converts_stays_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n" + "9" * 5000 + "\n")
    assert load(str(tmp_path / "a.csv")) == [{"a": "9" * 5000}]


def test_parquet_without_a_library_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.parquet"
    with pytest.raises(DependencyMissing, match=r"pip install 'machinable\[parquet\]'"):
        save(str(path), [{"a": 1}], str(tmp_path / "temporary"))
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"PAR1")
    with pytest.raises(DependencyMissing, match=r"machinable\[parquet\]"):
        load(str(path))


def test_parquet_is_loaded_again(there: ThereAndBack) -> None:
    pytest.importorskip("pyarrow")
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    for data in (rows, {"a": [1, 2], "b": ["x", "y"]}):
        back = there("a.parquet", data)
        as_rows = back.to_dict("records") if hasattr(back, "to_dict") else back.to_pylist()
        assert as_rows == rows


def test_a_library_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(DependencyMissing, match="pip install numpy"):
        save(str(tmp_path / "a.npy"), [1], str(tmp_path / "temporary"))


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    save(str(path), "old and longer", str(tmp_path / "temporary"))
    with open(path) as reader:
        save(str(path), "new", str(tmp_path / "temporary"))
        assert reader.read() == "old and longer"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_directories_are_made(tmp_path: Path) -> None:
    save(str(tmp_path / "a" / "b" / "c.txt"), "text", str(tmp_path / "d" / "e" / "temporary"))
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_a_save_creates_once_and_renames_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return real(*arguments, **options)

        return call

    counting = types.SimpleNamespace(**vars(os))
    for name in (
        "open",
        "replace",
        "rename",
        "mkdir",
        "makedirs",
        "write",
        "close",
        "stat",
        "unlink",
        "fsync",
    ):
        setattr(counting, name, counted(name))
    monkeypatch.setattr(files, "os", counting)
    save(str(tmp_path / "a.json"), {"a": 1}, str(tmp_path / "temporary"))
    assert calls == ["open", "write", "close", "replace"]


def test_a_temporary_name_that_is_taken_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "temporary").write_text("another's")
    with pytest.raises(StorageError, match="File exists"):
        save(str(tmp_path / "a.txt"), "text", str(tmp_path / "temporary"))
    assert (tmp_path / "temporary").read_text() == "another's"


def test_a_failing_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(str(tmp_path / "a.txt"), "old", str(tmp_path / "temporary"))

    def full(fd: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match=r"a\.txt can not be written: the disk is full"):
            save(str(tmp_path / "a.txt"), "new", str(tmp_path / "temporary"))
    assert load(str(tmp_path / "a.txt")) == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_where_a_directory_is_expected_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(StorageError, match="can not be written"):
        save(str(tmp_path / "a" / "b.txt"), "text", str(tmp_path / "temporary"))
    assert os.listdir(tmp_path) == ["a"]


def test_a_read_only_directory_is_named_as_such(tmp_path: Path) -> None:
    script = f"""
import os, sys
from machinable.component.files import save
from machinable.errors import StorageError
os.chmod({str(tmp_path)!r}, 0o555)
if os.getuid() == 0:
    os.setuid(65534)
try:
    save({str(tmp_path / "a.txt")!r}, "text", {str(tmp_path / "temporary")!r})
except StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "a.txt can not be written: permission denied" in done.stdout, done.stderr


def test_an_absent_file_is_a_file_not_found_error_or_the_default(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    for name in ("missing.json", "a/b.json"):
        with pytest.raises(FileNotFoundError) as caught:
            load(str(tmp_path / name))
        assert caught.value.filename == str(tmp_path / name)
        assert load(str(tmp_path / name), None) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"a": '),
        ("a.jsonl", b"1\n{"),
        ("a.npy", b"no array"),
        ("a.npz", b"no archive"),
        ("a.p", b"no pickle"),
        ("a.p", b"cnowhere_at_all\nThing\n."),
        ("a.txt", b"\xff"),
    ],
)
def test_a_file_that_does_not_hold_its_format_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError, match=rf"{name} can not be read"):
        load(str(tmp_path / name), None)


def test_a_directory_can_not_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="directory"):
        load(str(tmp_path))


def test_an_array_on_disk_can_not_run_code(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([print]), allow_pickle=True)
    with pytest.raises(StorageError, match="allow_pickle"):
        load(str(tmp_path / "a.npy"))


@pytest.mark.parametrize("path", ["a.json", "a/b.json", "./a", "a//b", ".hidden", "..a", "a..", Path("a/b")])
def test_names_inside_the_directory_are_fine(path: Any, tmp_path: Path) -> None:
    assert inside(str(tmp_path), path) == os.path.join(tmp_path, os.path.normpath(path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etc/passwd", "absolute"),
        ("../x", r"leads out .* leave out the '\.\.'"),
        ("a/../../x", "leads out"),
        ("a/..", "leads out"),
        ("..", "leads out"),
        (".machinable/component.json", "machinable's own"),
        ("./.machinable", "machinable's own"),
        (".Machinable/x", "machinable's own"),
        ("", "not the name of a file"),
        ("a\0b", "not the name of a file"),
    ],
)
def test_names_outside_the_directory_are_refused(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=message):
        inside(str(tmp_path), path)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-outside"
    (root / "real" / "deep").mkdir(parents=True)
    (root / ".machinable").mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "real" / "out").symlink_to("../../root-outside")
    (root / "own").symlink_to(".machinable")
    (root / "within").symlink_to("real/deep")
    for name in ("out/x", "real/out/x", "real/out/y/x"):
        with pytest.raises(StorageError, match="leads out"):
            inside(str(root), name)
    with pytest.raises(StorageError, match=r"leads into \.machinable"):
        inside(str(root), "own/component.json")
    assert inside(str(root), "within/x") == str(root / "within" / "x")


def test_a_root_that_is_reached_by_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real" / "a").mkdir(parents=True)
    (tmp_path / "real" / "b").symlink_to("a")
    (tmp_path / "root").symlink_to("real")
    assert inside(str(tmp_path / "root"), "b/x") == str(tmp_path / "root" / "b" / "x")


def test_a_link_as_the_last_part_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target.txt"
    root.mkdir()
    target.write_text("outside")
    (root / "a.txt").symlink_to(target)
    save(inside(str(root), "a.txt"), "inside", str(root / "temporary"))
    assert target.read_text() == "outside"
    assert not (root / "a.txt").is_symlink()


def test_killed_while_saving_the_file_is_old_or_new(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    script = f"""
import os, signal, sys
from machinable.component import files
left = int(sys.argv[1])
def dying(name):
    real = getattr(os, name)
    def call(*arguments):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*arguments)
    return call
for name in ("open", "write", "close", "replace"):
    setattr(os, name, dying(name))
files.save({str(path)!r}, {{"new": list(range(100))}}, {str(tmp_path)!r} + "/temporary-" + sys.argv[1])
"""
    path.write_text('{"old": 1}')
    for calls in range(4):
        done = subprocess.run([sys.executable, "-c", script, str(calls)], timeout=60)
        assert done.returncode < 0
        assert json.loads(path.read_text()) == {"old": 1}
    assert subprocess.run([sys.executable, "-c", script, "4"], timeout=60).returncode == 0
    assert load(str(path)) == {"new": list(range(100))}
