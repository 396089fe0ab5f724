"""`wait=False`: executions that go on without whoever asked for them, looked after from another shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import Execution, Experiment, execute, get, grid
from machinable.errors import ConfigurationError, MachinableError
from machinable.execution.loading import LoadedExecution
from machinable.store import owner
from machinable.types import Status
from tests.conftest import Workspace

WAITER = """
    import os, time
    from machinable import Component

    class Waiter(Component):
        Config = {"n": 0, "until": "go"}
        def __call__(self):
            open(f"began-{self.config.n}", "w").close()
            print("waiting for", self.config.until)
            end = time.monotonic() + 60
            while self.config.until and not os.path.exists(self.config.until):
                if time.monotonic() > end:
                    raise TimeoutError
                time.sleep(0.01)
            if self.config.n == 99:
                raise ValueError("as asked")
            self.save_file("pid.json", os.getpid())
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("waiter.py", WAITER)
    return workspace


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def plan(count: int = 3, **config: Any) -> Experiment:
    return Experiment().component("waiter", grid(n=list(range(count))), **config)


def coordinator_of(execution: Execution | LoadedExecution) -> int:
    (run,) = get.by_id(str(execution.id)).runs
    assert run["detached"] is True
    return int(run["run"].split("-")[1])


@pytest.mark.parametrize("engine", ["native", "native:2"])
def test_it_returns_at_once_and_can_be_reattached(project: Workspace, engine: str, capfd: Any) -> None:
    execution = execute(plan(), project.storage, engine, wait=False)
    assert capfd.readouterr().out == f"{execution.id}\n"
    assert execution.directory == str(project.storage / str(execution.id))
    assert execution.is_active()
    again = get.by_id(str(execution.id))
    assert again.is_active()
    assert not again.is_finished()
    until(lambda: os.path.exists("began-0"), "nothing began")
    Path("go").touch()
    assert again.wait().is_finished()
    assert not again.is_active()
    assert len(again.components) == 3
    assert execution.wait().is_finished()
    assert os.getpid() not in [each.load_file("pid.json") for each in execution.components]
    (log,) = Path(str(execution.directory), ".machinable").glob("coordinator-*.log")
    assert "3 finished" in log.read_text()


def test_it_outlives_a_caller_that_is_killed(project: Workspace) -> None:
    code = """
        import os, signal
        from machinable import Experiment, execute, grid
        print(execute(Experiment().component("waiter", grid(n=[0, 1])), "storage", "native:2", seed=7, wait=False).id)
        os.killpg(os.getpgid(0), signal.SIGKILL)
    """
    caller = project.popen(code, start_new_session=True)
    output, _ = caller.communicate(timeout=60)
    assert caller.returncode == -signal.SIGKILL
    assert output.split() == ["000007", "000007"]
    Path("go").touch()
    assert get.by_id("000007").wait().is_finished()


def test_nothing_left_to_do_starts_nothing(project: Workspace) -> None:
    Path("go").touch()
    first = execute(plan(1), project.storage, seed=7)
    second = execute(plan(1), project.storage, seed=7, wait=False)
    assert second.is_finished() and not second.is_active()
    assert len(get.by_id(str(first.id)).runs) == 1


def test_what_would_not_outlive_the_caller_is_refused(project: Workspace) -> None:
    with pytest.raises(ConfigurationError, match="needs a storage that outlives this process"):
        execute(plan(1), "mem://", wait=False)


def test_what_is_wrong_is_raised_where_it_was_asked_for(project: Workspace) -> None:
    project.write(
        "odd.py",
        """
        from machinable import Execution
        class Odd(Execution):
            def check(self, components):
                from machinable.errors import ConfigurationError
                raise ConfigurationError("not today")
    """,
    )
    with pytest.raises(MachinableError, match="not today"):
        execute(plan(1), project.storage, "odd", wait=False)
    assert not project.storage.exists()


def test_cancel_ends_it_from_another_shell_and_it_can_be_resumed(project: Workspace) -> None:
    execution = execute(plan(), project.storage, "native:2", wait=False)
    until(lambda: os.path.exists("began-1"), "nothing began")
    pid = coordinator_of(execution)
    result = project.command("cancel", str(execution.id), "--yes")
    assert result.returncode == 0, result.stderr
    until(lambda: owner._start_time(pid) is None, "the coordinator lives on")
    states = sorted(str(execution.status(component)) for component in execution.components)
    assert states == ["interrupted", "interrupted", "pending"]
    assert not get.by_id(str(execution.id)).is_active()
    Path("go").touch()
    assert execute(plan(), project.storage, seed=execution.id).is_finished()


def test_execution_cancel_is_the_command(project: Workspace) -> None:
    execution = execute(plan(), project.storage, "native:2", wait=False)
    until(lambda: os.path.exists("began-0"), "nothing began")
    get.by_id(str(execution.id)).cancel()
    until(lambda: not execution.is_active(), "it goes on")
    assert Status.INTERRUPTED in [execution.status(component) for component in execution.components]


def test_a_killed_coordinator_takes_its_components_along(project: Workspace) -> None:
    execution = execute(plan(), project.storage, "native:2", wait=False)
    until(lambda: os.path.exists("began-0"), "nothing began")
    os.kill(coordinator_of(execution), signal.SIGKILL)
    until(lambda: not execution.is_active(), "it goes on")
    assert not execution.is_finished()


def test_the_command_line_detaches_attaches_and_tells_the_state(project: Workspace) -> None:
    detached = project.command("execute", "waiter", "n=0,1", "--grid", "--engine", "native:2", "--detach")
    assert detached.returncode == 0, detached.stderr
    id_ = detached.stdout.strip()
    assert f"machinable attach {id_}" in detached.stderr
    until(lambda: os.path.exists("began-1"), "nothing began")
    status = project.command("status", id_).stdout
    assert "2 running" in status and "its process writes to ./storage/" in status
    attached = subprocess.Popen(
        [sys.executable, "-m", "machinable", "attach", id_],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert attached.stderr is not None
    assert attached.stderr.readline().startswith(f"execution {id_}")
    attached.send_signal(signal.SIGINT)
    _, told = attached.communicate(timeout=30)
    assert attached.returncode == 130
    assert f"execution {id_} goes on" in told
    assert get.by_id(id_).is_active()
    logs = subprocess.Popen(
        [sys.executable, "-m", "machinable", "logs", id_, "-f"],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    Path("go").touch()
    assert logs.communicate(timeout=30)[0].count("waiting for go") == 2
    done = project.command("attach", id_)
    assert done.returncode == 0, done.stderr
    assert "2 finished" in done.stdout


def test_attach_says_what_failed(project: Workspace) -> None:
    Path("go").touch()
    failing = Experiment().component("waiter", {"n": 99})
    execution = execute(failing, project.storage, "native:1", wait=False)
    done = project.command("attach", str(execution.id))
    assert done.returncode == 1
    assert "1 failed" in done.stdout and "did not finish" in done.stderr
    assert execution.wait().is_failed()
    component = execution.components[0]
    assert project.command("attach", str(component.id)).returncode == 2


def test_an_owner_elsewhere_reads_a_note_to_cancel_with_its_next_heartbeat(project: Workspace) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from machinable import get; get('waiter').launch()"],
        cwd=project.root,
        env=project.environment(MACHINABLE_HEARTBEAT_SECONDS="0.1"),
        stderr=subprocess.PIPE,
    )
    until(lambda: os.path.exists("began-0"), "nothing began")
    component = get("waiter")
    meta = str(project.storage / component.id / ".machinable")
    from machinable.records.notes import add_note

    add_note(meta, "something else")
    assert get("waiter").status is Status.RUNNING
    add_note(meta, "cancel")  # as `machinable cancel` does on another machine
    process.communicate(timeout=30)
    assert get("waiter").status is Status.INTERRUPTED
    # An old note does not concern the next attempt.
    Path("go").touch()
    assert project.python(
        "from machinable import get; get('waiter').launch()", MACHINABLE_HEARTBEAT_SECONDS="0.01"
    )
    assert get("waiter").status is Status.FINISHED
