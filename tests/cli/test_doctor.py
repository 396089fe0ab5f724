"""`machinable doctor`: what is wrong with a storage, and what is mended."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get
from machinable.index import forget_indexes

Run = Callable[..., Any]


@pytest.fixture
def storage(machinable: Run, project: Path) -> Path:
    machinable("train", "steps=1", "--launch")
    machinable("execute", "mnist_data", "name=a,b", "--grid", "--seed", "1")
    return project / "storage"


def findings(machinable: Run, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = machinable("doctor", "--json", *words)
    document = json.loads(done.out)
    assert document["sound"] is (done.code == 0)
    return done.code, document["findings"]


def kinds(machinable: Run, *words: str) -> list[str]:
    return sorted(each["kind"] for each in findings(machinable, *words)[1])


def meta(module: str) -> Path:
    (component, *_) = get.all(module)
    return Path(component.directory, ".machinable")


def change(path: Path, **values: Any) -> None:
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({**document, **values}) + "\n")


def test_a_sound_storage(machinable: Run, storage: Path) -> None:
    before = {
        path: path.read_bytes() for path in storage.rglob("*") if path.is_file() and "index" not in path.name
    }
    done = machinable("doctor")
    assert done.code == 0 and done.out.rstrip().endswith("all is well"), done.out
    assert "4 components · 1 execution" in done.out
    document = json.loads(machinable("doctor", "--json").out)
    assert document["sound"] and document["findings"] == []
    assert document["writable"] and document["hard_links"] in (True, False)
    after = {
        path: path.read_bytes() for path in storage.rglob("*") if path.is_file() and "index" not in path.name
    }
    assert before == after


def test_no_storage_and_an_empty_one(machinable: Run, project: Path) -> None:
    done = machinable("doctor")
    assert done.code == 0 and "does not exist yet" in done.out and not os.path.exists("storage")
    (project / "storage").mkdir()
    assert machinable("doctor").code == 0


DAMAGE = {
    "document cut": (lambda m: (m / "component.json").write_bytes(b'{"format":1,"ki'), "cut"),
    "document empty": (lambda m: (m / "component.json").write_bytes(b""), "cut"),
    "document broken": (lambda m: (m / "component.json").write_text('{"format":1,,}'), "document"),
    "document gone": (lambda m: (m / "component.json").unlink(), "document"),
    "document incomplete": (lambda m: change(m / "component.json", shape=None), "document"),
    "configuration edited": (
        lambda m: change(
            m / "component.json",
            request={**json.loads((m / "component.json").read_text())["request"], "config": {}},
        ),
        "identity",
    ),
    "identity edited": (lambda m: change(m / "component.json", identity="0" * 64), "identity"),
    "id edited": (lambda m: change(m / "component.json", id="0" * 12), "identity"),
    "seed edited": (lambda m: change(m / "component.json", seed=7), "seed"),
    "renamed": (lambda m: m.parent.rename(m.parent.parent / "A0A0A0A0A0A0"), "renamed"),
    "attempt gone": (lambda m: (m / "attempt-1.jsonl").unlink(), "attempts"),
    "attempt broken": (lambda m: (m / "attempt-1.jsonl").write_text("{,}\n"), "attempts"),
    "note broken": (
        lambda m: (m / "notes").mkdir() or (m / "notes" / "1-a.json").write_text("{,}"),
        "attempts",
    ),
    "table broken": (lambda m: (m.parent / "record.jsonl").write_text('{"a": 1}\n{,}\n'), "table"),
    "checkpoint broken": (
        lambda m: (
            (m / "checkpoints" / "3").mkdir(parents=True)
            or (m / "checkpoints/3/checkpoint.json").write_text("{")
        ),
        "checkpoint",
    ),
    "meta is a file": (lambda m: shutil.rmtree(m) or m.write_text(""), "document"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_found(machinable: Run, storage: Path, name: str) -> None:
    damage, kind = DAMAGE[name]
    damage(meta("train"))
    code, found = findings(machinable)
    wrong = [each for each in found if each["severity"] == "wrong"]
    assert code == 1 and kind in {each["kind"] for each in wrong}, found
    for each in found:
        assert each["what"] and each["mend"] and not os.path.isabs(each["where"])
    assert machinable("doctor").out.count("wrong: ") == len(wrong)


def test_records_cut_by_a_crash_go_to_the_trash(machinable: Run, storage: Path) -> None:
    directory = meta("train").parent
    (directory / ".machinable" / "component.json").write_bytes(b"")
    done = machinable("doctor", "--fix")
    assert done.code == 0 and "mended: " in done.out and not directory.exists()
    assert list((storage / ".machinable/trash").glob(f"{directory.name}.*"))
    assert machinable("doctor").code == 0


def test_leftovers_of_dead_processes_are_swept(machinable: Run, storage: Path) -> None:
    dead = f".{'A' * 12}.{_dead_token()}"
    (storage / dead).mkdir()
    (meta("train") / f".tmp.{_dead_token()}").write_text("half")
    assert kinds(machinable) == ["leftover", "leftover"]
    assert machinable("doctor").code == 0  # harmless
    assert machinable("doctor", "--fix").code == 0
    assert kinds(machinable) == [] and not (storage / dead).exists()


def _dead_token() -> str:
    from machinable.store import owner

    machine, _, _, rest = owner.token().split("-")
    return f"{machine}-999999999-1-{rest}"


def test_shapes_are_made_anew(machinable: Run, storage: Path) -> None:
    shapes = storage / ".machinable/shapes"
    (path,) = (shapes / "train.Train").iterdir()
    whole = path.read_bytes()
    path.write_bytes(b"{,}")
    assert kinds(machinable) == ["shapes"]
    assert machinable("doctor", "--fix").code == 0
    assert path.read_bytes() == whole
    path.unlink()
    assert kinds(machinable) == ["shapes"]
    assert machinable("doctor", "--fix").code == 0 and path.exists()


def test_snapshots_hold_what_their_names_say(machinable: Run, storage: Path) -> None:
    (path,) = (storage / ".machinable/code").glob("*.zip")
    other = path.with_name(f"{'0' * 32}.zip")
    shutil.copy(path, other)
    assert kinds(machinable) == ["snapshot"]
    other.write_bytes(path.read_bytes()[:-100])
    assert kinds(machinable) == ["snapshot"]
    assert "on request" in machinable("doctor", "--json").out
    assert machinable("doctor", "--fix").code == 1 and other.exists()  # nobody answers
    assert machinable("doctor", "--fix", "--yes").code == 0 and not other.exists()
    path.unlink()
    code, found = findings(machinable)
    assert code == 0 and [each["severity"] for each in found] == ["note"]


def test_executions(machinable: Run, storage: Path) -> None:
    path = storage / "000001/.machinable/execution.json"
    document = json.loads(path.read_bytes())
    path.unlink()
    assert kinds(machinable) == ["execution"]
    assert machinable("doctor", "--fix", "--yes").code == 0
    again = json.loads(path.read_bytes())
    assert {key: again[key] for key in ("format", "kind", "id", "seed", "nickname")} == {
        key: document[key] for key in ("format", "kind", "id", "seed", "nickname")
    }
    change(path, seed=7)
    assert kinds(machinable) == ["execution"]
    change(path, seed=1)
    (run,) = (storage / "000001/.machinable/runs").iterdir()
    run.write_text("{,}")
    assert kinds(machinable) == ["run"]


def test_a_renamed_directory_gets_its_name_back(machinable: Run, storage: Path) -> None:
    directory = meta("train").parent
    directory.rename(storage / "A0A0A0A0A0A0")
    done = machinable("doctor", "--fix", "--yes")
    assert done.code == 0 and directory.exists(), done.out


def test_lost_components_and_missing_inputs_are_notes(machinable: Run, storage: Path) -> None:
    path = meta("train") / "attempt-1.jsonl"
    started, _ = path.read_text().splitlines(keepends=True)
    document = json.loads(started)
    document["owner"]["pid"] = 999999999
    path.write_text(json.dumps(document) + "\n")
    shutil.rmtree(
        next(Path(each.directory) for each in get.all("mnist_data") if "000001" not in each.directory)
    )
    code, found = findings(machinable)
    assert code == 0 and sorted(each["kind"] for each in found) == ["input", "lost"]


def test_tombstones(machinable: Run, storage: Path) -> None:
    component = get.new("mnist_data").launch()
    older = next(
        each for each in get.all("mnist_data") if "000001" not in each.directory and each.id != component.id
    )
    (train,) = get.all("train")
    machinable("rm", older.id, train.id, "--yes")
    tombstone = Path(older.directory, ".machinable/tombstone.json")
    assert tombstone.exists() and kinds(machinable) == []
    tombstone.write_text("{")
    assert kinds(machinable) == ["tombstone"]


def test_a_wrong_index_is_made_anew(machinable: Run, storage: Path) -> None:
    import sqlite3

    machinable("index", "rebuild")
    forget_indexes(str(storage))
    with sqlite3.connect(storage / ".machinable/index.sqlite") as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        assert "component" in tables
        connection.execute("UPDATE component SET path = 'AAAAAAAAAAAA' WHERE module = 'train'")
    connection.close()
    done = machinable("doctor", "--fix")
    assert done.code == 0
    assert kinds(machinable) == []


def test_a_file_under_the_name_of_a_record(machinable: Run, storage: Path) -> None:
    (storage / ("A" * 12)).write_text("mine")
    assert kinds(machinable) == ["file"]
    (storage / "README").write_text("nobody's business")
    (storage / "abcdef").write_text("six letters are not either")
    assert kinds(machinable) == ["file"]


def test_a_read_only_storage(machinable: Run, storage: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    storage.chmod(0o500)
    (storage / ".machinable").chmod(0o500)
    try:
        assert "read-only" in machinable("doctor").out
    finally:
        storage.chmod(0o700)
        (storage / ".machinable").chmod(0o700)


def test_bad_input(machinable: Run, storage: Path) -> None:
    assert "takes no 'train'" in machinable("doctor", "train").refused()
    assert "--yes answers the questions of --fix" in machinable("doctor", "--yes").refused()
    assert "Did you mean '--fix'" in machinable("doctor", "--fixx").refused()
