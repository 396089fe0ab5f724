"""What beginners do, and what it costs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machinable import Storage, errors, execute, get


def _write(workspace, body: str, name: str = "mistake") -> None:
    workspace.write(f"{name}.py", "from machinable import Component\n\n\n" + body)


def test_an_init_that_takes_no_version_is_named(workspace) -> None:
    _write(workspace, "class Mistake(Component):\n    def __init__(self):\n        self.y = 3\n")
    with pytest.raises(errors.ProjectError, match=r"Mistake has an __init__ of its own.*on_create"):
        get("mistake")


def test_an_init_that_leaves_its_base_out_is_named(workspace) -> None:
    _write(
        workspace, "class Mistake(Component):\n    def __init__(self, *args, **more):\n        self.y = 3\n"
    )
    with pytest.raises(errors.ProjectError, match="does not call that of its base class"):
        get("mistake")


def test_a_type_error_within_a_proper_init_is_the_users_own(workspace) -> None:
    _write(
        workspace,
        "class Mistake(Component):\n    def __init__(self, *args, **more):\n"
        "        super().__init__(*args, **more)\n        None + 1\n",
    )
    with pytest.raises(TypeError, match="unsupported operand"):
        get("mistake")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("    async def __call__(self):\n        pass\n", "async"),
        ("    def __call__(self):\n        yield 1\n", "yield"),
    ],
)
def test_a_call_that_would_run_nothing_fails(workspace, body: str, word: str) -> None:
    _write(workspace, f"class Mistake(Component):\n{body}")
    with pytest.raises(errors.ExecutionFailed, match=f"__call__ has run nothing, because of '{word}'"):
        get("mistake").launch()
    assert get("mistake").status == "failed"


def test_the_working_directory_of_one_component_is_not_that_of_the_next(workspace) -> None:
    _write(
        workspace,
        "class Mistake(Component):\n    def __call__(self):\n        import os\n        os.chdir('/')\n",
    )
    before = os.getcwd()
    get("mistake").launch()
    assert os.getcwd() == before


def test_a_component_that_removes_its_own_directory_does_not_finish(workspace) -> None:
    _write(
        workspace,
        "class Mistake(Component):\n    def __call__(self):\n        import shutil\n"
        "        shutil.rmtree(self.local_directory())\n",
    )
    with pytest.raises(errors.ExecutionFailed, match="was removed while it ran"):
        get("mistake").launch()


def test_classes_of_one_module_are_told_apart_in_messages(workspace) -> None:
    _write(
        workspace,
        "class One(Component):\n    uses = {'two': 'mistake:Two'}\n\n\n"
        "class Two(Component):\n    uses = {'one': 'mistake:One'}\n",
    )
    with pytest.raises(errors.ConfigurationError, match="mistake:One → mistake:Two → mistake:One"):
        get("mistake:One")


def test_a_typo_shows_no_way_through_machinable(workspace) -> None:
    _write(workspace, "class Mistake(Component):\n    Config = {'rate': 0.1}\n")
    done = workspace.python("from machinable import get\nget('mistake', {'rat': 1})", check=False)
    assert done.stderr.count("machinable/") <= 1 and "Did you mean 'rate'?" in done.stderr


def test_a_search_for_a_key_that_never_was_is_an_error(workspace) -> None:
    _write(workspace, "class Mistake(Component):\n    Config = {'rate': 0.1}\n")
    get("mistake").launch()
    assert len(get.all("mistake", {"rate": 0.1})) == 1
    with pytest.raises(errors.ConfigurationError, match=r"'rat'\. Did you mean 'rate'"):
        get.all("mistake", {"rat": 0.1})


def test_a_path_and_a_list_are_targets_too(workspace) -> None:
    _write(workspace, "class Mistake(Component):\n    Config = {'rate': 0.1}\n")
    asked = get("mistake", {"rate": 0.5})
    assert get(["mistake", {"rate": 0.5}]).id == get(Path("mistake.py"), {"rate": 0.5}).id == asked.id


def test_a_storage_object_is_a_storage(workspace) -> None:
    _write(workspace, "class Mistake(Component):\n    pass\n")
    execution = execute("mistake", Storage(workspace.root / "results"), seed=1)
    assert (workspace.root / "results" / str(execution.id)).is_dir()


def test_ctrl_c_says_how_to_go_on_and_shows_the_users_own_lines(workspace) -> None:
    _write(workspace, "class Mistake(Component):\n    def __call__(self):\n        raise KeyboardInterrupt\n")
    done = workspace.python("from machinable import get\nget('mistake').launch()", check=False)
    assert "launch it again to resume it" in done.stderr and "lifecycle.py" not in done.stderr
