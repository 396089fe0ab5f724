"""What must not happen at the top level of a module that machinable imports."""

from __future__ import annotations

import pytest

from machinable import get
from machinable.errors import ProjectError

TRAIN = """
    from machinable import Component, get


    class Train(Component):
        def __call__(self):
            print("training")


    {line}
"""
FORBIDDEN = {
    "launch": 'get("train:Train").launch()',
    "launch of a class": "get(Train).launch()",
    "launch inside of a function": "(lambda: get(Train).launch())()",
}


@pytest.mark.parametrize("line", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_launch_at_the_top_level_names_the_line_and_the_guard(workspace, line):
    workspace.write("train.py", TRAIN.format(line=line))
    with pytest.raises(ProjectError) as error:
        get("train")
    assert f"{workspace.root / 'train.py'}:10: launch at the top level of train" in str(error.value)
    assert '`if __name__ == "__main__":`' in str(error.value)
    assert "\n" not in str(error.value)
    assert not workspace.storage.exists()


def test_execute_at_the_top_level_names_the_line_and_the_guard(workspace):
    workspace.write(
        "sweep.py",
        """
        from machinable import Component, Experiment, execute


        class Train(Component):
            pass


        execute(Experiment().component("sweep"))
        """,
    )
    with pytest.raises(ProjectError, match=r"sweep.py:9: execute at the top level of sweep"):
        get("sweep")


def test_a_launch_in_an_imported_module_names_the_line_there(workspace):
    workspace.write("helper.py", "from machinable import get\nget('native')\nget('other').launch()\n")
    workspace.write("other.py", "from machinable import Component\nclass Other(Component):\n    pass\n")
    workspace.write(
        "train.py", "import helper\nfrom machinable import Component\nclass Train(Component):\n    pass\n"
    )
    with pytest.raises(ProjectError, match=r"helper.py:3: launch at the top level") as error:
        get("train")
    assert "__main__" in str(error.value)


def test_the_guard_makes_it_a_script_and_a_module(workspace):
    workspace.write(
        "train.py",
        TRAIN.format(line='if __name__ == "__main__":\n        get(Train).launch()').replace(
            "get(Train)", "get('train')"
        ),
    )
    told = workspace.script("train.py", MACHINABLE_STORAGE=str(workspace.storage))
    assert told.stdout == "training\n"
    assert get("train").cached()


def test_the_command_line_gives_one_line_and_exit_code_2(workspace):
    workspace.write("train.py", TRAIN.format(line="get(Train).launch()"))
    told = workspace.command("train", "--launch")
    assert told.returncode == 2
    assert told.stdout == "" and len(told.stderr.splitlines()) == 1
    assert "train.py:10" in told.stderr


def test_asking_for_components_at_the_top_level_is_allowed(workspace):
    workspace.write("other.py", "from machinable import Component\nclass Other(Component):\n    pass\n")
    workspace.write("train.py", TRAIN.format(line='data = get("other")'))
    assert get("train").status == "pending"


def test_a_launch_while_a_component_imports_a_module_plainly_is_its_own_business(workspace):
    workspace.write("helper.py", "from machinable import get\nget('other').launch()\n")
    workspace.write("other.py", "from machinable import Component\nclass Other(Component):\n    pass\n")
    workspace.write(
        "train.py",
        """
        from machinable import Component


        class Train(Component):
            def __call__(self):
                import helper
        """,
    )
    get("train").launch()
    assert get("other").cached()
