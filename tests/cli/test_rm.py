"""`machinable rm`: what leaves the storage, what stays, and how it comes back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get

Run = Callable[..., Any]

MEASURED = """
from machinable import Component


class Measured(Component):
    Config = {"loss": 0.0, "fails": False}

    def __call__(self):
        self.record["loss"] = self.config.loss
        self.record["odd"] = float("nan") if self.config.loss == 3.0 else self.config.loss
        self.record.save()
        if self.config.fails:
            raise ValueError("as asked")
"""


@pytest.fixture
def measured(machinable: Run, project: Path) -> dict[float, Any]:
    """Five components by their loss, of which the last one failed."""
    (project / "measured.py").write_text(MEASURED)
    machinable("execute", "measured", "loss=1.0,2.0,3.0", "--grid", "--seed", "1")
    machinable("measured", "loss=4.0", "--launch")
    machinable("measured", "loss=5.0", "fails=true", "--launch")
    return {each.config.loss: each for each in get.all("measured")}


def left() -> list[float]:
    return sorted(each.config.loss for each in get.all("measured"))


def moved(done: Any) -> list[str]:
    assert done.code == 0, done.err
    return [Path(each["directory"]).name for each in json.loads(done.out)["moved"]]


def test_the_best_stay(machinable: Run, measured: dict[float, Any]) -> None:
    done = machinable("rm", "measured", "--keep-best", "2", "loss", "--yes")
    assert done.code == 0 and done.out.count("moved measured") == 3
    assert left() == [1.0, 2.0]


def test_the_highest_are_best_only_if_asked(machinable: Run, measured: dict[float, Any]) -> None:
    assert machinable("rm", "--keep-best", "2", "loss:max", "--yes").code == 0
    assert left() == [4.0, 5.0]


def test_what_is_not_a_number_is_worst(machinable: Run, measured: dict[float, Any]) -> None:
    assert machinable("rm", "--keep-best", "4", "odd:max", "--yes").code == 0
    assert left() == [1.0, 2.0, 4.0, 5.0]


def test_keep_best_is_about_what_other_filters_leave(machinable: Run, measured: dict[float, Any]) -> None:
    words = ("rm", "000001", "--where", "loss > 1", "--keep-best", "1", "loss", "--json", "--yes")
    assert moved(machinable(*words)) == [measured[3.0].id]


def test_components_without_the_value_are_left_alone(
    machinable: Run, measured: dict[float, Any], project: Path
) -> None:
    machinable("mnist_data", "--launch")
    done = machinable("rm", "--keep-best", "1", "loss", "--yes")
    assert "1 component without a number in that column is left alone" in done.err
    assert left() == [1.0] and get.all("mnist_data")


def test_failed_ones(machinable: Run, measured: dict[float, Any]) -> None:
    assert (
        machinable("rm", "--failed", "--dry-run").out.splitlines()[0]
        == f"would move measured {measured[5.0].id}"
    )
    assert left() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert moved(machinable("rm", "--status", "failed,lost", "--yes", "--json")) == [measured[5.0].id]


def test_by_age(machinable: Run, measured: dict[float, Any]) -> None:
    assert "there is nothing to remove" in machinable("rm", "--older", "1h", "--yes").err
    path = Path(measured[4.0].directory, ".machinable/attempt-1.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1]["time"] = time.time() - 40 * 86400
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    machinable("index", "rebuild")
    assert moved(machinable("rm", "measured", "--older", "30d", "--yes", "--json")) == [measured[4.0].id]


def test_filters_that_match_nothing_remove_nothing(machinable: Run, measured: dict[float, Any]) -> None:
    for words in (["--where", "loss > 100"], ["mnist_data", "--failed"], ["--status", "lost"]):
        if words[0] == "mnist_data":
            assert (
                "There is no execution or component 'mnist_data'"
                in machinable("rm", *words, "--yes").refused()
            )
            continue
        done = machinable("rm", *words, "--yes")
        assert done.code == 0 and done.out == "" and "there is nothing to remove" in done.err
    assert len(left()) == 5


def test_it_asks_first_with_count_and_size(shell: Run, machinable: Run, measured: dict[float, Any]) -> None:
    done = shell("rm", "measured", "--where", "loss < 3")
    assert done.code == 2 and len(left()) == 5
    assert "Move measured " in done.err and "kB) to the trash? [y/N]" in done.err
    assert "Nobody answered, so nothing was done" in done.err


def test_what_others_use_stays(machinable: Run, project: Path) -> None:
    machinable("train", "steps=1", "--launch")
    machinable("mnist_data", "batch_size=3", "--launch")
    (train,) = get.all("train")
    used = train.uses["data"]
    done = machinable("rm", "mnist_data", "--where", "batch_size > 0", "--yes")
    assert done.code == 0 and f"{used.id} stays: train {train.id} uses it" in done.err
    assert [each.id for each in get.all("mnist_data")] == [used.id]
    assert "is used by train" in machinable("rm", "mnist_data", "--yes").refused()
    assert machinable("rm", "mnist_data", "train", "--yes").code == 0
    assert get.all("mnist_data") == [] or not list(get.all("mnist_data"))


def test_what_is_used_by_what_stays_stays_as_well(machinable: Run, project: Path) -> None:
    (project / "report.py").write_text(
        "from machinable import Component\n\n\nclass Report(Component):\n    Config = {'n': 0}\n"
        "    uses = {'train': ['train', {'steps': 1}]}\n\n    def __call__(self):\n        pass\n"
    )
    assert machinable("report", "--launch").code == 0
    done = machinable("rm", "--where", "module in ('train', 'mnist_data')", "--yes")
    assert done.code == 0 and done.err.count(" stays: ") == 2 and len(get.all()) == 3


def test_undo(machinable: Run, measured: dict[float, Any]) -> None:
    before = sorted(each.directory for each in get.all())
    inside = measured[1.0]
    assert machinable("rm", inside.id, measured[4.0].id[:7], "--yes").code == 0
    assert machinable("rm", "000001", "--yes").code == 0
    listed = json.loads(machinable("ls", "--trash", "--json").out)
    assert {each["origin"] for each in listed} == {f"000001/{inside.id}", measured[4.0].id, "000001"}
    assert f"000001/{inside.id}" in machinable("ls", "--trash").out
    message = machinable("rm", "--restore", inside.id).refused()
    assert "lay in the execution 000001, which is not there. Restore that first" in message
    # In any order: executions come back before their components.
    assert machinable("rm", "--restore", inside.id, "000001", measured[4.0].id[:5]).code == 0
    assert sorted(each.directory for each in get.all()) == before
    assert get.by_id(inside.id).cached() and not Path(inside.directory, ".machinable/trashed.json").exists()
    assert "There is no" in machinable("rm", "--restore", inside.id).refused()
    assert machinable("doctor").code == 0


def test_nothing_is_restored_over_something_else(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (data,) = get.all("mnist_data")
    machinable("rm", data.id, "--yes")
    machinable("mnist_data", "--launch")
    assert "is there again" in machinable("rm", "--restore", data.id).refused()
    machinable("rm", data.id, "--yes")
    assert machinable("rm", "--restore", data.id).code == 0


def test_a_tombstone_gives_way_to_what_comes_back(machinable: Run, project: Path) -> None:
    data = get("mnist_data").launch()
    newer = get.new("mnist_data").launch()
    assert machinable("rm", data.id, "--yes").code == 0
    assert get("mnist_data").id == newer.id
    assert machinable("rm", "--restore", data.id).code == 0
    assert {each.id for each in get.all("mnist_data")} == {data.id, newer.id}


def test_the_trash_is_emptied_for_good(machinable: Run, shell: Run, measured: dict[float, Any]) -> None:
    assert "there is nothing to delete" in machinable("rm", "--empty-trash", "--yes").err
    machinable("rm", "measured", "--yes")
    assert "there is nothing to delete" in machinable("rm", "--empty-trash", "--older", "30d", "--yes").err
    assert machinable("rm", "--empty-trash", "--dry-run").out.startswith("would delete 5 items, ")
    done = shell("rm", "--empty-trash")
    assert done.code == 2 and "of the trash" in done.err and "for good?" in done.err
    trash = Path("storage/.machinable/trash")
    locked = next(trash.iterdir()) / "locked"
    locked.mkdir()
    (locked / "file").write_text("x")
    locked.chmod(0o500)
    assert machinable("rm", "--empty-trash", "--yes").out.startswith("deleted 5 items: ")
    assert list(trash.iterdir()) == []


BAD = {
    ("rm",): "Nothing to remove is named",
    ("rm", "--older", "3m"): "--older is '3m', but a duration is needed",
    ("rm", "--older", "-1d"): "a duration is needed",
    ("rm", "--older", ""): "--older needs a value",
    ("rm", "--status", "faild"): "Did you mean 'failed'?",
    ("rm", "--keep-best", "x", "loss"): "--keep-best is 'x'",
    ("rm", "--keep-best", "3"): "--keep-best is '3'",
    ("rm", "--keep-best", "3", "loss:best"): "'best' is neither min",
    ("rm", "--keep-best", "3", "los"): "Did you mean 'loss'?",
    ("rm", "--where", "los > 3"): "los",
    ("rm", "--where", "loss >"): "loss >",
    ("rm", "nope", "--failed"): "There is no execution or component 'nope'",
    ("rm", "--restore"): "--restore needs the ID",
    ("rm", "--restore", "nope"): "There is no 'nope' in the trash",
    ("rm", "--restore", "a", "--older", "3d"): "--restore and --older do not go together",
    ("rm", "--restore", "a", "--empty-trash"): "--restore and --empty-trash do not go together",
    ("rm", "--empty-trash", "abc"): "--empty-trash takes no ID",
    ("rm", "--empty-trash", "--failed"): "--empty-trash and --failed do not go together",
    ("rm", "--fialed"): "Did you mean '--failed'?",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_leaves_all_as_it_was(
    machinable: Run, measured: dict[float, Any], words: tuple[str, ...]
) -> None:
    assert BAD[words] in machinable(*words, "--yes").refused()
    assert len(left()) == 5 and not os.path.exists("storage/.machinable/trash")


def test_a_module_and_an_id(machinable: Run, measured: dict[float, Any]) -> None:
    machinable("mnist_data", "--launch")
    (data,) = get.all("mnist_data")
    assert moved(machinable("rm", data.id[:6], "measured.py", "--yes", "--json"))[0] == data.id
    assert list(get.all()) == []


def test_damaged_records_go_when_they_are_named(machinable: Run, measured: dict[float, Any]) -> None:
    directory = Path(measured[4.0].directory)
    (directory / ".machinable/component.json").write_text("{,}")
    assert machinable("rm", "--where", "loss > 0", "--yes").code == 0
    assert directory.exists()
    assert machinable("rm", "--status", "damaged", "--yes").code == 0
    assert not directory.exists()
