"""What launchers are told when a component fails, is interrupted, dies, or waits for itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims.launchers import Launchers, until
from tests.conftest import Workspace

_LAUNCH = "get('tiny').launch()"
_STATE = "c = get('tiny')\nresult = [str(c.status), c.status_evidence]"


@pytest.fixture
def others(launchers: Launchers) -> Iterator[Launchers]:
    """More processes in the same project."""
    with Launchers.again(launchers) as more:
        yield more


def test_a_launch_that_waits_for_a_component_shares_its_failure(launchers: Launchers, storage: Path) -> None:
    launchers.start(storage, _LAUNCH, count=8, PAUSE="0.3", FAIL="yes")
    answers = launchers.wait()
    assert [answer.error for answer in answers] == ["ExecutionFailed"] * 8
    assert sorted(answer.cause for answer in answers) == ["ComponentException"] * 7 + ["ValueError"]
    assert all("asked to fail" in answer.cause_text for answer in answers)
    assert launchers.executions(storage) == 1


@pytest.mark.parametrize("tick_seconds", [0.0, 0.008], ids=["fine clock", "coarse clock"])
def test_an_older_failure_is_resumed_by_every_launch_however_soon(
    launchers: Launchers, storage: Path, tick_seconds: float
) -> None:
    # The times of files lag behind by as much as 10 ms where the kernel counts them in ticks.
    source = """
    import os, types
    from machinable.errors import ExecutionFailed
    from machinable.records import clock

    class Coarse:
        def __getattr__(self, name):
            return getattr(os, name)

        def fstat(self, descriptor):
            return types.SimpleNamespace(st_mtime=os.fstat(descriptor).st_mtime - arguments)

    clock.os = Coarse()
    causes = set()
    for _ in range(60):
        try:
            get("tiny").launch()
        except ExecutionFailed as error:
            causes.add(type(error.__cause__).__name__)
    result = sorted(causes)
    """
    assert launchers.run(storage, source, arguments=tick_seconds, FAIL="yes").result == ["ValueError"]
    assert launchers.executions(storage) == 60
    assert launchers.run(storage, _LAUNCH).error is None
    assert launchers.executions(storage) == 61


def test_launches_that_wait_for_a_component_that_is_killed_run_it_once_more(
    launchers: Launchers, others: Launchers, storage: Path
) -> None:
    (owner,) = launchers.start(storage, _LAUNCH, PAUSE="60")
    until(lambda: launchers.executions(storage) == 1, "it runs")
    others.start(storage, _LAUNCH, count=4, PAUSE="0.1")
    os.kill(owner, signal.SIGKILL)
    launchers.wait()
    assert [answer.error for answer in others.wait()] == [None] * 4
    assert launchers.executions(storage) == 2


def test_launches_that_wait_for_a_component_that_is_interrupted_run_it_once_more(
    launchers: Launchers, others: Launchers, storage: Path
) -> None:
    (owner,) = launchers.start(storage, _LAUNCH, PAUSE="60")
    until(lambda: launchers.executions(storage) == 1, "it runs")
    others.start(storage, _LAUNCH, count=4, PAUSE="0.1")
    os.kill(owner, signal.SIGTERM)
    assert launchers.wait()[0].error in ("Terminated", "KeyboardInterrupt")
    assert [answer.error for answer in others.wait()] == [None] * 4
    assert launchers.executions(storage) == 2


def test_a_component_whose_process_died_is_lost_and_the_process_table_says_so(
    launchers: Launchers, others: Launchers, storage: Path
) -> None:
    (owner,) = launchers.start(storage, _LAUNCH, PAUSE="60")
    until(lambda: launchers.executions(storage) == 1, "it runs")
    status, evidence = others.run(storage, _STATE).result
    assert status == "running" and str(owner) in evidence and "process table" in evidence
    os.kill(owner, signal.SIGKILL)
    launchers.wait()
    status, evidence = others.run(storage, _STATE).result
    assert status == "lost" and str(owner) in evidence and "process table" in evidence


def test_a_zombie_is_lost(launchers: Launchers, storage: Path) -> None:
    source = """
    import os, time

    child = os.fork()
    if child == 0:
        get("tiny").launch()
    while not os.path.exists(os.environ["COUNT"]):
        time.sleep(0.01)
    os.kill(child, 9)
    while open(f"/proc/{child}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    component = get("tiny")
    result = [str(component.status), component.status_evidence]
    os.waitpid(child, 0)
    """
    status, evidence = launchers.run(storage, source, PAUSE="60").result
    assert status == "lost" and "process table" in evidence


@pytest.mark.parametrize("ending", ["finished", "failed", "interrupted"])
def test_a_component_that_has_just_ended_never_reads_as_running_or_lost(
    launchers: Launchers, others: Launchers, storage: Path, ending: str
) -> None:
    # Its process lives on, as a notebook does.
    source = """
    import os, signal, threading, time

    if arguments == "interrupted":
        def interrupt():
            while not os.path.exists(os.environ["COUNT"]):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
    component = get("tiny")
    try:
        component.launch()
    except BaseException as error:
        pass
    print("ended", component.status, flush=True)
    while not os.path.exists(os.environ["COUNT"] + ".leave"):
        time.sleep(0.01)
    result = [str(component.status), str(get("tiny").status)]
    """
    environment = {"finished": {}, "failed": {"FAIL": "yes"}, "interrupted": {"PAUSE": "60"}}[ending]
    (owner,) = launchers.start(storage, source, arguments=ending, **environment)
    output = launchers.scratch / f"{owner}.txt"
    until(lambda: output.exists() and f"ended {ending}" in output.read_text(), "it ends")
    status, evidence = others.run(storage, _STATE).result
    assert status == ending and "says so" in evidence
    Path(f"{launchers.counter(storage)}.leave").touch()
    assert launchers.wait()[0].result == [ending, ending]


def test_an_end_between_the_look_at_the_file_and_the_look_at_the_process_table_is_seen(
    launchers: Launchers, others: Launchers, storage: Path
) -> None:
    launchers.start(storage, _LAUNCH, PAUSE="60")
    until(lambda: launchers.executions(storage) == 1, "it runs")
    source = """
    import os, signal
    from machinable.store import owner

    look = owner.is_alive

    def look_late(who):
        os.kill(who["pid"], signal.SIGINT)
        while look(who):
            pass
        return False

    owner.is_alive = look_late
    result = str(get("tiny").status)
    """
    assert others.run(storage, source).result == "interrupted"
    launchers.wait()


def test_a_take_over_that_died_before_it_could_withdraw_does_not_hide_the_result(
    launchers: Launchers, storage: Path
) -> None:
    assert launchers.run(storage, _LAUNCH).error is None
    (first,) = storage.glob("????????????/.machinable/attempt-1.jsonl")
    started = json.loads(first.read_text().splitlines()[0])
    assert started["owner"]["nonce"]
    # Between its claim and its second look at the attempt before, which had finished meanwhile.
    first.with_name("attempt-2.jsonl").write_text(json.dumps({**started, "resumed_from": 1}) + "\n")
    assert launchers.run(storage, _STATE).result[0] == "finished"
    assert launchers.run(storage, _LAUNCH).error is None
    assert launchers.executions(storage) == 1
    assert launchers.run(storage, "get('tiny').invalidate().launch()").error is None
    assert launchers.executions(storage) == 2
    assert launchers.run(storage, _LAUNCH).error is None
    assert launchers.executions(storage) == 2


def test_an_interruption_right_after_the_claim_leaves_no_claim_behind(
    launchers: Launchers, storage: Path
) -> None:
    source = """
    from machinable.component import lifecycle

    def interrupted(*_):
        raise KeyboardInterrupt

    run, lifecycle._run = lifecycle._run, interrupted
    try:
        get("tiny").launch()
    except KeyboardInterrupt:
        pass
    lifecycle._run = run
    status = str(get("tiny").status)
    result = [status, str(get("tiny").launch().status)]
    """
    (owner,) = launchers.start(storage, source)
    try:
        until(lambda: not Path(f"/proc/{owner}").exists(), "the second launch ends", 15)
    except AssertionError:
        os.kill(owner, signal.SIGKILL)
        raise
    finally:
        (answer,) = launchers.wait()
    assert answer.result == ["lost", "finished"]


_CIRCLE = """
import os
import time
from pathlib import Path
from machinable import Component, get

class {name}(Component):
    def __call__(self):
        here, there = (Path(os.environ["COUNT"] + "." + each) for each in ("{name}", "{other}"))
        here.touch()
        while not there.exists():
            time.sleep(0.01)
        get("{module}").launch()
"""


@pytest.mark.parametrize("threads", [False, True], ids=["processes", "threads"])
def test_components_that_wait_for_each_other_are_told_of_the_circle(
    launchers: Launchers, storage: Path, threads: bool
) -> None:
    launchers.write("left.py", _CIRCLE.format(name="Left", other="Right", module="right"))
    launchers.write("right.py", _CIRCLE.format(name="Right", other="Left", module="left"))
    if threads:
        source = """
        import threading, traceback

        def launch(name):
            with Storage(arguments):
                try:
                    get(name).launch()
                except Exception:
                    traceback.print_exc()

        both = [threading.Thread(target=launch, args=(name,)) for name in ("left", "right")]
        for each in both:
            each.start()
        for each in both:
            each.join()
        """
        told = launchers.run(storage, source, arguments=str(storage)).output
    else:
        launchers.start(storage, "get(['left', 'right'][index]).launch()", count=2)
        answers = launchers.wait()
        assert [answer.error for answer in answers] == ["ExecutionFailed"] * 2
        told = "\n".join(answer.output for answer in answers)
    assert "in a circle" in told and "→" in told
    ids = launchers.run(storage, "result = [get('left').id, get('right').id]").result
    line = next(line for line in told.splitlines() if "in a circle" in line)
    assert any(each in line for each in ids) and ("left" in line or "right" in line)
    states = launchers.run(storage, "result = [str(get(name).status) for name in ('left', 'right')]").result
    assert states == ["failed", "failed"]


def test_a_component_that_launches_itself_is_told_so(launchers: Launchers, storage: Path) -> None:
    launchers.write(
        "narcissus.py",
        """
        from machinable import Component, get

        class Narcissus(Component):
            def __call__(self):
                get("narcissus").launch()
        """,
    )
    answer = launchers.run(storage, "get('narcissus').launch()")
    assert answer.error == "ExecutionFailed" and answer.cause == "ConfigurationError"
    assert (
        "can not launch itself" in answer.cause_text
        and "narcissus" in answer.cause_text
        and "→" in answer.cause_text
    )
    launchers.write(
        "echo.py",
        """
        from machinable import Component, get

        class Echo(Component):
            Config = {"n": 0}

            def __call__(self):
                get("echo", {"n": (self.config.n + 1) % 3}).launch()
        """,
    )
    answer = launchers.run(storage, "get('echo').launch()")
    assert answer.error == "ExecutionFailed" and "can not launch itself" in answer.output


_ENDLESS = """
import os
import sys
import time
from machinable import Component

class Endless(Component):
    def __call__(self):
        try:
            print("it runs", flush=True)
            for _ in range(6000):
                time.sleep(0.01)
        finally:
            if os.environ.get("LINGER"):
                print("it lingers", flush=True)
                # A signal that arrives just before a long sleep begins is only handled when it ends.
                for _ in range(6000):
                    time.sleep(0.01)
"""


def _endless(workspace: Workspace, **variables: str) -> subprocess.Popen[str]:
    workspace.write("endless.py", _ENDLESS)
    os.environ.update(variables)
    try:
        process = workspace.popen(
            "from machinable import get\nget('endless').launch()", start_new_session=True
        )
    finally:
        for name in variables:
            del os.environ[name]
    assert process.stdout is not None and process.stdout.readline() == "it runs\n"
    return process


def _attempt(workspace: Workspace) -> list[dict[str, object]]:
    (path,) = workspace.storage.glob("????????????/.machinable/attempt-1.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_ctrl_c_and_sigterm_leave_an_interrupted_component(
    workspace: Workspace, number: signal.Signals
) -> None:
    process = _endless(workspace)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    last = _attempt(workspace)[-1]
    assert last["kind"] == "interrupted" and last["reason"] == (
        "SIGTERM" if number == signal.SIGTERM else "Ctrl-C"
    )
    assert (
        workspace.python("from machinable import get\nprint(get('endless').status)").stdout == "interrupted\n"
    )


def test_a_second_ctrl_c_ends_at_once_and_the_component_is_interrupted(workspace: Workspace) -> None:
    process = _endless(workspace, LINGER="yes")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None and process.stdout.readline() == "it lingers\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    ends = [line["kind"] for line in _attempt(workspace) if line["kind"] != "started"]
    assert ends == ["interrupted"]
    assert (
        workspace.python("from machinable import get\nprint(get('endless').status)").stdout == "interrupted\n"
    )


def test_sigterm_does_not_cut_an_end_that_is_under_way(workspace: Workspace) -> None:
    process = _endless(workspace, LINGER="yes")
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None and process.stdout.readline() == "it lingers\n"
    process.send_signal(signal.SIGTERM)  # as schedulers repeat it
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130 and _attempt(workspace)[-1]["kind"] == "interrupted"
