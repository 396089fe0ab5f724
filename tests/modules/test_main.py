"""Classes of the main module: scripts, `-m`, `-c`, interpreters and notebooks."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path

import pytest

from machinable.modules.importing import load_module, name_of, travels_by_value
from tests.modules.conftest import Run, Write, write_files

SHOW = """
from machinable.modules.importing import find_class, load_module, name_of, travels_by_value
from machinable.modules.project import find_root
from machinable.modules.source import fingerprint
import os
root = find_root(os.getcwd())

class Base:
    pass

class Main(Base):
    def __call__(self):
        pass

print(name_of(root, Main), travels_by_value(Main), fingerprint(root, Main) is not None)
"""


def test_a_class_of_a_script_is_in_the_scripts_module(project: Write, run: Run) -> None:
    root = project({"pyproject.toml": "[tool.machinable]\n", "train.py": SHOW, "pkg/train.py": SHOW})
    assert run(root, "train.py").stdout.split() == ["train", "True", "True"]
    assert run(root, "pkg/train.py").stdout.split() == ["pkg.train", "True", "True"]
    assert run(root / "pkg", "train.py").stdout.split() == ["pkg.train", "True", "True"]
    assert run(root / "pkg", str(root / "train.py")).stdout.split() == ["train", "True", "True"]


def test_a_class_of_a_module_run_with_m_is_in_that_module(project: Write, run: Run) -> None:
    root = project({"pkg/__init__.py": "", "pkg/mod.py": SHOW, "pkg/__main__.py": SHOW})
    assert run(root, "-m", "pkg.mod").stdout.split()[0] == "pkg.mod"
    assert run(root, "-m", "pkg").stdout.split()[0] == "pkg.__main__"


def test_a_script_may_have_a_name_that_is_no_identifier(project: Write, run: Run) -> None:
    root = project({"01-train.py": SHOW})
    assert run(root, "01-train.py").stdout.split()[0] == "01-train"
    assert load_module(str(root), "01-train").Main.__module__ == "01-train"


@pytest.mark.parametrize(
    "tool", [["-m", "cProfile", "-o", "/dev/null"], ["-m", "trace", "--count", "-C", "/dev/null"]]
)
def test_a_script_under_a_profiler_is_still_that_script(project: Write, run: Run, tool: list[str]) -> None:
    root = project({"train.py": SHOW})
    assert run(root, *tool, "train.py", check=False).stdout.split()[0] == "train"


def test_a_script_outside_of_the_project_is_a_session(project: Write, run: Run) -> None:
    root = project()
    write_files(root.parent, {"outside.py": SHOW})
    assert run(root, "../outside.py").stdout.split() == ["__session__", "True", "True"]


def test_a_class_of_a_command_is_in_a_session_without_text(project: Write, run: Run) -> None:
    assert run(project(), "-c", SHOW).stdout.split()[:2] == ["__session__", "True"]


def test_a_class_typed_into_the_interpreter_is_in_a_session(project: Write, run: Run) -> None:
    root = project({"train.py": SHOW})
    typed = SHOW.replace("\n\n", "\n").replace("    pass\n", "    pass\n\n") + "\n"
    (root / "typed.txt").write_text(typed)
    program = "import subprocess, sys\nsubprocess.call([sys.executable, '-i', *sys.argv[1:]], stdin=open('typed.txt'))"
    assert run(root, "-c", program).stdout.split()[:2] == ["__session__", "True"]
    # Typed below a script that has ended: the class is not in the script's file.
    assert run(root, "-c", program, "train.py").stdout.split()[3:5] == ["__session__", "True"]


def test_a_dataclass_of_a_script_is_in_the_scripts_module(project: Write, run: Run) -> None:
    decorated = SHOW.replace(
        "class Main(Base):", "import dataclasses\n@dataclasses.dataclass\nclass Main(Base):\n    x: int = 1"
    )
    assert run(project({"train.py": decorated}), "train.py").stdout.split()[0] == "train"


NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in open(sys.argv[1]).read().split("# %%\\n"):
    result = shell.run_cell(cell, store_history=True)
    result.raise_error()
"""


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="needs IPython")
def test_a_class_of_a_notebook_is_in_a_session_and_has_a_fingerprint(
    project: Write, run: Run, tmp_path: Path
) -> None:
    changed = """
print(fingerprint(root, Main))
# %%
class Main(Base):
    def __call__(self):
        return 1
print(fingerprint(root, Main), name_of(root, Main))
# %%
class Main(Base):
    def __call__(self):
        pass
print(fingerprint(root, Main))
"""
    root = project({"cells.txt": SHOW + "# %%" + changed, "drive.py": NOTEBOOK})
    done = run(root, "drive.py", "cells.txt", IPYTHONDIR=str(tmp_path / "ipython"))
    words = done.stdout.split()
    assert words[:3] == ["__session__", "True", "True"]
    first, second, session, third = words[3:7]
    assert first == third != second
    assert session == "__session__"


def test_a_script_that_asks_for_itself_is_not_imported_again(project: Write, run: Run) -> None:
    script = """
        print("executed")
        from machinable.modules.importing import find_class, load_module
        import sys
        class Base:
            pass
        class Main(Base):
            pass
        for target in ("train", "train.py", "./train.py", "train:Main"):
            assert find_class(sys.path[0], target, Main) is Main
        assert load_module(sys.path[0], "train") is sys.modules["__main__"]
        assert "train" not in sys.modules
    """
    root = project({"train.py": script})
    assert run(root, "train.py").stdout.split() == ["executed"]
    assert run(root, "-m", "train").stdout.split() == ["executed"]


@pytest.mark.parametrize("target", ["train", "train:Main"])
def test_asking_for_the_script_above_its_class_says_so(project: Write, run: Run, target: str) -> None:
    script = f"""
        from own_base import Base
        from machinable.modules.importing import find_class
        import sys
        find_class(sys.path[0], {target!r}, Base)
        class Main(Base):
            pass
    """
    done = run(project({"train.py": script}), "train.py", check=False)
    assert "train is the script that is running, and it has defined no class" in done.stderr
    assert "Ask for it below the class." in done.stderr


def test_a_script_that_another_module_imports_by_name_is_not_executed_twice(project: Write, run: Run) -> None:
    script = """
        print("executed")
        import sys
        from own_base import Base
        class Main(Base):
            pass
        from machinable.modules.importing import load_module
        assert load_module(sys.path[0], "other").found is Main
    """
    other = """
        import sys
        from own_base import Base
        from machinable.modules.importing import find_class
        found = find_class(sys.path[0], "train", Base)
    """
    root = project({"train.py": script, "other.py": other})
    assert run(root, "train.py").stdout.split() == ["executed"]


def test_what_a_script_does_not_guard_is_refused_where_machinable_imports_it(project: Write) -> None:
    script = """
        from machinable.modules.importing import refuse_while_importing

        def start():
            refuse_while_importing("launch()")

        start()
    """
    root = project({"train.py": script, "user.py": "import train\n"})
    for name in ("train", "user"):
        with pytest.raises(Exception, match='Put it under `if __name__ == "__main__":`') as raised:
            load_module(str(root), name)
        assert str(raised.value).startswith(f"{root}/train.py:7: launch() at the top level of {name}")
    assert "train" not in sys.modules


def test_nothing_is_refused_where_the_user_imports(project: Write, run: Run) -> None:
    root = project(
        {"train.py": "from machinable.modules.importing import refuse_while_importing as r\nr('launch')\n"}
    )
    run(root, "train.py")
    run(root, "-c", "import train")


def test_a_local_class_travels_by_value_and_has_its_modules_name(project: Write) -> None:
    root = project(
        {"train.py": "def make():\n    class Inner:\n        pass\n    return Inner\nclass Top:\n    pass\n"}
    )
    module = load_module(str(root), "train")
    assert travels_by_value(module.make())
    assert name_of(str(root), module.make()) == "train"
    assert not travels_by_value(module.Top)
    old = module.Top
    module.Top = type("Top", (), {})
    assert travels_by_value(old)


def test_a_class_has_the_name_of_its_file_whatever_it_was_imported_as(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"folder/loose.py": "class A: pass\n"})
    monkeypatch.syspath_prepend(root / "folder")
    cls = importlib.import_module("loose").A
    assert name_of(str(root), cls) == "folder.loose"
    assert name_of(str(root / "folder"), cls) == "loose"
    assert name_of(str(root.parent / "elsewhere"), cls) == "loose"
    assert name_of(str(root), textwrap.TextWrapper) == "textwrap"


def test_a_class_of_machinable_keeps_its_name_in_machinables_own_repository() -> None:
    from machinable.errors import ProjectError

    assert name_of(str(Path(__file__).resolve().parents[2]), ProjectError) == "machinable.errors"
