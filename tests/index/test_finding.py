"""The index of a storage: what is new, changed, removed or moved is found, at once and in any process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from machinable import Component, Experiment, Index, Storage, execute, get
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.index import open_index
from machinable.records.changes import changes_directory


def test_values_of_configuration_record_and_state_are_searched(results: Any) -> None:
    assert len(get.all("train")) == 4
    by_lr = {
        component.config.lr: component.id for component in get.all("train").where("status == 'finished'")
    }
    assert results.found("lr > 0.1 and lr < 0.3") == [by_lr[0.2]]
    assert results.found("loss >= 0.4") == [by_lr[0.2], by_lr[0.3]]
    assert results.found("optimizer.name == 'adam' and execution == '00000g'") == [by_lr[0.3]]
    assert results.found("trial == 0 and seed > 0") == [by_lr[0.3]]
    assert [component.status for component in get.all("train").where("like(exception, '*too bad')")] == [
        "failed"
    ]
    assert len(get.all("train", {"optimizer.name": "adam", "lr": 0.2})) == 1
    assert len(get.all("train", {"optimizer": {"name": "adam"}, "lr": 0.2})) == 1
    assert not get.all("train", {"optimizer.name": "sgd"})
    with pytest.raises(ConfigurationError, match="Did you mean 'loss'"):
        results.found("los < 1")
    with pytest.raises(ConfigurationError, match=r"has or had a configuration key 'lrr'\. Did you mean 'lr'"):
        get.all("train", {"lrr": 1})


def test_other_values_of_python_are_compared_as_python_does(results: Any) -> None:
    results.workspace.write("free.py", "from machinable import Component\nclass Free(Component):\n    pass\n")
    versions: list[dict[str, Any]] = [
        {"a": 1},
        {"a": True},
        {"a": [1, 2]},
        {"a": {"b": 0.0}},
        {"a": None},
        {"a": "1"},
    ]
    for version in versions:
        get("free", version).launch()
    for version, count in zip(versions, (2, 2, 1, 1, 1, 1), strict=True):
        assert len(get.all("free", version)) == count, version
    assert len(get.all("free", {"a": [1.0, 2.0]})) == 1
    assert len(get.all("free", {"a": []})) == 0


def test_a_second_process_sees_a_new_record_at_once(indexed: Any) -> None:
    before = indexed.seen()
    for number in range(3):
        component = get("train", {"lr": 0.01 + number}).launch()
        assert indexed.seen()[component.id] == ["finished", component.config.lr * 2, 1]
        assert [each.id for each in get.all("train", {"lr": component.config.lr})] == [component.id]
    assert len(indexed.seen()) == len(before) + 3


def test_a_running_component_is_seen_in_each_of_its_states(indexed: Any) -> None:
    indexed.workspace.write(
        "slow.py",
        """
        import sys
        from machinable import Component

        class Slow(Component):
            def __call__(self):
                for i in range(2):
                    self.record["loss"] = i
                    self.record.save()
                    print("saved", file=sys.__stdout__, flush=True)
                    sys.stdin.readline()
        """,
    )
    process = indexed.workspace.popen(
        "from machinable import get; c = get('slow'); print(c.id, flush=True); c.launch()",
        stdin=subprocess.PIPE,
    )
    assert process.stdout and process.stdin
    id_ = process.stdout.readline().strip()
    for loss in (0, 1):
        assert process.stdout.readline() == "saved\n"
        assert indexed.seen()[id_] == ["running", loss, 1]
        assert get.all("slow").where("status == 'running'")[0].record.latest == {"loss": loss}
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate(timeout=60)
    assert indexed.seen()[id_] == ["finished", 1, 1]
    assert not get.all("slow").where("status == 'running'")


def test_a_resumed_or_invalidated_component_is_seen_as_it_is(indexed: Any) -> None:
    failed = get.all("train").where("status == 'failed'")[0]
    settle(indexed)
    get("train", {"lr": 0.1}).invalidate()
    assert indexed.seen()[get("train", {"lr": 0.1}).id][0] == "pending"
    with pytest.raises(ExecutionFailed, match="too bad"):
        failed.launch()
    assert indexed.seen()[failed.id] == ["failed", None, 2]
    assert len(os.listdir(changes_directory(str(indexed.root)))) == 2


def test_removed_records_vanish(indexed: Any) -> None:
    kept = get("train", {"lr": 0.1})
    gone = get("train", {"lr": 0.2})
    indexed.seen()
    settle(indexed)
    shutil.rmtree(gone.directory)
    shutil.rmtree(indexed.root / "00000g")
    assert set(indexed.seen()) == {kept.id, get("train", {"fail": True}).id}
    again = get("train", {"lr": 0.2}).launch()
    assert again.id == gone.id and gone.id in indexed.seen()


def test_a_replaced_record_is_read_again(indexed: Any) -> None:
    component = get("train", {"lr": 0.2})
    indexed.seen()
    settle(indexed)
    path = Path(component.directory)
    shutil.rmtree(path)
    indexed.workspace.write(
        "train.py", (indexed.workspace.root / "train.py").read_text().replace("* 2", "* 3")
    )
    indexed.workspace.python("from machinable import get; get('train', {'lr': 0.2}).launch()")
    assert indexed.seen()[component.id] == ["finished", pytest.approx(0.6), 1]


def test_records_may_be_added_to_an_execution(indexed: Any) -> None:
    indexed.seen()
    settle(indexed)
    execute(Experiment().component("train", [{"lr": 0.3}, {"lr": 0.4}]), storage=indexed.root, seed=42)
    assert sum(path.startswith("00000g/") for path in indexed.seen()) == 2


def test_a_moved_and_a_copied_storage_are_right_from_the_start(indexed: Any, tmp_path: Path) -> None:
    seen = indexed.seen()
    copy, moved = tmp_path / "copy", tmp_path / "moved"
    subprocess.run(["cp", "-a", indexed.root, copy], check=True)
    shutil.copytree(indexed.root, tmp_path / "another")
    os.rename(indexed.root, moved)
    for root in (moved, copy, tmp_path / "another"):
        assert indexed.seen(root) == seen
    with Storage(copy):
        get("train", {"lr": 9.0}).launch()
    assert len(indexed.seen(copy)) == len(seen) + 1 and indexed.seen(moved) == seen


def test_two_storages_are_merged_by_a_copy(indexed: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(indexed.root, other)
    failed = get.all("train").where("status == 'failed'")[0]
    indexed.workspace.write(
        "train.py", (indexed.workspace.root / "train.py").read_text().replace("raise ValueError", "str")
    )
    with Storage(other):
        get("train", {"lr": 7.0}).launch()
        indexed.workspace.python(
            "from machinable import get; get('train', {'fail': True}).launch()", MACHINABLE_STORAGE=str(other)
        )
    indexed.seen()
    settle(indexed)
    subprocess.run(["cp", "-a", f"{other}/.", indexed.root], check=True)
    seen = indexed.seen()
    assert len(seen) == 5
    assert seen[failed.id] == ["finished", 0.2, 2]


def test_an_index_lies_where_it_is_told_to(results: Any, tmp_path: Path) -> None:
    with Index(tmp_path / "mine.sqlite"):
        assert len(get.all("train")) == 4
    with Index({"path": f"{tmp_path}/folder/"}):
        assert len(get.all("train").where("lr < 1")) == 4
    assert (tmp_path / "mine.sqlite").is_file() and (tmp_path / "folder" / "index.sqlite").is_file()
    assert not results.file.exists()
    execute(Experiment().component("train"), storage=results.root, index=tmp_path / "end.sqlite")
    with sqlite3.connect(tmp_path / "end.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM component").fetchone() == (5,)
    with Storage(tmp_path / "elsewhere"), Index(tmp_path / "mine.sqlite"):
        get("train").launch()
        assert len(get.all("train")) == 1
    with Index(tmp_path / "mine.sqlite"):
        assert len(get.all("train")) == 5
    for wrong in ("", {"path": "a\0b"}, {"file": "x"}):
        with pytest.raises(ConfigurationError):
            Index(wrong)


def test_no_index_is_made_where_there_is_no_storage(workspace: Any, tmp_path: Path) -> None:
    with Storage(tmp_path / "nowhere"):
        assert not get.all()
        workspace.write("train.py", "from machinable import Component\nclass Train(Component):\n    pass\n")
        assert not get.all("train") and not get.all("train").where("lr < 1")
        assert not (tmp_path / "nowhere").exists()
        get("train").launch()
        assert len(get.all("train")) == 1


def test_a_component_that_runs_searches_and_leaves_the_index_alone(results: Any) -> None:
    results.workspace.write(
        "report.py",
        """
        from machinable import Component, get

        class Report(Component):
            def __call__(self):
                self.save_file("found.json", [len(get.all("train")), len(get.all("train").where("loss > 0"))])
        """,
    )
    with Index(results.file):
        report = get("report").launch()
        assert report.load_file("found.json") == [4, 3] and not results.file.exists()
        assert len(get.all()) == 5 and results.file.exists()
        before = results.file.read_bytes()
        report = get.new("report").launch()
        assert report.load_file("found.json") == [4, 3] and results.file.read_bytes() == before


def test_launching_writes_no_index(indexed: Any) -> None:
    before = indexed.file.read_bytes()
    get("train", {"lr": 5.0}).launch()
    assert get.by_id(get("train", {"lr": 5.0}).id).status == "finished"
    assert indexed.file.read_bytes() == before


def test_storages_of_few_records_are_read_without_a_trace(results: Any) -> None:
    assert len(get.all()) == 4 and len(results.seen()) == 4
    assert not results.file.exists()
    execute(Experiment().component("train", {"lr": 1.0}).repeat(96), storage=results.root, seed=1)
    assert len(get.all()) == 100 and results.file.exists()


def test_rows_are_sorted_and_counted(results: Any) -> None:
    index = open_index(str(results.root))
    index.refresh()
    losses = [row["record"].get("loss") for row in index.select(order="loss")]
    assert losses == [0.2, 0.4, 0.6, None]
    assert [row["record"].get("loss") for row in index.select(order="record.loss", descending=True)] == [
        0.6,
        0.4,
        0.2,
        None,
    ]
    assert [row["record"]["loss"] for row in index.select(order="loss", descending=True, limit=2)] == [
        0.6,
        0.4,
    ]
    assert [row["record"].get("loss") for row in index.select(order="loss", limit=9)] == losses
    assert [row["status"] for row in index.select(order="status", limit=1)] == ["failed"]
    assert len(index.select(order="nothing")) == 4
    times = [row["timestamp"] for row in index.select()]
    assert times == sorted(times) and index.count("lr > 0.1") == 2 and index.count(config={"lr": 0.3}) == 1


def test_users_and_prefixes_are_looked_up(results: Any) -> None:
    results.workspace.write(
        "score.py",
        "from machinable import Component\nclass Score(Component):\n    uses = {'model': 'train'}\n",
    )
    score = get("score", uses={"model": get("train", {"lr": 0.2})}).launch()
    index = open_index(str(results.root))
    index.refresh()
    used = get("train", {"lr": 0.2}).id
    assert [row["id"] for row in index.users_of(used)] == [score.id]
    assert [row["id"] for row in index.with_prefix(used[:4])] == [used]
    assert index.select("uses.model == '" + used + "'")[0]["uses"] == {"model": used}


def settle(results: Any) -> None:
    """Makes directories older: what follows is not to be found because they had changed a moment ago anyway."""
    for directory, _, _ in os.walk(results.root):
        before = time.time() - 100
        os.utime(directory, (before, before))
    results.seen()


def test_the_class_is_part_of_what_is_asked_for(results: Any) -> None:
    results.workspace.write(
        "two.py",
        "from machinable import Component\nclass One(Component):\n    pass\nclass Two(Component):\n    pass\n",
    )
    get("two:One").launch()
    get("two:Two").launch()
    assert [type(component).__name__ for component in get.all("two:Two")] == ["Two"]
    assert all(isinstance(component, Component) for component in get.all())
