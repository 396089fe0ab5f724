"""What is kept of an execution and of its runs, and what is not."""

from __future__ import annotations

import json

import pytest

from machinable import Execution, get
from machinable.errors import ConfigurationError

JOB = """
    from machinable import Component


    class Job(Component):
        Config = {"x": 1}
"""


@pytest.fixture
def job(workspace):
    workspace.write("job.py", JOB)
    return workspace


def test_the_execution_of_a_plain_launch_has_neither_id_nor_directory(job):
    component = get("job").launch()
    execution = component.execution
    assert execution.is_finished()
    assert (execution.id, execution.seed, execution.nickname, execution.directory) == (None, None, None, None)
    assert sorted(path.name for path in job.storage.iterdir()) == sorted([".machinable", component.id])


def test_an_execution_is_recorded_with_its_runs(job):
    with Execution({}, seed=42) as execution:
        get("job").launch()
    assert execution.id == "00000g"
    meta = job.storage / "00000g" / ".machinable"
    document = json.loads((meta / "execution.json").read_text())
    assert next(iter(document.items())) == ("format", 1)
    assert (document["id"], document["seed"], document["nickname"]) == ("00000g", 42, execution.nickname)
    with Execution(seed="00000g"):
        get("job", {"x": 2}).launch()
    runs = [json.loads(path.read_text()) for path in sorted((meta / "runs").iterdir())]
    assert [run["format"] for run in runs] == [1, 1]
    assert [run["plan"][0][0] for run in runs] == ["job", "job"]
    assert runs[0]["plan"] == [["job", get("job").id]]
    assert runs[0]["engine"]["name"] == "native"
    assert runs[0]["host"] and runs[0]["command"] and runs[0]["time"] > 0
    started = get("job").executions[0]
    assert started["execution"] == "00000g" and started["run"] == runs[0]["run"]


def test_nothing_to_run_writes_no_record_of_the_execution(job):
    get("job").launch()
    with Execution(seed=1):
        get("job").launch()
    assert not (job.storage / "000001").exists()


@pytest.mark.parametrize("seed", [-1, 62**6, "toolong7", "a b", True, 1.5])
def test_a_seed_that_no_execution_can_have_is_refused(job, seed):
    with pytest.raises(ConfigurationError):
        Execution(seed=seed)


def test_an_execution_can_be_entered_again(job):
    execution = Execution()
    for x in range(2):
        with execution:
            get("job", {"x": x}).launch()
    assert len(execution.components) == 2 and execution.is_finished()


def test_an_execution_that_was_only_filled_is_one_of_its_own_too(job):
    execution = Execution().add(get("job")).dispatch()
    assert execution.id is not None
    assert (job.storage / execution.id / ".machinable" / "execution.json").exists()
    assert get("job").executions[0]["execution"] == execution.id
    assert execution.directory == str(job.storage / execution.id)


def test_the_seed_of_an_execution_is_its_id(job):
    assert (Execution(seed=42).id, Execution(seed="00000g").seed) == ("00000g", 42)
    drawn = Execution()
    assert drawn.id == Execution(seed=drawn.seed).id and len(drawn.id) == 6
    assert Execution().seed != drawn.seed
    assert "_" in drawn.nickname and drawn.timestamp > 0
