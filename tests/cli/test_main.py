from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable.cli.commands import COMMANDS, load
from machinable.cli.help import TOPICS
from machinable.cli.parse import parse
from machinable.version import __version__

Run = Callable[..., Any]


def test_version_is_printed(shell: Run) -> None:
    done = shell("version")
    assert (done.code, done.out, done.err) == (0, f"machinable {__version__}\n", "")


def test_version_loads_little(project: Path) -> None:
    script = (
        "import sys; from machinable.cli import main; main(['version'])\n"
        "assert not {'machinable.api', 'machinable.config', 'json', 're', 'inspect'} & set(sys.modules)"
    )
    source = str(Path(__file__).resolve().parents[2] / "src")
    subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": source},
        check=True,
        timeout=60,
        capture_output=True,
    )


def test_version_is_an_option_too(machinable: Run) -> None:
    assert machinable("--version").out == machinable("version").out


def test_get_runs_a_module_that_has_the_name_of_a_command(machinable: Run) -> None:
    assert machinable("get", "version", "--name").out == "my own version\n"
    assert "my own version" not in machinable("version").out


def test_options_may_follow_get(machinable: Run) -> None:
    assert "elsewhere" in machinable("get", "--storage", "elsewhere", "mnist_data", "--launch").err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_overview_lists_every_command_and_topic(machinable: Run, words: list[str]) -> None:
    done = machinable(*words)
    assert (done.code, done.err) == (0, "")
    assert all(name in done.out for name in (*COMMANDS, *TOPICS, "--storage", "--project", "--traceback"))


def test_every_command_has_help_with_an_example(machinable: Run) -> None:
    for name in COMMANDS:
        shown = machinable("help", name)
        assert shown.out == load(name).HELP and "Example" in shown.out
        assert machinable(name, "--help").out == shown.out
        assert machinable("--help", name).out == shown.out


@pytest.mark.parametrize("topic", TOPICS)
def test_every_example_of_a_topic_can_be_read(machinable: Run, topic: str) -> None:
    shown = machinable("help", topic)
    assert shown.code == 0
    examples = [
        line.strip().split("   ")[0] for line in shown.out.splitlines() if line.startswith("  machinable")
    ]
    assert examples
    for example in examples:
        words = shlex.split(example)[1:]
        if not words[0].startswith("--"):
            parse(words)


def test_help_on_a_component_tells_all_that_can_be_typed(machinable: Run) -> None:
    done = machinable("train", "--help")
    assert done.code == 0
    assert "Learns something.\n\nWith care.\n" in done.out
    table = [" ".join(line.split()) for line in done.out.splitlines()]
    for row in (
        "lr float 0.1",
        "steps any plain value required",
        "tag str 'x'",
        "optimizer.name str 'adam'",
        "optimizer.decay any plain value None",
        "device str 'cpu' (not part of the identity)",
        "@small Fewer steps.",
        "@sized(steps, lr=0.5)",
        "uses.data mnist_data",
        "--summary The learning rate that was used.",
        "--values(first, *, last=None)",
        "machinable train steps=… --launch",
        "machinable train steps=… @small --launch",
        "machinable train steps=… --launch --explode",
    ):
        assert row in table, done.out
    assert "on_success" not in done.out and "_private" not in done.out and "config_scaled" not in done.out


def test_help_on_a_target_is_the_same_wherever_it_is_asked_for(machinable: Run) -> None:
    shown = machinable("train", "--help").out
    assert machinable("help", "train").out == shown
    assert machinable("--help", "train").out == shown
    assert machinable("train", "lr=1", "@small", "-h").out == shown


def test_help_on_an_execution_shows_how_to_use_it(machinable: Run) -> None:
    shown = machinable("my_pool", "--help").out
    assert "Runs them here, backwards." in shown
    assert "machinable TARGET my_pool processes=1 --launch" in shown


def test_help_on_nothing_known_names_the_topics(machinable: Run) -> None:
    message = machinable("help", "valuse").refused()
    assert "no module 'valuse'" in message and "topics are values, " in message


def test_init_makes_a_project_whose_example_runs(machinable: Run, project: Path) -> None:
    done = machinable("init", "fresh")
    assert done.code == 0
    assert "[tool.machinable]" in (project / "fresh" / "pyproject.toml").read_text()
    command = done.err.splitlines()[-1].split()
    assert command[0] == "machinable"
    ran = machinable(*command[1:])
    assert ran.code == 0 and "pi is about 3." in ran.out and "finished in" in ran.err


def test_init_writes_over_nothing(machinable: Run, project: Path) -> None:
    (project / "estimate_pi.py").write_text("mine = True\n")
    before = (project / "pyproject.toml").read_text()
    done = machinable("init")
    assert done.code == 0 and done.out.count("left as it is") == 2
    assert (project / "estimate_pi.py").read_text() == "mine = True\n"
    assert (project / "pyproject.toml").read_text() == before


@pytest.mark.parametrize("text", ['[project]\nname = "mine"', '[project]\r\nname = "mine"\r\n', ""])
def test_init_adds_its_table_to_a_pyproject(machinable: Run, project: Path, text: str) -> None:
    path = project / "pyproject.toml"
    path.write_bytes(text.encode())
    assert "added [tool.machinable] to" in machinable("init").out
    written = path.read_bytes().decode()
    assert written.startswith(text)
    assert tomllib.loads(written)["tool"] == {"machinable": {}}
    assert "added" not in machinable("init").out
    assert path.read_bytes().decode() == written


@pytest.mark.parametrize("text", ["[project", "tool = 1\n", "[tool]\nmachinable.x = 1\n"])
def test_init_leaves_a_pyproject_that_it_can_not_add_to(machinable: Run, project: Path, text: str) -> None:
    path = project / "pyproject.toml"
    path.write_text(text)
    machinable("init")
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["version", "x"], "takes no arguments"),
        (["init", "a", "b"], "the name of one directory"),
        (["init", "--force"], "the name of one directory"),
        (["init", "pyproject.toml"], "can not be written"),
        (["help", "a", "b"], "one topic"),
        (["get"], "No target is given"),
        (["--traceback"], ""),
        (["--storage"], "needs a value"),
        (["--nope", "train"], "no option '--nope'"),
    ],
)
def test_commands_refuse_what_they_do_not_take(machinable: Run, words: list[str], says: str) -> None:
    done = machinable(*words)
    if says:
        assert says in done.refused()
    else:
        assert done.code == 0


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    process = subprocess.Popen(
        [sys.executable, "-m", "machinable", "train", "steps=1", "--lines"],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_what_a_terminal_can_not_show_is_escaped(shell: Run) -> None:
    done = shell("train", "steps=1", "--row", PYTHONIOENCODING="ascii")
    assert (done.code, done.out) == (0, '[1, null, "\\xe4"]\n')
