"""An index that is damaged, old, locked or read-only, and records that are damaged: the rest works, nothing is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machinable import Experiment, execute, get
from machinable.index import Search, open_index
from machinable.index.schema import VERSION


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    draw = random.Random(1)
    for _ in range(20):
        start = draw.randrange(100, len(data) - 600)
        data[start : start + 500] = draw.randbytes(500)
    path.write_bytes(data)


def make_older(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION - 1}")
        connection.execute("DELETE FROM component")


def make_newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.execute("DROP TABLE component")


def drop_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE about")
        connection.execute("DROP TABLE value")


def replace_by_directory(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(random.Random(0).randbytes(20_000)),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "zeros after the header": lambda path: path.write_bytes(
        path.read_bytes()[:100] + bytes(path.stat().st_size - 100)
    ),
    "text": lambda path: path.write_text("this is no database"),
    "cut": cut,
    "cut to a page": lambda path: path.write_bytes(path.read_bytes()[:4096]),
    "scrambled": scramble,
    "older": make_older,
    "newer": make_newer,
    "of somebody else": lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE a (b)")),
    "without tables": drop_tables,
    "a directory": replace_by_directory,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_an_index_that_can_not_be_used_is_made_anew(
    name: str, indexed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACHINABLE_CACHE", str(tmp_path / "cache"))
    index = open_index(str(indexed.root))
    index.refresh()
    expected = sorted((row["path"], row["status"]) for row in index.select())
    assert len(expected) == 4 and indexed.file.is_file()
    DAMAGE[name](indexed.file)
    # As one that opens it now, and as one that has it open.
    for other in (Search(str(indexed.root)), index):
        assert sorted((row["path"], row["status"]) for row in other.select()) == expected
        other.refresh()
        assert [row["config"]["lr"] for row in other.select("lr == 0.2 and loss == 0.4")] == [0.2]
        other.close()


@pytest.mark.parametrize("name", ["noise", "a directory"])
def test_what_the_command_line_says_is_right_and_alone(name: str, indexed: Any, tmp_path: Path) -> None:
    indexed.seen()
    DAMAGE[name](indexed.file)
    done = indexed.workspace.command("ls", "--json", MACHINABLE_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0 and not done.stderr and done.stdout.count('"module": "train"') == 4


@pytest.mark.parametrize("made_before", [True, False])
def test_a_read_only_storage_is_searched(made_before: bool, indexed: Any, tmp_path: Path) -> None:
    execute(Experiment().component("train", {"lr": 1.0}).repeat(96), storage=indexed.root, seed=1)
    expected = indexed.seen()
    if not made_before:
        indexed.file.unlink()
    else:  # something new, which the file can not take up
        expected[get("train", {"lr": 4.0}).launch().id] = ["finished", 8.0, 1]
    cache = tmp_path / "cache"
    with read_only(indexed.root):
        for _ in range(2):
            assert indexed.seen(MACHINABLE_CACHE=str(cache)) == expected
    assert len(list(cache.glob("index-*.sqlite"))) == 1
    assert indexed.file.exists() == made_before
    with read_only(indexed.root):  # and where there is no cache directory either
        blocked = tmp_path / "file"
        blocked.write_text("")
        assert indexed.seen(MACHINABLE_CACHE=str(blocked)) == expected


def test_a_locked_index_keeps_nobody_waiting_for_long(indexed: Any, tmp_path: Path) -> None:
    expected = indexed.seen()
    connection = sqlite3.connect(indexed.file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    expected[get("train", {"lr": 4.0}).launch().id] = ["finished", 8.0, 1]
    assert indexed.seen() == expected  # it can be read, and is taken from there
    connection.execute("ROLLBACK")
    connection.execute("BEGIN EXCLUSIVE")
    assert indexed.seen(MACHINABLE_CACHE=str(tmp_path)) == expected
    connection.execute("ROLLBACK")
    connection.close()
    assert indexed.seen() == expected


def test_damaged_records_are_named_and_the_rest_works(
    indexed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    components = {
        component.config.lr: component for component in get.all("train").where("status == 'finished'")
    }
    half, cut_one = Path(components[0.2].directory), Path(components[0.1].directory)
    (half / ".machinable" / "component.json").unlink()
    (cut_one / ".machinable" / "attempt-1.jsonl").unlink()
    (cut_one / ".machinable" / "attempt-1.jsonl").write_text('{"format":1,"kind":"star')
    (indexed.root / "preprocessed").mkdir()  # looks like the ID of a component
    (indexed.root / "preprocessed" / "data.csv").write_text("1")
    (indexed.root / "zzzzzzzzzzzz").write_text("a file")
    seen = indexed.seen()
    assert {path: row[0] for path, row in seen.items()} == {
        half.name: "damaged",
        cut_one.name: "running",  # it may be on its way over a network
        "preprocessed": "damaged",
        "zzzzzzzzzzzz": "damaged",
        get("train", {"fail": True}).id: "failed",
        "00000g/" + components[0.3].id: "finished",
    }
    capsys.readouterr()
    assert {component.id for component in get.all("train").where("loss > 0 and status == 'finished'")} == {
        components[0.3].id
    }
    told = capsys.readouterr().err
    assert f"{half.name}/.machinable/component.json is missing" in told and "preprocessed" in told
    os.rename(half, half.with_suffix(".aside"))
    shutil.rmtree(indexed.root / "preprocessed")
    (indexed.root / "zzzzzzzzzzzz").unlink()
    assert "damaged" not in {row[0] for row in indexed.seen().values()}


def test_a_damaged_table_does_not_hide_its_component(indexed: Any) -> None:
    component = get("train", {"lr": 0.2})
    (Path(component.directory) / "record.jsonl").write_text('{"loss": 1}\n{"loss": \n')
    os.utime(Path(component.directory) / ".machinable")
    index = open_index(str(indexed.root))
    index.refresh()
    row = index.with_prefix(component.id)[0]
    assert row["status"] == "finished" and row["record"] == {} and "is damaged in row" in row["evidence"]


def test_a_damaged_record_that_is_restored_is_found(indexed: Any) -> None:
    component = get("train", {"lr": 0.2})
    path = Path(component.directory) / ".machinable" / "component.json"
    data = path.read_bytes()
    path.write_bytes(data[:100])
    assert indexed.seen()[component.id][0] == "damaged"
    path.write_bytes(data)
    assert indexed.seen()[component.id] == ["finished", 0.4, 1]


class read_only:
    """The storage as one that can not be written; by permissions, or for root, who has all of them, by a mount."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mounted = False

    def __enter__(self) -> None:
        if os.geteuid() == 0:
            commands = [["mount", "--bind"], ["mount", "-o", "remount,bind,ro"]]
            done = subprocess.run([*commands[0], self._root, self._root], capture_output=True)
            if done.returncode:
                pytest.skip("as root, and nothing can be mounted here")
            self._mounted = True
            subprocess.run([*commands[1], self._root], check=True)
            return
        for path in self._paths():
            os.chmod(path, 0o555)

    def __exit__(self, *exception: object) -> None:
        if self._mounted:
            subprocess.run(["umount", self._root], check=True)
            return
        for path in self._paths():
            os.chmod(path, 0o755)

    def _paths(self) -> list[str]:
        return [directory for directory, _, _ in os.walk(self._root)]


def test_a_rebuilt_index_has_read_every_record_again(indexed: Any) -> None:
    component = get("train", {"lr": 0.2})
    path = Path(component.directory) / ".machinable" / "attempt-1.jsonl"
    times = path.parent.stat().st_atime, path.parent.stat().st_mtime
    indexed.seen()
    path.write_text(path.read_text().replace('"finished"', '"interrupted"'))  # by hand, and in place
    os.utime(path.parent, times)
    search = Search(str(indexed.root))
    assert search.rebuild() == 4
    assert search.with_prefix(component.id)[0]["status"] == "interrupted"
    done = indexed.workspace.command("index", "rebuild")
    assert done.returncode == 0
    assert indexed.seen()[component.id][0] == "interrupted"


WRONG: list[Any] = [None, 1, -1.5, "x", [], {}, [1], {"a": 1}, True, 10**30, [[[]]], {"a": {"b": [None]}}]


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_document_holds_its_record_is_read_or_damaged(data: Any, tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "data" / "storage-v1" / "TRrLv0nYIOqr"
    with tempfile.TemporaryDirectory(dir=tmp_path) as root:
        record = shutil.copytree(sample, Path(root) / sample.name)
        names = (".machinable/component.json", ".machinable/attempt-1.jsonl", "record.jsonl")
        path = record / data.draw(st.sampled_from(names))
        lines = path.read_text().splitlines()
        number = data.draw(st.integers(0, len(lines) - 1))
        lines[number] = json.dumps(changed(json.loads(lines[number]), data.draw))
        path.write_text("\n".join(lines) + "\n")
        search = Search(root)
        assert len(search.select()) + len(search.damaged()) == 1
        search.select(order="mean")
        search.close()


def changed(document: Any, draw: Any) -> Any:
    """The document with one value, at any depth, that does not belong there, or is missing."""
    if not isinstance(document, dict) or not document or draw(st.booleans()):
        return draw(st.sampled_from(WRONG))
    key = draw(st.sampled_from(sorted(document)))
    if draw(st.integers(0, 4)) == 0:
        return {name: value for name, value in document.items() if name != key}
    return {**document, key: changed(document[key], draw)}
