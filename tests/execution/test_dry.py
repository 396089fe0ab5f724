"""The engine that tells what would run, and why, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from machinable import Experiment, Storage, execute, get, grid
from machinable.errors import ExecutionFailed
from tests.conftest import Workspace

WORK = """
from machinable import Component

class Work(Component):
    Config = {"lr": 0.1, "n": 0, "fail": False, "stop": False}

    def __call__(self):
        if self.config.fail:
            raise ValueError("bad luck")
        if self.config.stop:
            raise KeyboardInterrupt

class User(Component):
    uses = {"data": "work:Work"}

    def __call__(self): ...
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("work.py", WORK)
    return workspace


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in directory.rglob("*")}


def test_nothing_at_all_is_written(project: Workspace) -> None:
    plan = Experiment().component("work:Work", grid(lr=[0.1, 0.2]))
    execute(plan, storage="results", engine="dry", seed=1)
    assert not (project.root / "results").exists()
    execute(plan, storage="results", seed=1)
    before = tree(project.root)
    more = plan + Experiment().component("work:Work", {"lr": 0.3})
    execute(more, storage="results", engine="dry", seed=1)
    execute(more, storage="results", engine="dry", seed=2)
    assert tree(project.root) == before


def test_each_component_says_why_it_would_run(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    get("work:Work").launch()
    with pytest.raises(ExecutionFailed):
        get("work:Work", {"fail": True}).launch()
    with pytest.raises(KeyboardInterrupt):
        get("work:Work", {"stop": True}).launch()
    get("work:Work", {"n": 1}).launch().invalidate()
    versions = [{}, {"fail": True}, {"stop": True}, {"n": 1}, {"lr": 0.2}]
    rows = execute(
        [get("work:Work", version) for version in versions], engine="dry", storage=project.storage
    ).rows()
    assert [row["why"] for row in rows] == ["cached", "failed", "interrupted", "invalidated", "new"]
    assert [row["runs"] for row in rows] == [False, True, True, True, True]
    assert "ValueError: bad luck" in rows[1]["detail"]
    assert rows[4]["nearest"] == get("work:Work").id and rows[4]["differs"] == {"lr": [0.1, 0.2]}
    shown = capsys.readouterr().out
    assert f"new; nearest {get('work:Work').id}: lr 0.1 → 0.2" in shown
    assert shown.endswith("4 would run: 1 failed, 1 interrupted, 1 invalidated, 1 new · 1 cached\n")


def test_a_cached_result_of_older_code_is_told(project: Workspace) -> None:
    get("work:Work").launch()
    project.write("work.py", WORK + "\nVALUE = 1\n")
    done = project.python(
        "from machinable import get, execute\nexecute(get('work:Work'), engine='dry', storage='storage')"
    )
    assert "its code has changed since" in done.stdout


def test_inputs_that_would_run_first_are_named(project: Workspace) -> None:
    with Storage(project.storage):
        rows = execute(get("work:User"), engine="dry", storage=project.storage).rows()
    assert [row["id"] for row in rows] == [get("work:Work").id, get("work:User").id]
    assert rows[1]["first"] == [rows[0]["id"]] and f"after data ({rows[0]['id']})" in rows[1]["detail"]


def test_inputs_of_what_would_not_run_are_left_out(project: Workspace) -> None:
    get("work:User").launch()
    get("work:Work").invalidate()
    rows = execute(get("work:User"), engine="dry", storage=project.storage).rows()
    assert [row["why"] for row in rows] == ["cached"]


def test_the_nearest_record_differs_in_the_fewest_fields(project: Workspace) -> None:
    get("work:Work", {"lr": 0.5, "n": 7}).launch()
    near = get("work:Work", {"lr": 0.5}).launch()
    get("work:Work", {"n": 3, "lr": 0.1}).launch()
    rows = execute(get("work:Work", {"lr": 0.6}), engine="dry", storage=project.storage).rows()
    assert rows[0]["nearest"] == near.id and rows[0]["differs"] == {"lr": [0.5, 0.6]}


def test_launches_inside_the_engine_are_explained_too(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with get("dry"):
        get("work:Work").launch()
    assert "1 would run: 1 new" in capsys.readouterr().out
    assert not project.storage.exists()
