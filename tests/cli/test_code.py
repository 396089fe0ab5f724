"""`machinable code`: the code of an execution, as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get

Run = Callable[..., Any]


@pytest.fixture
def executed(shell: Run, project: Path) -> str:
    """The source of a module as it was executed, which has changed since."""
    source = (project / "mnist_data.py").read_text()
    assert shell("execute", "mnist_data", "--seed", "1").code == 0
    (project / "mnist_data.py").write_text(source + "# changed\n")
    return source


def test_the_code_of_an_execution_comes_back(machinable: Run, project: Path, executed: str) -> None:
    done = machinable("code", "000001", "--to", "was")
    assert done.code == 0 and done.out.startswith("restored ") and "to ./was (snapshot " in done.out
    assert (project / "was/mnist_data.py").read_text() == executed
    assert not (project / "was/storage").exists()


def test_a_component_has_that_of_the_run_that_ran_it(shell: Run, project: Path, executed: str) -> None:
    shell("execute", "mnist_data", "--repeat", "2", "--seed", "1")  # its second run
    first, second = get.by_id("000001").components
    document = json.loads(shell("code", f"000001/{first.id[:6]}", "--to", "first", "--json").out)
    assert document["directory"] == str(project / "first") and document["files"] > 5
    assert (project / "first/mnist_data.py").read_text() == executed
    assert shell("code", second.id, "--to", "second").code == 0
    assert (project / "second/mnist_data.py").read_text() == executed + "# changed\n"
    assert shell("code", "000001", "--to", "last").code == 0
    assert (project / "last/mnist_data.py").read_text() == executed + "# changed\n"


def test_a_target_with_files_is_refused(machinable: Run, project: Path, executed: str) -> None:
    (project / "full").mkdir()
    (project / "full/mine.txt").write_text("mine")
    assert "./full is not empty" in machinable("code", "000001", "--to", "full").refused()
    assert [path.name for path in (project / "full").iterdir()] == ["mine.txt"]
    assert "is a file" in machinable("code", "000001", "--to", "train.py").refused()
    (project / "empty").mkdir()
    assert machinable("code", "000001", "--to", "empty").code == 0


def test_a_plain_launch_has_no_snapshot_and_says_so(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (component,) = get.all("mnist_data")
    message = machinable("code", component.id, "--to", "was").refused()
    assert "was launched by itself, and only executions take a snapshot" in message
    assert not (project / "was").exists()


def test_a_snapshot_that_is_gone_is_named(machinable: Run, project: Path, executed: str) -> None:
    (archive,) = (project / "storage/.machinable/code").glob("*.zip")
    archive.unlink()
    assert f"There is no snapshot {archive}" in machinable("code", "000001", "--to", "was").refused()


def test_bad_input_costs_one_line(machinable: Run) -> None:
    assert "Where to is missing" in machinable("code", "x").refused()
    assert "--to needs a value" in machinable("code", "x", "--to").refused()
    assert "no execution or component 'x'" in machinable("code", "x", "--to", "y").refused()
