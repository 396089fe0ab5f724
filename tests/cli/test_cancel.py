"""`machinable cancel`: what runs is interrupted in order, and can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get
from tests.cli.running import STEPS, await_logs, await_until, started

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def steps(project: Path) -> None:
    (project / "steps.py").write_text(STEPS)


@pytest.mark.parametrize(("engine", "running"), [("native", 1), ("native:2", 2)])
def test_an_execution_stops_as_a_whole(shell: Run, project: Path, engine: str, running: int) -> None:
    words = ("execute", "steps", "name=a,b,c", "--grid", "--engine", engine, "--seed", "1")
    with started(*words) as process:
        await_logs(project, "000001", running)
        done = shell("cancel", "000001", "--yes")
        assert done.code == 0 and done.out.count(": interrupted\n") == running
        assert process.wait(timeout=30) == 130
    out = shell("status", "000001").out
    assert out.endswith(f"{running} interrupted · {3 - running} pending\n")
    assert shell("cancel", "000001").out == "execution 000001: nothing of it runs\n"
    for name in "abc":
        (project / f"go-{name}").touch()
    again = shell(*words)
    assert again.code == 0 and f"{running} resumed · {3 - running} new" in again.err


def test_one_component_in_a_process_of_its_own_stops_alone(shell: Run, project: Path) -> None:
    with started("execute", "steps", "name=a,b", "--grid", "--engine", "native:2", "--seed", "1") as process:
        await_logs(project, "000001", 2)
        first, second = get.by_id("000001").components
        document = json.loads(shell("cancel", f"000001/{first.id}", "--yes", "--json").out)
        assert document["interrupted"] == [f"steps {first.id}"] and document["still_running"] == []
        assert str(second.status) == "running"
        (project / "go-b").touch()
        assert process.wait(timeout=30) == 1
    assert (str(first.status), str(second.status)) == ("interrupted", "finished")


def test_one_component_takes_the_others_of_its_process_with_it_and_says_so(shell: Run, project: Path) -> None:
    with started("execute", "steps", "name=a,b", "--grid", "--seed", "1") as process:
        await_logs(project, "000001", 1)
        (component,) = get.by_id("000001").components
        done = shell("cancel", component.id, "--yes")
        assert done.out == f"steps {component.id}: interrupted\n"
        assert "the rest of execution 000001 runs in the same process" in done.err
        assert process.wait(timeout=30) == 130


def test_it_asks_first(shell: Run, project: Path) -> None:
    with started("steps", "--launch") as process:
        await_until(lambda: list((project / "storage").glob("[!.]*/output.log")), "it prints something")
        (component,) = get.all("steps")
        done = shell("cancel", component.id)
        assert done.code == 2 and f"Interrupt steps {component.id}? [y/N]" in done.err
        assert "--yes" in done.err.splitlines()[-1]
        assert str(component.status) == "running"
        assert shell("cancel", component.id, "--yes").out == f"steps {component.id}: interrupted\n"
        assert process.wait(timeout=30) == 130


def test_what_runs_on_another_machine_gets_a_note(machinable: Run, project: Path) -> None:
    (project / "go-b").touch()
    machinable("steps", "name=b", "--launch")
    (component,) = get.all("steps")
    record = Path(str(component.directory), ".machinable")
    attempt = record / "attempt-1.jsonl"
    line = json.loads(attempt.read_text().splitlines()[0])
    line["owner"] |= {"host": "elsewhere", "boot": "another", "namespace": "another"}
    attempt.write_text(json.dumps(line) + "\n")
    os.utime(attempt)
    done = machinable("cancel", component.id, "--yes")
    assert (
        done.code == 0
        and "out of reach, a note to cancel it was left" in done.out
        and "on elsewhere" in done.out
    )
    (note,) = (record / "notes").iterdir()
    assert json.loads(note.read_text())["kind"] == "cancel"


def test_bad_input_costs_one_line(machinable: Run) -> None:
    assert "no execution or component 'x'" in machinable("cancel", "x").refused()
    assert "no ID was given" in machinable("cancel").refused()
