"""`machinable du`: how many bytes are kept, and for what."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machinable import get

Run = Callable[..., Any]


def size_on_disk(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())


def test_all_bytes_are_counted_once(machinable: Run, project: Path) -> None:
    machinable("train", "steps=1", "--launch")
    machinable("execute", "mnist_data", "name=a,b", "--grid", "--seed", "1")
    (gone,) = (each for each in get.all("mnist_data") if each.config.name == "a")
    machinable("rm", gone.id, "--yes")
    machinable("index", "rebuild")
    (project / "storage" / "mine.txt").write_text("mine")
    document = json.loads(machinable("du", "--json").out)
    assert document["bytes"] == size_on_disk(project / "storage")
    modules = {each["module"]: each for each in document["modules"]}
    assert modules["train"]["components"] == 1 and modules["mnist_data"]["components"] == 2
    assert {each["execution"] for each in document["executions"]} == {None, "000001"}
    assert {"trash", "code", "index", "other"} <= document["apart"].keys()
    trash = project / "storage/.machinable/trash"
    assert document["apart"]["trash"]["bytes"] == size_on_disk(trash)
    (train,) = get.all("train")
    (row,) = (each for each in document["components"] if each["path"] == train.id)
    assert row["bytes"] == size_on_disk(Path(train.directory))


def test_kinds_of_files(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (data,) = get.all("mnist_data")
    directory = Path(data.directory)
    checkpoint = directory / ".machinable/checkpoints/3"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_bytes(b"w" * 5000)
    (directory / "output-2.log").write_bytes(b"o" * 300)
    (directory / "output").mkdir()
    (directory / "output" / "output.log").write_bytes(b"f" * 20)
    (directory / "link").symlink_to("/")
    (row,) = json.loads(machinable("du", "--json").out)["components"]
    assert row["checkpoints"] == 5000
    assert row["logs"] == 300 + (directory / "output.log").stat().st_size
    assert row["files"] == (directory / "data.json").stat().st_size + 20 + len("/")


def test_the_largest_come_first(machinable: Run, project: Path) -> None:
    machinable("train", "steps=1", "--launch")
    (data,) = get.all("mnist_data")
    Path(data.directory, "big").write_bytes(b"x" * 2_000_000)
    out = machinable("du").out
    assert out.index("mnist_data") < out.index("train") and "2.0 MB" in out
    lines = machinable("du", "mnist_data").out.splitlines()
    assert lines[0].startswith("2.0 MB in ./storage: 1 component of mnist_data") and data.id in lines[-1]


def test_empty_absent_and_unknown(machinable: Run, project: Path) -> None:
    done = machinable("du")
    assert done.code == 0 and done.out == "" and "there is nothing in ./storage" in done.err
    assert not os.path.exists("storage")
    (project / "empty").mkdir()
    assert json.loads(machinable("--storage", "empty", "du", "--json").out)["bytes"] == 0
    machinable("mnist_data", "--launch")
    assert "there is no component of trian" in machinable("du", "trian").err
    assert "one module at most" in machinable("du", "a", "b").refused()


def test_a_damaged_record_still_takes_its_bytes(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (data,) = get.all("mnist_data")
    Path(data.directory, ".machinable", "component.json").write_bytes(b"")
    assert "(damaged)" in machinable("du").out
