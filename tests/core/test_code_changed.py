"""A result that was computed by code that has changed since says so, in one line."""

from __future__ import annotations

import re
import time

import pytest

TRAIN = """
    import tools
    from machinable import Component


    class Train(Component):
        def __call__(self):
            self.save_file("x.json", tools.x())
"""
LAUNCH = """
    from machinable import Storage, get
    with Storage("storage"):
        train = get("train").launch()
        print(train.id, train.reused, len(train.executions))
"""


@pytest.fixture
def train(workspace):
    workspace.write("train.py", TRAIN)
    workspace.write("tools.py", "def x():\n    return 1\n")
    workspace.write("unrelated.py", "y = 1\n")
    workspace.id = workspace.python(LAUNCH).stdout.split()[0]
    return workspace


def test_unchanged_code_says_nothing(train):
    again = train.python(LAUNCH)
    assert again.stdout == f"{train.id} True 1\n"
    assert again.stderr == ""


@pytest.mark.parametrize("module", ["train.py", "tools.py"])
def test_code_that_changed_gives_one_line_with_id_date_and_remedy(train, module):
    file = train.root / module
    file.write_text(file.read_text() + "\nz = 3\n")
    again = train.python(LAUNCH)
    assert again.stdout == f"{train.id} True 1\n"
    (line,) = again.stderr.splitlines()
    assert f"train {train.id}: its code has changed since it finished on " in line
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", line)
    assert time.strftime("%Y-%m-%d") in line
    assert "get.new()" in line and ".invalidate()" in line


def test_a_module_that_is_not_imported_may_change(train):
    train.write("unrelated.py", "# a comment\ny = 2\n")
    assert train.python(LAUNCH).stderr == ""


def test_one_line_is_enough_however_often_the_result_is_asked_for(train):
    train.write("tools.py", "def x():\n    return 2\n")
    again = train.python(LAUNCH + "        get('train').launch()\n        get.cached('train')\n")
    assert again.stderr.count("\n") == 1


def test_a_setting_turns_it_off(train):
    (train.root / "pyproject.toml").write_text('[tool.machinable]\ncode_changed = "off"\n')
    train.write("tools.py", "def x():\n    return 2\n")
    again = train.python(LAUNCH)
    assert (again.stdout, again.stderr) == (f"{train.id} True 1\n", "")


def test_a_setting_makes_it_an_error(train):
    (train.root / "pyproject.toml").write_text('[tool.machinable]\ncode_changed = "error"\n')
    train.write("tools.py", "def x():\n    return 2\n")
    again = train.python(LAUNCH, check=False)
    assert again.returncode == 1
    assert f"ProjectError: train {train.id}: its code has changed" in again.stderr
    command = train.command("train", "--launch", MACHINABLE_STORAGE=str(train.storage))
    assert command.returncode == 2
    assert len(command.stderr.splitlines()) == 1


def test_invalidating_runs_the_new_code_and_is_silent_from_then_on(train):
    train.write("tools.py", "def x():\n    return 2\n")
    train.python(LAUNCH.replace(".launch()", ".invalidate().launch()"))
    again = train.python(LAUNCH + "        print(train.load_file('x.json'))\n")
    assert again.stdout == f"{train.id} True 2\n2\n"
    assert again.stderr == ""
