"""Where the root of a project is, and what it sets."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from machinable.errors import ProjectError
from machinable.modules.project import find_root, settings


def pyproject(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


FORMS = [
    "[tool.machinable]\n",
    '[project]\nname = "x"\n\n[ tool . machinable ] # here\nname = "x"\n',
    "[tool.machinable]\r\nname = 'x'\r\n",
    '["tool"."machinable"]\n',
    "[tool]\nmachinable = {}\n",
    '[tool]\nmachinable.name = "x"\n',
    'tool.machinable.name = "x"\n',
    "tool = { machinable = {} }\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_the_root_is_the_nearest_parent_with_a_table_of_machinable(tmp_path: Path, text: str) -> None:
    tomllib.loads(text)
    root = pyproject(tmp_path / "a", text)
    deep = root / "b" / "c"
    deep.mkdir(parents=True)
    assert find_root(str(deep)) == str(root)
    assert find_root(str(root)) == str(root)


@pytest.mark.parametrize(
    "text",
    [
        '[project]\ndependencies = ["machinable"]\n',
        '[tool.poetry.dependencies]\nmachinable = "*"\n',
        "[tool.machinable-extra]\n",
        "[tool.ruff]\n",
        "# [tool.machinable]\n",
        "",
    ],
)
def test_other_files_do_not_make_a_project(tmp_path: Path, text: str) -> None:
    pyproject(tmp_path, text)
    deep = tmp_path / "deep"
    deep.mkdir()
    assert find_root(str(deep)) == str(deep)


def test_the_nearest_of_nested_projects_is_the_root(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.machinable]\n")
    inner = pyproject(tmp_path / "examples" / "digits", "[tool.machinable]\n")
    assert find_root(str(inner)) == str(inner)
    assert find_root(str(inner.parent)) == str(tmp_path)


def test_a_table_written_later_is_seen(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.machinable]\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_root(str(inner)) == str(tmp_path)
    pyproject(inner, "[tool.machinable]\n")
    os.utime(inner, ns=(1, 1))  # whatever the resolution of the clock
    assert find_root(str(inner)) == str(inner)


def test_a_root_reached_through_a_link_is_the_same_root(tmp_path: Path) -> None:
    root = pyproject(tmp_path / "real", "[tool.machinable]\n")
    (tmp_path / "link").symlink_to(root)
    assert find_root(str(tmp_path / "link")) == str(root)


def test_an_unreadable_file_above_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    deep = tmp_path / "deep"
    deep.mkdir()
    assert find_root(str(deep)) == str(deep)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('[project]\nname = "machinable-user"\n', {}),
        ("[tool.machinable]\n", {}),
        (
            '[tool.machinable]\nname = "a#b" # c\nstorage = \'~/x\'\n\n[tool.x]\nname = "y"\n',
            {"name": "a#b", "storage": "~/x"},
        ),
        (
            "[tool.machinable]\ntakeover_seconds = 90\ncode_changed = 'off'\n",
            {"takeover_seconds": 90, "code_changed": "off"},
        ),
        ("[tool.machinable]\ntakeover_seconds = 1.5\n", {"takeover_seconds": 1.5}),
        ('[tool.machinable]\nname = "a\\u00e9"\n', {"name": "aé"}),
        ('[tool]\nmachinable = {name = "n"}\n', {"name": "n"}),
        ("x = '''\n[tool.machinable]\n'''\n[tool.machinable]\nname = 'n'\n", {"name": "n"}),
    ],
)
def test_settings_are_those_of_the_table(tmp_path: Path, text: str, expected: dict[str, object]) -> None:
    assert tomllib.loads(text).get("tool", {}).get("machinable", {}) == expected
    assert settings(str(pyproject(tmp_path, text))) == expected


def test_a_project_without_a_file_has_no_settings(tmp_path: Path) -> None:
    assert settings(str(tmp_path)) == {}


def test_changed_settings_are_read_again(tmp_path: Path) -> None:
    root = str(pyproject(tmp_path, "[tool.machinable]\nname = 'a'\n"))
    assert settings(root) == {"name": "a"}
    pyproject(tmp_path, "[tool.machinable]\nname = 'other'\n")
    assert settings(root) == {"name": "other"}


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ('storge = "x"', ["'storge'", "Did you mean 'storage'?"]),
        ("zzz = 1", ["'zzz'", "name, storage, takeover_seconds, code_changed"]),
        ("name = 3", ["name is 3"]),
        ('name = ""', ["name is ''"]),
        ("storage = []", ["storage is []"]),
        ('takeover_seconds = "10"', ["takeover_seconds is '10'", "number of seconds"]),
        ("takeover_seconds = true", ["takeover_seconds is True"]),
        ("takeover_seconds = 0", ["takeover_seconds is 0"]),
        ("takeover_seconds = inf", ["takeover_seconds is inf"]),
        ('code_changed = "stop"', ["'stop'", '"warn" or "error" or "off"']),
        ("name = ]", ["not valid TOML", "line 2"]),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_file_and_remedy(
    tmp_path: Path, line: str, parts: list[str]
) -> None:
    root = pyproject(tmp_path, f"[tool.machinable]\n{line}\n")
    with pytest.raises(ProjectError) as raised:
        settings(str(root))
    message = str(raised.value)
    assert "\n" not in message
    assert str(root / "pyproject.toml") in message
    for part in parts:
        assert part in message


def test_a_table_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="must be a table"):
        settings(str(pyproject(tmp_path, "[tool]\nmachinable = 3\n")))
