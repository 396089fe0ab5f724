"""`machinable status`: states, and how they are known."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machinable import get
from tests.cli.running import STEPS, await_logs, started

Run = Callable[..., Any]

HALF = """
from machinable import Component


class Half(Component):
    Config = {"n": 0}

    def __call__(self):
        if self.config.n > 1:
            raise ValueError(f"{self.config.n} is too many")
"""


def test_an_execution_is_a_table_with_counts(shell: Run, project: Path) -> None:
    (project / "half.py").write_text(HALF)
    shell("execute", "half", "n=1,2,3", "--grid", "--seed", "42")
    done = shell("status", "00000g")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("execution 00000g (") and "seed 42 · 1 run · ./storage/00000g" in lines[0]
    assert "by native on" in lines[1] and lines[1].endswith(" · its process has ended")
    assert lines[2].split() == ["id", "n", "time", "status", "evidence"]
    assert [line.split()[1] for line in lines[3:6]] == ["1", "2", "3"]
    assert all("attempt 1 says so, " in line for line in lines[3:6])
    assert lines[6] == "1 finished · 2 failed"
    assert shell("status", "000").out == done.out


def test_a_run_that_stopped_early_has_ended_and_left_some_out(shell: Run, project: Path) -> None:
    (project / "half.py").write_text(HALF)
    shell("execute", "half", "n=2,3", "--grid", "--seed", "42", "--max-failures", "1")
    for command in ("status", "show"):
        line = shell(command, "00000g").out.splitlines()[1]
        assert line.endswith(" · its process has ended, before all of them had started")


def test_json_has_the_same_as_data(machinable: Run, project: Path) -> None:
    (project / "half.py").write_text(HALF)
    machinable("execute", "half", "n=1,2", "--grid", "--seed", "42")
    document = json.loads(machinable("status", "00000g", "--json").out)
    assert (document["id"], document["seed"], document["counts"]) == (
        "00000g",
        42,
        {"finished": 1, "failed": 1},
    )
    assert [run["engine"] for run in document["runs"]] == ["native"]
    failed = document["components"][1]
    assert failed["exception"] == "ValueError: 2 is too many" and failed["config"] == {"n": 2}
    one = json.loads(machinable("status", failed["id"], "--json").out)
    assert one == failed


def test_a_component_has_lines_of_its_own(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (component,) = get.all("mnist_data")
    for text in (component.id, component.id[:5]):
        done = machinable("status", text)
        assert done.code == 0 and done.out.startswith(f"mnist_data {component.id}: finished\n")
        assert "attempt 1 says so, " in done.out and f"./storage/{component.id}\n" in done.out
    machinable("execute", "mnist_data", "--seed", "42")
    (planned,) = get.by_id("00000g").components
    done = machinable("status", f"00000g/{planned.id[:3]}")
    assert done.out.startswith(f"mnist_data {planned.id}: finished\n")


def test_what_runs_is_told_from_what_was_lost(shell: Run, project: Path) -> None:
    (project / "steps.py").write_text(STEPS)
    with started("execute", "steps", "name=a,b", "--grid", "--seed", "1") as process:
        await_logs(project, "000001", 1)
        out = shell("status", "000001").out
        assert f"process {process.pid} on " in out and "is alive (process table)" in out
        assert "it has not started" in out and out.endswith("1 running · 1 pending\n")
        process.send_signal(signal.SIGKILL)
        process.wait()
    out = shell("status", "000001").out
    assert f"process {process.pid} on " in out and "is gone (process table)" in out
    assert out.splitlines()[1].endswith(" · its process is gone without a word")
    assert out.endswith("1 lost · 1 pending\n")


def test_a_damaged_record_does_not_hide_the_others(machinable: Run, project: Path) -> None:
    machinable("execute", "mnist_data", "name=a,b", "--grid", "--seed", "1")
    first = get.by_id("000001").components[0]
    Path(first.directory, ".machinable", "component.json").write_text("{}x")
    done = machinable("status", "000001")
    assert done.code == 0 and done.out.endswith("1 damaged · 1 finished\n")
    assert "component.json is not valid JSON" in done.out


def test_status_needs_no_code_and_writes_nothing(machinable: Run, project: Path) -> None:
    machinable("execute", "mnist_data", "--seed", "1")
    (project / "mnist_data.py").unlink()
    before = sorted(str(path) for path in (project / "storage").rglob("*"))
    assert machinable("status", "000001").code == 0
    assert sorted(str(path) for path in (project / "storage").rglob("*")) == before


def test_an_unknown_or_ambiguous_id_is_an_error(machinable: Run, project: Path) -> None:
    assert "no execution or component 'zzz'" in machinable("status", "zzz").refused()
    assert "no execution or component 'a/b'" in machinable("status", "a/b").refused()
    assert "no execution or component '../x'" in machinable("status", "../x").refused()
    assert "no ID was given" in machinable("status").refused()
    assert "2 were given: a b" in machinable("status", "a", "b").refused()
    assert "Did you mean '--json'?" in machinable("status", "a", "--jsn").refused()
    assert not (project / "storage").exists()
    for seed in ("id:ZZZZZ1", "id:ZZZZZ2"):
        machinable("execute", "mnist_data", "--seed", seed)
    message = machinable("status", "ZZZZZ").refused()
    assert "2 executions and components have an ID that begins with 'ZZZZZ': ZZZZZ1, ZZZZZ2" in message
    assert machinable("status", "ZZZZZ2").code == 0
