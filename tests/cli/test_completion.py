"""`machinable completion`: what shells offer while a command is typed, asked by real shells."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get
from tests.cli.conftest import variables

Run = Callable[..., Any]


@pytest.fixture
def offered(machinable: Run, project: Path) -> Callable[[str], list[str]]:
    """The candidates for the last word of a line, as shells that split at spaces alone ask for them."""

    def ask(line: str) -> list[str]:
        done = machinable("completion", "words", line, line.rpartition(" ")[2])
        assert done.code == 0 and done.err == ""
        return done.out.splitlines()

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    {
        "machinable docto": ["doctor"],
        "machinable --sto": ["--storage"],
        "machinable tra": ["train"],
        "machinable get versi": ["version"],
        "machinable train op": ["optimizer.name=", "optimizer.decay="],
        "machinable train lr=": ["lr=0.1"],
        "machinable train lr=0.1 st": ["steps=", "storage"],
        "machinable train dev": ["device="],
        "machinable train @": ["@small", "@sized"],
        "machinable train ~s": ["~small", "~sized"],
        "machinable train --sum": ["--summary"],
        "machinable train --lau": ["--launch"],
        "machinable train uses.": ["uses.data="],
        "machinable train uses.data=mni": ["uses.data=mnist_data"],
        "machinable train native": ["native"],
        "machinable execute train --engine multi": ["multiprocess"],
        "machinable execute trai": ["train"],
        "machinable rm --fai": ["--failed"],
        "machinable rm --status fin": ["finished"],
        "machinable ls train --sort optimizer.n": ["optimizer.name"],
        "machinable help val": [],
        "machinable help doc": ["doctor"],
        "machinable completion z": ["zsh"],
        "machinable index r": ["rebuild"],
        "machinable pair:": [],
        "machinable nothing_such x": [],
        "machinable train 'unbalanced": [],
        "machinable --storage ": [],
    }.items(),
)
def test_candidates(offered: Callable[[str], list[str]], line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_private_methods_hooks_and_properties_are_not_offered(offered: Callable[[str], list[str]]) -> None:
    assert not {"--_private", "--on_success", "--config_scaled", "--version_small"} & set(
        offered("machinable train --")
    )


def test_no_code_of_the_user_is_executed(offered: Callable[[str], list[str]], project: Path) -> None:
    (project / "loud.py").write_text(
        "from machinable import Component\nopen('ran', 'w').close()\n\n\nclass Base(Component):\n"
        "    class Config:\n        depth: int = 3\n        on: bool = True\n\n\n"
        "class Loud(Base):\n    def play(self):\n        pass\n"
    )
    assert offered("machinable loud d")[0] == "depth="
    assert offered("machinable loud on=") == ["on=true", "on=false"]
    assert "--play" in offered("machinable loud --")
    (project / "wrong.py").write_text("class Wrong(:\n")
    assert "launch" in "".join(offered("machinable wrong --"))
    assert not (project / "ran").exists()


def test_ids_and_modules_of_the_storage(
    machinable: Run, offered: Callable[[str], list[str]], project: Path
) -> None:
    assert offered("machinable show ") == []
    machinable("train", "steps=1", "--launch")
    machinable("execute", "mnist_data", "--seed", "1")
    (train,) = get.all("train")
    (planned,) = (each for each in get.all("mnist_data") if "000001" in each.directory)
    assert offered(f"machinable show {train.id[:4]}") == [train.id]
    assert "000001" in offered("machinable logs ")
    assert offered("machinable logs 000001/") == [f"000001/{planned.id}"]
    assert offered("machinable du m") == ["mnist_data"]
    assert offered(f"machinable diff {train.id} 0000") == ["000001"]
    assert offered("machinable --storage elsewhere show ") == []
    done = machinable("completion", "words", f"machinable show {train.id[:4]}", train.id[:4], "--described")
    assert done.out == f"{train.id}\ttrain\n"


def test_a_storage_that_can_not_be_read_offers_nothing(machinable: Run, project: Path) -> None:
    (project / "storage").write_text("a file")
    done = machinable("completion", "words", "machinable show ", "")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_bad_input(machinable: Run) -> None:
    assert "Name the shell" in machinable("completion").refused()
    assert "Did you mean 'fish'" in machinable("completion", "fisch").refused()
    assert "takes the line" in machinable("completion", "words", "a").refused()


@pytest.fixture
def program(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds the command `machinable`."""
    directory = tmp_path_factory.mktemp("bin")
    script = directory / "machinable"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m machinable "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return directory


def in_shell(shell: str, text: str, program: Path) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    environment = variables(PATH=f"{program}{os.pathsep}{os.environ['PATH']}", HOME=str(program), TERM="dumb")
    done = subprocess.run(
        [path, "-c", text],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash_itself(program: Path) -> None:
    text = """
    source <(machinable completion bash)
    complete -p machinable
    try() { COMP_LINE="$1"; COMP_POINT=${#1}; COMPREPLY=(); _machinable machinable "$2" ""; echo "${COMPREPLY[*]}"; }
    try "machinable train op" op
    try "machinable train lr=" ""
    try "machinable train steps=1 --sum" --sum
    try "machinable docto" docto
    try "machinable x; y" y
    """
    lines = in_shell("bash", text, program).splitlines()
    assert "-F _machinable machinable" in lines[0]
    # bash splits at `=`, and gets what stands after it.
    assert [line.split() for line in lines[1:5]] == [
        ["optimizer.name=", "optimizer.decay="],
        ["0.1"],
        ["--summary"],
        ["doctor"],
    ]


def test_zsh_itself(program: Path) -> None:
    text = """
    autoload -Uz compinit && compinit -u -d $HOME/dump
    eval "$(machinable completion zsh)"
    compadd() { for each in $found $open; do print -r -- "=> $each"; done }
    words=(machinable train op); CURRENT=3; PREFIX=op
    _machinable
    words=(machinable docto); CURRENT=2; PREFIX=docto
    _machinable
    print -r -- $_comps[machinable]
    """
    lines = in_shell("zsh", text, program).splitlines()
    told = [line for line in lines if line.startswith("=> ")]
    assert told == ["=> optimizer.name=", "=> optimizer.decay=", "=> doctor"] and lines[-1] == "_machinable"


def test_fish_itself(program: Path) -> None:
    text = """
    machinable completion fish | source
    complete -C "machinable train op"
    complete -C "machinable docto"
    """
    lines = in_shell("fish", text, program).splitlines()
    assert sorted(line.split("\t")[0] for line in lines) == ["doctor", "optimizer.decay=", "optimizer.name="]
    assert "optimizer.name=\tof train, 'adam' by default" in lines
