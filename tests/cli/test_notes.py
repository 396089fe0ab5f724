"""What the command line says besides what was asked for: of mistakes, of damage, of what failed, and in which order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable.api import get
from tests.cli.conftest import variables

Run = Callable[..., Any]

ODD = """
import os

from machinable import Component


class Odd(BaseException):
    pass


class Ends(Component):
    Config = {"kind": "odd"}

    def __call__(self):
        raise Odd("odd") if self.config.kind == "odd" else GeneratorExit("over")
"""

SETTINGS = """
from machinable import Component


class Settings(Component):
    Config = {"rows": 10, "flag": False}

    def config_scale(self, factor):
        return factor * 2
"""


def test_a_dry_run_with_launch_succeeds(machinable: Run, project: Path) -> None:
    done = machinable("dry", "mnist_data", "--launch", "--summary")
    assert done.code == 0, done.err
    assert "1 would run: 1 new" in done.out and done.err == ""
    assert not (project / "storage").exists()


def test_ls_names_damaged_records(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    machinable("mnist_data", "name=other", "--launch")
    damaged, kept = get("mnist_data"), get("mnist_data", {"name": "other"})
    (Path(damaged.directory) / ".machinable" / "component.json").write_text("")
    for words in (["ls"], ["ls", "mnist_data"], ["ls", "--json"]):
        done = machinable(*words)
        assert done.code == 0 and damaged.id not in done.out and kept.id in done.out
        assert done.err.startswith("machinable: left out: ") and damaged.id in done.err
        assert done.err.count("\n") == 1


def test_what_is_printed_and_notes_keep_their_order_in_a_pipe(project: Path) -> None:
    (project / "talks.py").write_text(
        "import sys\n\nfrom machinable import Component\n\n\nclass Talks(Component):\n"
        "    def __call__(self):\n        print('before')\n        raise ValueError('after')\n"
    )
    for more in ([], ["native:2"]):
        done = subprocess.run(
            [sys.executable, "-m", "machinable", "talks", *more, "--launch"],
            env=variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
        )
        assert done.stdout.startswith("before\nTraceback"), done.stdout


def test_changed_code_names_the_command_that_runs_it_again(shell: Run, project: Path) -> None:
    words = ["mnist_data", "name=two words", "scope", "fold=1"]
    shell(*words, "--launch")
    file = project / "mnist_data.py"
    file.write_text(file.read_text().replace("Downloading", "Fetching"))
    done = shell(*words, "--launch")
    command = "-m machinable mnist_data 'name=two words' scope fold=1 --invalidate --launch"
    assert "its code has changed since" in done.err and f"{command}." in done.err
    assert ".invalidate()" not in done.err


def test_invalidate_says_what_it_did(machinable: Run) -> None:
    assert "there is no result of it" in machinable("mnist_data", "--invalidate").err
    machinable("mnist_data", "--launch")
    done = machinable("mnist_data", "--invalidate")
    assert done.code == 0 and done.out == ""
    assert done.err == f"mnist_data {get('mnist_data').id}: invalidated, the next --launch runs it again\n"


@pytest.mark.parametrize("name", ["MACHINABLE_HEARTBEAT_SECONDS", "MACHINABLE_TAKEOVER_SECONDS"])
@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_variables_that_can_not_be_read_are_refused_before_anything_is_written(
    machinable: Run, project: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    for words in (["mnist_data", "--launch"], ["execute", "mnist_data"]):
        assert f"{name} is {text!r}, but a number of seconds" in machinable(*words).refused()
    assert not (project / "storage").exists()


def test_failures_of_other_processes_are_told_with_the_component_and_without_repeating(
    shell: Run, project: Path
) -> None:
    words = [word for lr in (1, 2) for word in ("train", "@small", "tag=boom", f"lr={lr}")]
    done = shell(*words, "native:2", "--launch")
    assert done.code == 1
    assert done.err.count("Traceback") == 1 and "direct cause" not in done.err
    assert "ComponentException" not in done.err and "src/machinable" not in done.err
    for lr in (1, 2):
        train = get("train", ["~small", {"tag": "boom", "lr": lr}])
        assert f"machinable: train {train.id}: ValueError: no luck with lr={lr}.0 · log: " in done.err
    assert "machinable: 2 components failed · retry: " in done.err


def test_failures_of_different_kinds_have_a_traceback_each(shell: Run, project: Path) -> None:
    (project / "ends.py").write_text(ODD)
    done = shell("train", "@small", "tag=boom", "ends", "native:2", "--launch")
    assert done.code == 1 and done.err.count("Traceback") == 2
    lines = done.err.splitlines()
    for exception, reason in (("ValueError: no luck", "ValueError: no luck"), ("ends.Odd: odd", "Odd: odd")):
        (number,) = (number for number, line in enumerate(lines) if line.startswith(exception))
        assert reason in lines[number + 1] and lines[number + 1].startswith("machinable: ")


@pytest.mark.parametrize(("typed", "meant"), [("exeucte", "execute"), ("statsu", "status"), ("log", "logs")])
def test_a_command_with_a_typo_is_suggested(machinable: Run, typed: str, meant: str) -> None:
    assert f"did you mean 'machinable {meant}'?" in machinable(typed, "train").refused()
    assert f"did you mean 'machinable {meant}'?" in machinable("help", typed).refused()
    assert "did you mean 'machinable" not in machinable("train", typed).refused()


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("rows=scal(4)", "Did you mean 'scale(4)'?"),
        ("rows=nothing(4)", "Settings has: scale(…)."),
        ("rows=scale(4", "its brackets are not balanced."),
        ("flag=yes", "Write true or false."),
        ("flag=Off", "Write true or false."),
        ("flag=1", "Write true or false."),
    ],
)
def test_a_value_that_does_not_fit_says_what_was_meant(
    machinable: Run, project: Path, word: str, says: str
) -> None:
    (project / "settings.py").write_text(SETTINGS)
    assert machinable("settings", word).refused().endswith(says)


def test_launch_takes_no_value(machinable: Run) -> None:
    assert (
        "--launch takes no value, but '--launch=3' was given" in machinable("train", "--launch=3").refused()
    )


def test_a_storage_in_memory_is_said_not_to_be_kept(shell: Run) -> None:
    for words in (["mnist_data", "--launch"], ["execute", "mnist_data"]):
        done = shell("--storage", "mem://", *words)
        assert done.code == 0 and "gone when this command ends" in done.err
    assert "gone when" not in shell("mnist_data", "--launch").err


def test_a_large_folder_that_is_no_project_is_not_listed(
    machinable: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        (tmp_path / "disk" / f"d{number}").mkdir(parents=True)
        (tmp_path / "disk" / f"d{number}" / f"file{number}.py").touch()
    done = machinable("--project", str(tmp_path / "disk"), "xyz")
    assert "This folder is no project" in done.refused() and "d1." not in done.err
    monkeypatch.setattr("machinable.modules.names.VISITED_FOLDERS", 5)
    assert "The project has: d0.file0" in machinable("--project", str(tmp_path / "disk"), "xyz").refused()


@pytest.mark.parametrize("more", [[], ["native"], ["native:2"]])
@pytest.mark.parametrize(
    ("kind", "says"), [("odd", "ends.Odd: odd\n"), ("generator", "GeneratorExit: over\n")]
)
def test_what_is_no_exception_fails_like_one(
    shell: Run, project: Path, more: list[str], kind: str, says: str
) -> None:
    (project / "ends.py").write_text(ODD)
    done = shell("ends", f"kind={kind}", *more, "--launch")
    assert done.code == 1 and "src/machinable" not in done.err
    assert says in done.err and done.err.count("Traceback") == 1
    assert ": failed · log: ./storage/" in done.err and " · retry: " in done.err


def test_an_execution_ended_by_what_is_no_exception_tells_of_it(shell: Run, project: Path) -> None:
    (project / "ends.py").write_text(ODD)
    done = shell("execute", "ends")
    assert done.code == 1 and "ends.Odd: odd" in done.err and "src/machinable" not in done.err
    assert "/output.log · retry: " in done.err.splitlines()[-1]


def test_paths_are_told_from_where_the_command_began(shell: Run, project: Path) -> None:
    (project / "moves.py").write_text(
        "import os\n\nfrom machinable import Component\n\n\nclass Moves(Component):\n    def __call__(self):\n"
        "        os.chdir('storage')\n        assert self.config.good\n\n    Config = {'good': True}\n"
    )
    assert " · ./storage/" in shell("moves", "--launch").err
    assert " · log: ./storage/" in shell("moves", "good=false", "--launch").err
    assert "results in storage/" in shell("execute", "moves").err
