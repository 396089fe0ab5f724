"""`machinable execute`: plans from the command line and from files, seeds, grids, failures, bad input."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get

Run = Callable[..., Any]

SCORE = """
from machinable import Component


class Score(Component):
    Config = {"lr": 0.1, "size": 1, "layers": [8], "tag": "x", "optimizer": {"decay": 0.0}}

    def version_small(self):
        return {"size": 0}

    def __call__(self):
        if self.config.lr > 0.5:
            raise ValueError("too high")
        self.save_file("score.json", {"seed": self.seed, "lr": self.config.lr})
"""

PLANS = {
    "only.py": """
from machinable import Experiment, execute

sweep = Experiment().component("score", [{"lr": 0.1}, {"lr": 0.2}])

if __name__ == "__main__":
    execute(sweep)
""",
    "several.py": """
from machinable import Experiment

first = Experiment().component("score")
second = first.repeat(2)
""",
    "named.py": """
from machinable import Experiment

base = Experiment().component("score")
plan = base.repeat(2)
""",
    "empty.py": "from machinable import Experiment\n\nplan = Experiment()\n",
    "nothing.py": "x = 1\n",
}


@pytest.fixture(autouse=True)
def score(project: Path) -> None:
    for name, text in {"score.py": SCORE, **PLANS}.items():
        (project / name).write_text(text)


def configurations(project: Path, execution: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted((project / "storage" / execution).glob("*/.machinable/component.json")):
        found.append(json.loads(path.read_text())["request"]["config"])
    return found


def test_a_plan_runs_in_processes_and_prints_its_id_first(shell: Run, project: Path) -> None:
    done = shell("execute", "score", "lr=0.2", "--repeat", "3", "--engine", "native:2", "--seed", "42")
    assert (done.code, done.out) == (0, "00000g\n")
    assert "3 new" in done.err and "3 finished" in done.err
    scores = [json.loads(path.read_text()) for path in (project / "storage/00000g").glob("*/score.json")]
    assert len({score["seed"] for score in scores}) == 3 and {score["lr"] for score in scores} == {0.2}
    again = shell("execute", "score", "lr=0.2", "--repeat", "4", "--seed", "00000g")
    assert (again.code, again.out) == (0, "00000g\n")
    assert "3 reused · 1 new" in again.err


def test_without_a_seed_one_is_drawn(machinable: Run, project: Path) -> None:
    ids = {machinable("execute", "score").out for _ in range(2)}
    assert len(ids) == 2 and all(re.fullmatch(r"[0-9A-Za-z]{6}\n", each) for each in ids)
    assert not (project / "there").exists()
    done = machinable("execute", "score", "--storage", "there", "--seed", "id:123456")
    assert done.out == "123456\n" and (project / "there/123456").is_dir()


@pytest.mark.parametrize(
    ("typed", "field", "values"),
    [
        ("lr=0.1,0.01", "lr", [0.01, 0.1]),
        ("lr=[0.1, 0.01]", "lr", [0.01, 0.1]),
        ("lr=1e-2", "lr", [0.01]),
        ("tag=a,b", "tag", ["a", "b"]),
        ('tag="a,b",c', "tag", ["a,b", "c"]),
        ("layers=[8, 16]", "layers", [[8, 16]]),
        ("layers=[[8], [16, 16]]", "layers", [[16, 16], [8]]),
        ("optimizer.decay=0.5,0", "optimizer", [{"decay": 0.0}, {"decay": 0.5}]),
    ],
)
def test_a_grid_sweeps_over_lists_of_values(
    machinable: Run, typed: str, field: str, values: list[Any]
) -> None:
    done = machinable("execute", "score", typed, "--grid", "--dry", "--json", "--seed", "1")
    rows = json.loads(done.out)
    assert sorted((row["config"][field] for row in rows), key=repr) == values


def test_a_grid_has_every_combination(machinable: Run, project: Path) -> None:
    done = machinable("execute", "score", "@small", "lr=0.1,0.2", "size=1,2,3", "--grid", "--seed", "1")
    assert done.code == 0
    found = [(each["lr"], each["size"]) for each in configurations(project, "000001")]
    assert sorted(found) == [(lr, size) for lr in (0.1, 0.2) for size in (1, 2, 3)]


def test_without_grid_a_list_is_a_list_and_several_numbers_are_an_error(
    machinable: Run, project: Path
) -> None:
    assert machinable("execute", "score", "layers=[8, 16]", "--seed", "1").code == 0
    assert [each["layers"] for each in configurations(project, "000001")] == [[8, 16]]
    for typed in ("lr=0.1,0.01", "lr=[0.1, 0.01]"):
        message = machinable("execute", "score", typed).refused()
        assert "but a float is expected" in message and message.endswith("add --grid.")


def test_a_file_runs_the_plan_that_it_defines(machinable: Run, project: Path) -> None:
    assert machinable("execute", "only.py", "--seed", "1", "--repeat", "2").code == 0
    assert sorted(each["lr"] for each in configurations(project, "000001")) == [0.1, 0.1, 0.2, 0.2]
    assert machinable("execute", "./named.py", "--seed", "2").code == 0
    assert len(configurations(project, "000002")) == 2
    assert machinable("execute", "several.py:second", "--seed", "3").code == 0
    assert len(configurations(project, "000003")) == 2
    assert machinable("execute", "only", "score", "lr=0.3", "--seed", "4").code == 0
    assert len(configurations(project, "000004")) == 3


def test_contexts_stand_among_the_targets(machinable: Run, project: Path) -> None:
    done = machinable("execute", "score", "my_pool", "processes=3", "scope", "fold=1", "--seed", "1")
    assert (done.code, done.out) == (0, "000001\nwith 3 processes\n")


def test_dry_tells_what_would_run_and_writes_nothing(machinable: Run, project: Path) -> None:
    done = machinable("execute", "score", "lr=0.1,0.2", "--grid", "--dry", "--seed", "1")
    assert done.code == 0 and done.out.startswith("000001\n") and "2 would run: 2 new" in done.out
    assert not (project / "storage").exists()
    machinable("execute", "score", "lr=0.1", "--seed", "1")
    rows = json.loads(
        machinable("execute", "score", "lr=0.1,0.2", "--grid", "--dry", "--json", "--seed", "1").out
    )
    assert [(row["runs"], row["why"]) for row in rows] == [(False, "cached"), (True, "new")]


def test_json_is_all_that_standard_output_gets(shell: Run) -> None:
    done = shell("execute", "mnist_data", "--json", "--seed", "1", "--engine", "native:1")
    document = json.loads(done.out)
    assert document["id"] == "000001" and "Downloading" in done.err
    assert [row["state"] for row in document["components"]] == ["finished"]


def test_failures_are_grouped_and_the_retry_goes_on_with_the_same_execution(shell: Run) -> None:
    done = shell("execute", "score", "lr=0.1,0.8,0.9", "--grid")
    assert done.code == 1
    id_ = done.out.strip()
    assert "2 × ValueError: too high" in done.err
    last = done.err.splitlines()[-1]
    seed = f"id:{id_}" if id_.isdecimal() else id_
    assert last.startswith("machinable: 2 components did not finish · retry: ")
    assert last.endswith(f" -m machinable execute score lr=0.1,0.8,0.9 --grid --seed {seed}")
    again = shell(*shlex.split(last.partition(" -m machinable ")[2]))
    assert again.code == 1 and "1 reused · 2 resumed" in again.err and again.out.strip() == id_


def test_it_stops_after_so_many_failures(machinable: Run, project: Path) -> None:
    done = machinable("execute", "score", "lr=0.7,0.8,0.9", "--grid", "--max-failures", "1", "--seed", "1")
    assert done.code == 1 and len(configurations(project, "000001")) == 1


@pytest.mark.parametrize("engine", ["native", "native:2"])
def test_ctrl_c_says_how_to_go_on(interrupted: Run, project: Path, engine: str) -> None:
    (project / "late.py").write_text((project / "slow.py").read_text().replace("Slow", "Late"))
    done = interrupted("execute", "late", "--engine", engine)
    assert done.code == 130, done.err
    id_ = done.out.split()[0]
    assert "Traceback" not in done.err.splitlines()[-1]
    assert done.err.splitlines()[-1].startswith("machinable: interrupted. To go on, run the same again: ")
    assert done.err.splitlines()[-1].endswith((f"--seed {id_}", f"--seed id:{id_}"))


def test_a_large_plan_asks_first(shell: Run, project: Path) -> None:
    done = shell("execute", "score", "--repeat", "100001")
    assert done.code == 2 and done.out == ""
    assert "100,001 components" in done.err and done.err.splitlines()[-1].endswith(
        "--yes to answer beforehand."
    )
    axes = [f"{key}={','.join(map(str, range(300)))}" for key in ("lr", "size", "optimizer.decay")]
    assert "27,000,000 components" in shell("execute", "score", *axes, "--grid").err
    assert not (project / "storage").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "Nothing to execute is named"),
        ("scroe", "Did you mean 'score'?"),
        ("score lrr=1", "no configuration key 'lrr'. Did you mean 'lr'?"),
        ("score lr=abc", "but a float is expected"),
        ("score lr=[] --grid", "names no values"),
        ("score lr=[1 --grid", "brackets are not balanced"),
        ("score --grid", "nothing to sweep over"),
        ("score --engine natve:2", "There is no engine 'natve:2'. Did you mean 'native:2'?"),
        ("score --engine slrum", "Did you mean 'slurm'"),
        ("score --engine native:0", "native:0"),
        ("score --engine native:-1", "native:-1"),
        ("score --engine native:x", "native:x"),
        ("score --engine score", "that is no engine"),
        ("score my_pool --engine native", "Leave one of them out"),
        ("score --dry --engine natve", "Did you mean 'native'?"),
        ("score --seed 56800235584", "is no seed"),
        ("score --seed -1", "is no seed"),
        ("score --seed abc", "is no seed"),
        ("score --seed id:1234567", "is no seed"),
        (f"score --seed {'9' * 5000}", "5000 digits"),
        ("score --repeat 0", "--repeat is '0'"),
        ("score --repeat x", "--repeat is 'x'"),
        ("score --split 0", "--split is '0'"),
        ("score --max-failures 0", "--max-failures is '0'"),
        ("score --repeat", "--repeat needs a value"),
        ("score --repeat 1 --repeat 2", "given twice"),
        ("score --repat 3", "Did you mean '--repeat'?"),
        ("score --grid=yes lr=1", "takes no value"),
        ("score --storage ftp://x", "ftp://"),
        ("score --project nowhere", "no project directory"),
        ("score uses.data=dat", "the input 'data' can not be found"),
        ("multiprocess processes=2", "multiprocess is no component"),
        ("empty.py", "the plan is empty"),
        ("nothing.py", "neither an Experiment nor a component"),
        ("several.py", "defines 2 experiments: first, second"),
        ("nowhere.py", "no module 'nowhere'"),
        ("only.py lr=1", "takes no versions and values"),
    ],
)
def test_bad_input_costs_one_line_and_leaves_nothing_behind(
    machinable: Run, project: Path, line: str, says: str
) -> None:
    assert says in machinable("execute", *shlex.split(line)).refused()
    assert not (project / "storage").exists()


def test_an_execution_is_found_by_its_id(machinable: Run) -> None:
    machinable("execute", "score", "--repeat", "2", "--seed", "id:zzZ001")
    execution = get.by_id("zzZ001")
    assert (execution.id, execution.is_finished()) == ("zzZ001", True)
    assert [component.config.lr for component in execution.components] == [0.1, 0.1]
    assert get.by_id("zzZ").id == "zzZ001" and get.by_id("zzZ2") is None
    component = execution.components[0]
    assert get.by_id(f"zzZ001/{component.id}").directory == component.directory
