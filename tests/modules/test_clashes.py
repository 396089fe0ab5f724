"""Modules whose names are those of the standard library, of installed packages, or of another project."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from pathlib import Path

import pytest

from machinable.modules.importing import find_class, load_module, name_of
from machinable.modules.residence import activated
from tests.modules.conftest import SOURCE, Run, Write, write_files

TRAIN = """
from own_base import Base

class Train(Base):
    pass
"""


def find(root: Path, target: str) -> type:
    return find_class(str(root), target, object)


@pytest.mark.parametrize("name", ["random", "code", "test", "multiprocessing"])
def test_a_projects_module_wins_over_the_standard_library_and_leaves_it_alone(
    project: Write, name: str
) -> None:
    standard = importlib.import_module(name)
    root = project({f"{name}.py": f"import {name}\n" + TRAIN + f"standard = {name}\n"})
    cls = find_class(str(root), name, load_module(str(root), "own_base").Base)
    assert cls.__name__ == "Train"
    assert name_of(str(root), cls) == name
    assert sys.modules[name] is standard
    assert load_module(str(root), name).standard is standard
    assert pickle.loads(pickle.dumps(cls)) is cls


@pytest.mark.parametrize("init", [{"code/__init__.py": ""}, {}])
def test_a_folder_named_like_the_standard_library_is_a_package_of_its_own(
    project: Write, init: dict[str, str]
) -> None:
    standard = importlib.import_module("code")
    root = project({"code/train.py": "from . import part\n" + TRAIN, "code/part.py": "", **init})
    cls = find(root, "code.train:Train")
    assert name_of(str(root), cls) == "code.train"
    assert sys.modules["code"] is standard
    assert importlib.reload(sys.modules[cls.__module__]).Train is find(root, "code.train:Train")


def test_importing_from_such_a_folder_says_what_is_wrong(project: Write) -> None:
    root = project({"train.py": "from code.part import x\n", "code/part.py": "x = 1\n"})
    with pytest.raises(Exception, match="own 'code' has the name of a module of Python"):
        load_module(str(root), "train")


def test_a_standard_module_imported_later_is_not_the_projects(project: Write, run: Run) -> None:
    root = project({"wave.py": TRAIN, "colorsys.py": TRAIN})
    program = """
import sys
from machinable.modules.importing import load_module
load_module(sys.argv[1], "wave")
import wave, colorsys
print(wave.__file__ == sys.argv[1] + "/wave.py", colorsys.__file__ == sys.argv[1] + "/colorsys.py")
"""
    assert run(root.parent, "-c", program, str(root)).stdout.split() == ["False", "False"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with `bigpackage`."""
    folder = tmp_path / "site-packages"
    write_files(folder, {"bigpackage/__init__.py": "installed = True\n", "bigpackage/sub.py": ""})
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.usefixtures("installed")
def test_a_projects_module_wins_over_an_installed_package(project: Write) -> None:
    root = project({"bigpackage.py": TRAIN, "train.py": "import bigpackage\n"})
    assert load_module(str(root), "train").bigpackage.Train is find(root, "bigpackage:Train")


@pytest.mark.usefixtures("installed")
def test_an_installed_package_that_is_loaded_stays_loaded(project: Write) -> None:
    package = importlib.import_module("bigpackage")
    root = project({"bigpackage.py": TRAIN})
    assert name_of(str(root), find(root, "bigpackage:Train")) == "bigpackage"
    assert sys.modules["bigpackage"] is package


@pytest.mark.usefixtures("installed")
def test_a_module_that_imports_its_own_name_means_the_package(project: Write) -> None:
    root = project({"bigpackage.py": "import bigpackage\n" + TRAIN, "other.py": "import bigpackage.sub\n"})
    assert load_module(str(root), "bigpackage").bigpackage.installed
    assert load_module(str(root), "other").bigpackage.installed


@pytest.mark.usefixtures("installed")
def test_a_folder_of_data_does_not_hide_a_package(project: Write) -> None:
    root = project({"bigpackage/notes.txt": "", "train.py": "import bigpackage\n" + TRAIN})
    assert load_module(str(root), "train").bigpackage.installed


def test_projects_with_the_same_names_get_their_own_code(project: Write) -> None:
    roots = [
        project(
            {
                "train.py": f"import helper\nfrom parts import piece\n{TRAIN}\n"
                f"value = ({letter!r}, helper.x, piece.x)\n",
                "helper.py": f"x = {letter!r}\n",
                "parts/piece.py": f"x = {letter!r}\n",
            },
            letter,
        )
        for letter in "abc"
    ]
    for _ in range(2):
        for root in roots:
            assert load_module(str(root), "train").value == (root.name,) * 3
            assert name_of(str(root), find(root, "train:Train")) == "train"
    classes = [find(root, "train:Train") for root in roots]
    assert len(set(classes)) == 3


def test_a_project_nested_in_another_gets_its_own_code(project: Write) -> None:
    outer = project({"train.py": "import helper\n" + TRAIN, "helper.py": "x = 'outer'\n"})
    inner = outer / "inner"
    write_files(inner, {"own_base.py": "class Base: pass\n", "train.py": "import helper\n" + TRAIN})
    write_files(inner, {"helper.py": "x = 'inner'\n"})
    for _ in range(2):
        assert load_module(str(outer), "train").helper.x == "outer"
        assert load_module(str(inner), "train").helper.x == "inner"


def test_imports_inside_of_functions_find_the_project_that_was_put_in_force(project: Write) -> None:
    text = "def late():\n    import late_part\n    return late_part.x\n"
    one = project({"train.py": text, "late_part.py": "x = 1\n"}, "one")
    two = project({"train.py": text, "late_part.py": "x = 2\n"}, "two")
    first, second = load_module(str(one), "train"), load_module(str(two), "train")
    for _ in range(2):
        with activated(str(one)):
            assert first.late() == 1
            with activated(str(two)):
                assert second.late() == 2
            assert first.late() == 1


def test_classes_can_be_pickled_while_their_project_is_in_force(project: Write) -> None:
    one, two = project({"train.py": TRAIN}, "one"), project({"train.py": TRAIN}, "two")
    classes = {root: find(root, "train:Train") for root in (one, two)}
    for root, cls in classes.items():
        with activated(str(root)):
            assert pickle.loads(pickle.dumps(cls)) is cls


def test_the_users_own_modules_are_back_after_another_projects_were_imported(
    project: Write, run: Run
) -> None:
    main = """
        import sys
        import helper, local
        from machinable.modules.importing import load_module
        from machinable.modules.residence import activated

        other = load_module(sys.argv[1], "train")
        print(other.x, helper is sys.modules["helper"], local is sys.modules["local"])
        import late_home
        print(late_home.x)
        with activated(sys.argv[1]):
            print(other.late())
        import helper as again
        print(again.x)
    """
    home = project({"pyproject.toml": "[tool.machinable]\n", "helper.py": "x = 'home'\n"}, "home")
    write_files(home, {"late_home.py": "x = 'late home'\n"})
    write_files(home, {"scripts/main.py": main, "scripts/local.py": "x = 'home'\n"})
    train = "import helper, local\nx = helper.x + local.x\n"
    train += "def late():\n    import only_here, helper\n    return helper.x\n"
    other = project({"train.py": train, "only_here.py": ""}, "other")
    write_files(other, {"helper.py": "x = 'other'\n", "local.py": "x = 'other'\n"})
    done = run(home, "scripts/main.py", str(other), PYTHONPATH=os.pathsep.join([SOURCE, str(home)]))
    assert done.stdout.splitlines() == ["otherother True True", "late home", "other", "home"]


def test_child_processes_find_the_modules_of_the_project(project: Write, run: Run) -> None:
    root = project({"train.py": TRAIN + "def work(x):\n    return x + 1\n"})
    program = """
import multiprocessing, sys
from machinable.modules.importing import load_module
if __name__ == "__main__":
    train = load_module(sys.argv[1], "train")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(train.work, [1, 2]))
"""
    (root.parent / "outside.py").write_text(program)
    assert run(root.parent, "outside.py", str(root)).stdout.strip() == "[2, 3]"
