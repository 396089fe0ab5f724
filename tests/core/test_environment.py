"""The environment and the machine: recorded with each attempt and run, once per content."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version

from machinable import execute, get

COMPONENT = """
    from machinable import Component


    class Thing(Component):
        Config = {"n": 0}
"""


def environments(workspace):
    return list((workspace.storage / ".machinable/environments").iterdir())


def test_the_environment_is_kept_once_and_named_by_each_attempt(workspace):
    workspace.write("thing.py", COMPONENT)
    for numbers in ("012", "3"):  # in processes of their own: other tests change what can be imported here
        workspace.python(
            f"from machinable import get; [get('thing', {{'n': int(n)}}).launch() for n in '{numbers}']"
        )
    (path,) = environments(workspace)
    document = json.loads(path.read_text())
    things = get.all("thing")
    assert len(things) == 4 and {thing.executions[0]["environment"] for thing in things} == {path.stem}
    assert document["format"] == 1 and document["python"] == sys.version.split()[0]
    for package in ("msgspec", "cloudpickle"):
        assert document["packages"][package] == version(package)


def test_another_package_is_another_environment(workspace, tmp_path):
    workspace.write("thing.py", COMPONENT)
    for number in (1, 2):
        (tmp_path / "more" / f"my_thing-{number}.0.dist-info").mkdir(parents=True)
        workspace.python(
            f"from machinable import get; get('thing', {{'n': {number}}}).launch()",
            PYTHONPATH=os.pathsep.join([str(tmp_path / "more"), os.environ.get("PYTHONPATH", "")]),
        )
        (tmp_path / "more" / f"my_thing-{number}.0.dist-info").rmdir()
    found = [json.loads(path.read_text())["packages"].get("my-thing") for path in environments(workspace)]
    assert sorted(found) == ["1.0", "2.0"]


def test_a_run_tells_machine_environment_and_command(workspace):
    workspace.write("thing.py", COMPONENT)
    execution = execute("thing", seed=1)
    (path,) = (workspace.storage / execution.id / ".machinable/runs").iterdir()
    run = json.loads(path.read_text())
    assert [run["environment"]] == [each.stem for each in environments(workspace)]
    assert run["machine"]["cores"] == os.cpu_count() and run["machine"]["memory_gib"] > 0
    assert run["machine"]["host"] == run["host"] and isinstance(run["machine"]["gpus"], list)
    assert run["working_directory"] == str(workspace.root) and run["command"]


def test_a_storage_that_was_removed_meanwhile_gets_its_environment_again(workspace):
    import shutil

    workspace.write("thing.py", COMPONENT)
    get("thing").launch()
    shutil.rmtree(workspace.storage)
    get("thing", {"n": 1}).launch()
    assert len(environments(workspace)) == 1
