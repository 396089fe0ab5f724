"""The fingerprint of the code behind a component."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from machinable.modules.importing import load_module
from machinable.modules.names import real
from machinable.modules.source import fingerprint, project_modules
from tests.modules.conftest import Run, Write, write_files

PRINT = "import sys\nfrom machinable.modules.source import fingerprint\nprint(fingerprint(sys.argv[1], sys.argv[2]))"


@pytest.fixture
def root(project: Write) -> Path:
    return project(
        {
            "train.py": "import helper\nfrom pkg import sub\nimport json\nimport random\n",
            "helper.py": "def f():\n    from pkg.deep import leaf\n",
            "random.py": "",
            "pkg/__init__.py": "",
            "pkg/sub.py": "from .sibling import x\nfrom . import other\n",
            "pkg/sibling.py": "x = 1\n",
            "pkg/other.py": "",
            "pkg/unused.py": "",
            "pkg/deep/__init__.py": "",
            "pkg/deep/leaf.py": "from ...pkg import sub\nfrom .. import sibling\nimport helper\n",
        }
    )


def now(root: Path, run: Run, name: str = "train") -> str:
    """The fingerprint as a new process makes it."""
    return run(root, "-c", PRINT, str(root), name).stdout.strip()


def test_a_fingerprint_covers_what_the_module_imports(root: Path) -> None:
    assert set(project_modules(str(root), "train")) == {
        "train", "helper", "pkg", "pkg.sub", "pkg.sibling", "pkg.other", "pkg.deep", "pkg.deep.leaf",
    }  # fmt: skip


def test_a_fingerprint_is_32_digits_and_the_same_in_every_process(root: Path, run: Run) -> None:
    found = fingerprint(str(root), "train")
    assert found is not None
    assert re.fullmatch("[0-9a-f]{32}", found)
    load_module(str(root), "train")
    assert fingerprint(str(root), "train") == now(root, run) == found


@pytest.mark.parametrize(
    "file", ["train.py", "helper.py", "pkg/__init__.py", "pkg/sub.py", "pkg/sibling.py", "pkg/deep/leaf.py"]
)
def test_a_change_of_any_of_them_changes_it(root: Path, run: Run, file: str) -> None:
    before = now(root, run)
    with open(root / file, "a") as stream:
        stream.write("changed = 1\n")
    assert now(root, run) != before


@pytest.mark.parametrize("file", ["random.py", "pkg/unused.py", "own_base.py"])
def test_a_change_of_what_it_does_not_import_does_not(root: Path, run: Run, file: str) -> None:
    before = now(root, run)
    write_files(root, {file: "changed = 1\n"})
    assert now(root, run) == before


def test_line_ends_and_the_main_guard_do_not_count(root: Path, run: Run) -> None:
    before = now(root, run)
    text = (root / "train.py").read_bytes()
    (root / "train.py").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert now(root, run) == before
    (root / "train.py").write_bytes(text + b'if __name__ == "__main__":\n    sweep(1)')
    with_guard = now(root, run)
    (root / "train.py").write_bytes(text + b'if __name__ == "__main__":\n    sweep(2, 3)')
    assert now(root, run) == with_guard == before


def test_it_does_not_depend_on_where_the_project_lies(root: Path, run: Run, tmp_path: Path) -> None:
    before = now(root, run)
    moved = root.rename(tmp_path / "moved elsewhere")
    assert now(moved, run) == before
    (tmp_path / "link").symlink_to(moved)
    assert now(tmp_path / "link", run) == before


def test_it_is_that_of_the_code_as_imported(root: Path, run: Run) -> None:
    before = now(root, run)
    load_module(str(root), "train")
    write_files(root, {"train.py": "changed = 1\n", "pkg/sibling.py": "x = 2\n"})
    assert fingerprint(str(root), "train") == before
    (root / "train.py").unlink()
    assert fingerprint(str(root), "pkg.sub") != now(root, run, "pkg.sub")


def test_it_is_that_of_the_import_even_if_it_was_not_asked_for_before(root: Path, run: Run) -> None:
    before = now(root, run, "helper")
    load_module(str(root), "helper")
    write_files(root, {"helper.py": "changed = 1\n"})
    assert fingerprint(str(root), "helper") == before


def test_what_is_imported_later_counts_as_it_is_then(root: Path, run: Run) -> None:
    module = load_module(str(root), "helper")
    before = fingerprint(str(root), "helper")
    write_files(root, {"pkg/deep/leaf.py": "changed = 1\n"})
    changed = fingerprint(str(root), "helper")
    assert changed == now(root, run, "helper") != before
    module.f()
    write_files(root, {"pkg/deep/leaf.py": "changed = 2\n"})
    assert fingerprint(str(root), "helper") == changed


def test_a_reloaded_module_has_the_fingerprint_of_its_new_code(root: Path, run: Run) -> None:
    load_module(str(root), "train")
    before = fingerprint(str(root), "train")
    write_files(root, {"helper.py": "changed = 1\n"})
    importlib.reload(sys.modules["helper"])
    assert fingerprint(str(root), "train") == now(root, run) != before


def test_a_script_has_the_fingerprint_of_its_module_as_it_was_started(project: Write, run: Run) -> None:
    script = """
        import sys
        from machinable.modules.source import fingerprint
        import helper
        class Main:
            def f(self): pass
        if __name__ == "__main__":
            open(__file__, "a").write("changed = 1")
            print(fingerprint(sys.argv[1], Main))
    """
    root = project({"train.py": script, "helper.py": ""})
    before = now(root, run)
    assert run(root, "train.py", str(root)).stdout.strip() == before != now(root, run)


def test_modules_beside_a_script_and_in_src_count(project: Write) -> None:
    root = project(
        {
            "scripts/main.py": "import beside\nfrom lib.part import x\n",
            "scripts/beside.py": "",
            "src/lib/__init__.py": "",
            "src/lib/part.py": "",
        }
    )
    assert set(project_modules(str(root), "scripts.main")) == {
        "scripts.main", "scripts.beside", "src.lib", "src.lib.part",
    }  # fmt: skip


def test_broken_and_circular_modules_have_one_too(project: Write) -> None:
    root = project({"a.py": "import b\n", "b.py": "import a, broken\n", "broken.py": "def f(:\n"})
    assert set(project_modules(str(root), "a")) == {"a", "b", "broken"}
    assert fingerprint(str(root), "a")


def test_an_installed_module_has_that_of_its_own_text(root: Path) -> None:
    import textwrap

    assert project_modules(str(root), "textwrap") == ["textwrap"]
    assert fingerprint(str(root), textwrap.TextWrapper) == fingerprint(str(root), "textwrap")
    assert fingerprint(str(root), "builtins") is None
    assert fingerprint(str(root), "no_such_module") is None


def test_projects_with_the_same_names_have_their_own(project: Write) -> None:
    one, two = project({"train.py": "x = 1\n"}, "one"), project({"train.py": "x = 2\n"}, "two")
    found = {fingerprint(real(str(root)), "train") for root in (one, two)}
    for root in (one, two):
        load_module(str(root), "train")
    assert found == {fingerprint(real(str(root)), "train") for root in (one, two)}
    assert len(found) == 2
