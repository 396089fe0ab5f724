"""What a target means, and how its module is imported."""

from __future__ import annotations

import importlib
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from machinable.errors import ProjectError
from machinable.modules.importing import find_class, has_module, importing, load_module
from machinable.modules.names import real
from machinable.modules.project import find_root
from tests.modules.conftest import Write, write_files

TRAIN = """
from own_base import Base

class Train(Base):
    pass
"""


def base_of(root: Path) -> type:
    base = load_module(str(root), "own_base").Base
    assert isinstance(base, type)
    return base


def find(root: Path, target: str) -> type:
    return find_class(str(root), target, base_of(root))


def refusal(root: Path, target: str) -> str:
    with pytest.raises(ProjectError) as raised:
        find(root, target)
    return str(raised.value)


@pytest.mark.parametrize(
    "target",
    [
        "pkg.mod",
        "pkg/mod.py",
        "pkg/mod",
        "./pkg/mod.py",
        "pkg.mod.py",
        " pkg.mod ",
        "pkg.mod:Train",
        "pkg/mod.py:Train",
    ],
)
def test_a_module_is_found_however_it_is_written(project: Write, target: str) -> None:
    root = project({"pkg/mod.py": TRAIN})
    assert has_module(str(root), target)
    assert find(root, target).__name__ == "Train"
    assert find(root, target) is find(root, "pkg.mod")


def test_an_absolute_path_in_the_project_is_accepted(project: Write) -> None:
    root = project({"train.py": TRAIN})
    assert find(root, str(root / "train.py")) is find(root, "train")


def test_a_path_completed_by_the_shell_below_the_root_is_accepted(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"a/train.py": TRAIN, "train.py": TRAIN})
    monkeypatch.chdir(root / "a")
    assert find(root, "./train.py") is find(root, "a.train")
    assert find(root, "train.py") is find(root, "train")


def test_the_module_of_a_package_is_its_init_file(project: Write) -> None:
    root = project({"pkg/__init__.py": TRAIN})
    for target in ("pkg", "pkg/", "pkg/__init__.py"):
        assert find(root, target) is find(root, "pkg")


def test_a_project_reached_through_a_link_is_imported_once(project: Write, tmp_path: Path) -> None:
    root = project({"train.py": TRAIN})
    (tmp_path / "link").symlink_to(root)
    assert load_module(str(tmp_path / "link"), "train") is load_module(str(root), "train")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("trian", ["no module 'trian'", "looked for trian.py in", "Did you mean 'train'?"]),
        ("Train", ["Did you mean 'train'?"]),
        ("mod", ["Did you mean 'pkg.mod'?"]),
        ("pkg.mdo", ["installed packages", "Did you mean 'pkg.mod'?"]),
        ("zzzzzz", ["The project has: own_base, pkg.mod, train."]),
        ("pkg", ["is a folder", "pkg.mod"]),
        ("../train.py", ["relative name", "root of the project"]),
        ("pkg/../train.py", ["relative name"]),
        ("..train", ["relative name"]),
        (".train", ["relative name"]),
        ("/elsewhere/train.py", ["not in the project", "--project"]),
        ("", ["empty"]),
        ("   ", ["empty"]),
        (".py", ["relative name"]),
        ("/", ["not in the project"]),
        ("./", ["not the name of a module"]),
        ("a..b", ["not the name of a module"]),
        ("a.b/c.py", ["no dots"]),
        ("train:", ["'' is not the name of a class"]),
        ("train:5", ["'5' is not the name of a class", "module:Class"]),
        (":Train", ["not the name of a class"]),
        ("train:Trian", ["no class 'Trian'", "Did you mean train:Train?"]),
        ("train:helper", ["function that does not derive from Base"]),
        ("train:Plain", ["a class that does not derive from Base"]),
        ("träin", ["Did you mean 'train'?"]),
    ],
)
def test_a_name_that_means_nothing_is_one_line(project: Write, target: str, parts: list[str]) -> None:
    root = project({"train.py": TRAIN + "def helper(): pass\nclass Plain: pass\n", "pkg/mod.py": TRAIN})
    assert target.startswith("train:") or not has_module(str(root), target)
    message = refusal(root, target)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("target", [None, 3, [], Path("train.py"), b"train"])
def test_a_target_that_is_no_text_is_refused(project: Write, target: object) -> None:
    root = project({"train.py": TRAIN})
    assert not has_module(str(root), target)  # type: ignore[arg-type]
    assert repr(target) in refusal(root, target)  # type: ignore[arg-type]


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no modules in this folder"):
        find_class(str(tmp_path), "train", object)


def test_suggestions_leave_out_what_is_installed_or_hidden(project: Write) -> None:
    files = dict.fromkeys(
        [".venv/lib/x.py", "env/pyvenv.cfg", "env/y.py", "lib/site-packages/z.py", "a-b/c.py"], ""
    )
    root = project(files)
    assert "The project has: own_base." in refusal(root, "qqq")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "from own_base import Base\n", "class Other:\n    pass\n"]
)
def test_a_module_without_a_component_says_what_is_missing(project: Write, text: str) -> None:
    root = project({"empty_one.py": text})
    message = refusal(root, "empty_one")
    assert "has no class that derives from Base" in message
    assert "class EmptyOne(Component)" in message


def test_an_imported_class_is_not_the_modules_own(project: Write) -> None:
    root = project({"train.py": TRAIN, "other.py": "from train import Train\n"})
    assert "Those that it imports (Train) do not count" in refusal(root, "other")
    assert find(root, "other:Train") is find(root, "train")


def test_several_classes_are_listed_as_they_can_be_asked_for(project: Write) -> None:
    root = project({"two.py": TRAIN + "class Test(Base): pass\nAlias = Test\n"})
    assert "two has 2 classes" in refusal(root, "two")
    assert "two:Train or two:Test" in refusal(root, "two")
    assert find(root, "two:Test").__name__ == "Test"


def test_a_private_base_does_not_compete_with_the_component(project: Write) -> None:
    root = project(
        {"train.py": "from own_base import Base\nclass _Shared(Base): pass\nclass Train(_Shared): pass\n"}
    )
    assert find(root, "train").__name__ == "Train"
    assert find(root, "train:_Shared").__name__ == "_Shared"


def test_a_nested_class_is_named_with_dots(project: Write) -> None:
    root = project({"train.py": "from own_base import Base\nclass Outer:\n    class Inner(Base): pass\n"})
    assert find(root, "train:Outer.Inner").__qualname__ == "Outer.Inner"


def test_a_syntax_error_shows_place_and_line(project: Write) -> None:
    root = project({"broken.py": "x = 1\ndef f(:\n    pass\n"})
    message = refusal(root, "broken")
    assert "SyntaxError at broken.py:2" in message
    assert "\n    def f(:\n          ^" in message


def test_a_syntax_error_in_a_helper_names_the_helper(project: Write) -> None:
    root = project({"train.py": "import pkg.helper\n", "pkg/helper.py": "\n\nif True\n"})
    assert "SyntaxError at pkg/helper.py:3" in refusal(root, "train")


def test_bad_bytes_are_an_error_of_the_file(project: Write) -> None:
    root = project()
    (root / "nul.py").write_bytes(b"x = 1\0\n")
    (root / "latin.py").write_bytes(b"x = '\xe9'\n")
    assert "nul can not be imported" in refusal(root, "nul")
    assert "latin can not be imported" in refusal(root, "latin")


def test_a_module_that_raises_shows_the_users_own_frames(project: Write) -> None:
    root = project(
        {
            "train.py": "import json\nfrom pkg.helper import load\n\nvalues = load()\n",
            "pkg/helper.py": "import json\n\ndef load():\n    return json.loads('{')\n",
        }
    )
    with pytest.raises(ProjectError) as raised:
        find(root, "train")
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("train can not be imported: JSONDecodeError: ")
    assert lines[1:] == ["  train.py:4: values = load()", "  pkg/helper.py:4 in load: return json.loads('{')"]
    assert isinstance(raised.value.__cause__, ValueError)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_a_module_that_was_repaired_is_imported_the_next_time(project: Write) -> None:
    root = project({"train.py": "raise ValueError\n"})
    assert "ValueError" in refusal(root, "train")
    assert "train" not in sys.modules
    write_files(root, {"train.py": TRAIN})
    assert find(root, "train").__name__ == "Train"


def test_a_missing_package_is_named(project: Write) -> None:
    root = project({"train.py": "import surely_not_installed.sub\n", "other.py": "import own_bsae\n"})
    assert "No module named 'surely_not_installed'. Is 'surely_not_installed' installed?" in refusal(
        root, "train"
    )
    assert "Did you mean 'own_base'?" in refusal(root, "other")


def test_a_module_that_ends_python_is_an_error(project: Write) -> None:
    root = project({"train.py": "import sys\nsys.exit(3)\n"})
    assert "SystemExit: 3" in refusal(root, "train")
    assert "train.py:2: sys.exit(3)" in refusal(root, "train")


def test_ctrl_c_during_an_import_is_not_an_error_of_the_module(project: Write) -> None:
    root = project({"train.py": "raise KeyboardInterrupt\n"})
    with pytest.raises(KeyboardInterrupt):
        load_module(str(root), "train")
    assert importing.get() is None


def test_a_class_asked_for_in_a_circle_is_an_error_that_says_so(project: Write) -> None:
    root = project(
        {
            "a.py": "from machinable.modules.importing import find_class\nfrom own_base import Base\n"
            "find_class(__file__[:-5], 'a', Base)\nclass A(Base): pass\n"
        }
    )
    assert "a is still being imported" in refusal(root, "a")


def test_a_name_with_a_dot_or_a_colon_may_be_any_importable_module(project: Write) -> None:
    root = project()
    assert load_module(str(root), "email.message") is importlib.import_module("email.message")
    assert find_class(str(root), "decimal:Decimal", object).__name__ == "Decimal"
    assert not has_module(str(root), "email.message")
    assert "no module 'decimal'" in refusal(root, "decimal")
    assert "no module 'email.massage'" in refusal(root, "email.massage")
    assert "no module 'json.tool.x'" in refusal(root, "json.tool.x")


def test_users_imports_pickling_and_reload_see_the_same_module(project: Write) -> None:
    root = project({"pkg/__init__.py": "", "pkg/mod.py": TRAIN})
    cls = find(root, "pkg.mod")
    module = importlib.import_module("pkg.mod")
    assert module.Train is cls
    assert sys.modules["pkg.mod"] is module
    assert pickle.loads(pickle.dumps(cls)) is cls
    write_files(root, {"pkg/mod.py": TRAIN.replace("pass", "new = 1")})
    assert importlib.reload(module) is module
    assert find(root, "pkg.mod").new == 1  # type: ignore[attr-defined]
    assert find(root, "pkg.mod") is module.Train


def test_a_module_that_the_user_imported_is_not_imported_again(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"folder/helper.py": TRAIN, "src/pkg/mod.py": TRAIN})
    monkeypatch.syspath_prepend(root)
    monkeypatch.syspath_prepend(root / "folder")
    helper = importlib.import_module("helper")
    assert find(root, "folder.helper") is helper.Train
    monkeypatch.syspath_prepend(root / "src")
    cls = find(root, "src.pkg.mod")
    assert importlib.import_module("pkg.mod").Train is cls


def test_a_module_removed_from_sys_modules_is_imported_anew(project: Write) -> None:
    root = project({"train.py": TRAIN})
    first = find(root, "train")
    del sys.modules["train"]
    assert find(root, "train") is not first


def test_an_edit_within_the_same_second_is_seen_by_the_next_import(project: Write) -> None:
    root = project({"train.py": TRAIN + "value = 1\n"})
    for value in range(2, 6):
        write_files(root, {"train.py": TRAIN + f"value = {value}\n"})
        assert load_module(str(root), "train").value == value
        del sys.modules["train"]


def test_a_file_that_appears_later_is_found_at_once(project: Write) -> None:
    root = project()
    for number in range(5):
        name = f"new{number}"
        assert not has_module(str(root), name)
        write_files(root, {f"{name}.py": TRAIN, f"{name}_part.py": ""})
        assert find(root, name).__module__ == name


def test_threads_that_ask_at_once_get_one_class(project: Write) -> None:
    root = project({"slow.py": "import time\ntime.sleep(0.2)\n" + TRAIN})
    base = base_of(root)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: find_class(str(root), "slow", base), range(8)))
    assert set(found) == {sys.modules["slow"].Train}


def test_a_thread_waits_for_an_import_of_the_users_own(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"slow.py": "import time\ntime.sleep(0.3)\n" + TRAIN})
    base = base_of(root)
    monkeypatch.syspath_prepend(root)
    thread = threading.Thread(target=importlib.import_module, args=("slow",))
    thread.start()
    while "slow" not in sys.modules:
        pass
    assert find_class(str(root), "slow", base).__name__ == "Train"
    thread.join()


def test_asking_does_not_change_the_project(project: Write) -> None:
    root = project({"train.py": TRAIN})
    assert find_root(str(root)) == real(str(root)) == str(root)
    find(root, "train")
    find(root, "train")
    assert {path.name for path in root.iterdir()} <= {"train.py", "own_base.py", "__pycache__"}
