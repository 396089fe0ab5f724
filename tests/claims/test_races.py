"""Many launchers of one component, delayed at the worst places: one executes, all get its result."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.claims.launchers import Launchers, content, hidden, until, why_no_strace

_REASON = why_no_strace()
needs_strace = pytest.mark.skipif(bool(_REASON), reason=_REASON)

_MANY = 8

_LAUNCH = """
component = get("tiny").launch()
result = {"status": str(component.status), "saved": component.load_file("result.json")}
"""

_DONE = {"status": "finished", "saved": {"n": 0}}


def die_in_the_midst(launchers: Launchers, storage: Path, **environment: str) -> None:
    """Leaves a claim whose owner is dead."""
    (pid,) = launchers.start(storage, "get('tiny').launch()", PAUSE="60", **environment)
    until(lambda: launchers.executions(storage) > 0, "the component runs")
    os.kill(pid, signal.SIGKILL)
    assert launchers.wait()[0].killed


@needs_strace
@pytest.mark.parametrize(
    "delays",
    [
        pytest.param([], id="none"),
        pytest.param(["inject=rename:delay_enter=30000"], id="before each rename"),
        pytest.param(["inject=mkdir:delay_exit=20000"], id="after each mkdir"),
    ],
)
def test_of_eight_launchers_of_a_fresh_component_one_executes_it(
    launchers: Launchers, storage: Path, delays: list[str]
) -> None:
    options = [part for delay in delays for part in ("-e", delay)]
    answers, _ = launchers.traced(
        storage, _LAUNCH, "-e", "trace=rename,mkdir", *options, count=_MANY, PAUSE="0.1"
    )
    assert [answer.result for answer in answers] == [_DONE] * _MANY
    assert launchers.executions(storage) == 1
    assert hidden(storage) == []


@needs_strace
@pytest.mark.parametrize("links", [True, False], ids=["by a link", "by a directory, as links are refused"])
@pytest.mark.parametrize("delayed", ["link,linkat", "rename,unlink", "getdents64"])
def test_of_eight_launchers_that_want_a_dead_claim_one_executes_it(
    launchers: Launchers, storage: Path, delayed: str, links: bool
) -> None:
    die_in_the_midst(launchers, storage)
    options = ["-e", "trace=link,linkat,rename,unlink,getdents64"]
    if not links:
        options += ["-e", "inject=link,linkat:error=EPERM:delay_enter=20000"]
    if links or "link" not in delayed.split(","):
        options += ["-e", f"inject={delayed}:delay_enter=20000"]
    answers, calls = launchers.traced(storage, _LAUNCH, *options, count=_MANY, PAUSE="0.2")
    assert [answer.result for answer in answers] == [_DONE] * _MANY
    assert launchers.executions(storage) == 2
    assert hidden(storage) == []
    assert "INJECTED" in calls.read_text() or "DELAYED" in calls.read_text()
    (meta,) = storage.glob("????????????/.machinable")
    assert sorted(path.name for path in meta.glob("attempt-*")) == ["attempt-1.jsonl", "attempt-2.jsonl"]
    assert (meta / "attempt-2.jsonl").is_dir() is not links


@needs_strace
def test_a_claim_in_a_directory_dies_and_is_taken_over_like_any_other(
    launchers: Launchers, storage: Path
) -> None:
    die_in_the_midst(launchers, storage)
    refused = ("-e", "trace=link,linkat", "-e", "inject=link,linkat:error=EPERM")
    (answer,), _ = launchers.traced(storage, "get('tiny').launch()", *refused, FAIL="yes")
    assert answer.error == "ExecutionFailed"
    seen = launchers.run(storage, "result = get('tiny').status").result
    assert seen == "failed"
    # Mixed: one host has no links where another has them.
    (answer,), _ = launchers.traced(storage, _LAUNCH)
    assert answer.result == _DONE
    assert launchers.executions(storage) == 3


@needs_strace
@pytest.mark.parametrize("call", ["rename", "mkdir", "unlink"])
def test_a_claim_in_a_directory_survives_being_killed_at_any_of_its_calls(
    launchers: Launchers, tmp_path: Path, call: str
) -> None:
    for nth in range(1, 4):
        storage = tmp_path / f"{call}-{nth}"
        die_in_the_midst(launchers, storage)
        (answer,), _ = launchers.traced(
            storage,
            _LAUNCH,
            "-e",
            "trace=link,linkat,rename,mkdir,unlink",
            "-e",
            "inject=link,linkat:error=EPERM",
            "-e",
            f"inject={call}:signal=SIGKILL:when={nth}",
        )
        executed = launchers.executions(storage)
        status = launchers.run(storage, "result = get('tiny').status").result
        assert status == ("lost" if answer.killed else "finished")
        assert launchers.run(storage, _LAUNCH).result == _DONE
        assert launchers.executions(storage) == executed + answer.killed
        assert hidden(storage) == []


@pytest.mark.parametrize("call", ["link", "rename"])
def test_a_call_that_the_file_system_repeats_by_itself_is_seen_through(
    launchers: Launchers, storage: Path, call: str
) -> None:
    # As NFS does when the first answer is lost: the repeated call finds its own work done, and says that it failed.
    if call == "link":
        die_in_the_midst(launchers, storage)
    before = launchers.executions(storage)
    repeated = f"""
    import os

    once = os.{call}

    def twice(source, target):
        once(source, target)
        once(source, target)

    os.{call} = twice
    component = get("tiny").launch()
    result = {{"status": str(component.status), "saved": component.load_file("result.json")}}
    """
    assert launchers.run(storage, repeated).result == _DONE
    assert launchers.executions(storage) == before + 1
    assert hidden(storage) == []


def test_threads_are_launchers_of_their_own(launchers: Launchers, storage: Path) -> None:
    source = """
    import contextvars, threading

    barrier = threading.Barrier(8)
    found = []

    def launch():
        with Storage(arguments):
            component = get("tiny")
            barrier.wait()
            component.launch()
            found.append([str(component.status), component.load_file("result.json")])

    threads = [threading.Thread(target=launch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = found
    """
    answer = launchers.run(storage, source, arguments=str(storage), PAUSE="0.2")
    assert answer.result == [["finished", {"n": 0}]] * 8, answer.output
    assert launchers.executions(storage) == 1
    assert hidden(storage) == []


def test_threads_take_over_a_dead_claim_once(launchers: Launchers, storage: Path) -> None:
    die_in_the_midst(launchers, storage)
    source = """
    import threading

    barrier = threading.Barrier(8)
    found = []

    def launch():
        with Storage(arguments):
            barrier.wait()
            found.append(get("tiny").launch().load_file("result.json"))

    threads = [threading.Thread(target=launch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = found
    """
    answer = launchers.run(storage, source, arguments=str(storage), PAUSE="0.2")
    assert answer.result == [{"n": 0}] * 8, answer.output
    assert launchers.executions(storage) == 2


def test_a_thread_that_fails_fails_the_launches_that_waited_for_it(
    launchers: Launchers, storage: Path
) -> None:
    source = """
    import threading
    from machinable.errors import ExecutionFailed

    barrier = threading.Barrier(4)
    found = []

    def launch():
        with Storage(arguments):
            component = get("tiny")
            barrier.wait()
            try:
                component.launch()
            except ExecutionFailed as error:
                found.append(type(error.__cause__).__name__)

    threads = [threading.Thread(target=launch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = sorted(found)
    """
    answer = launchers.run(storage, source, arguments=str(storage), PAUSE="0.5", FAIL="yes")
    assert answer.result == ["ComponentException"] * 3 + ["ValueError"], answer.output
    assert launchers.executions(storage) == 1


def test_launchers_share_out_a_sweep_without_a_coordinator(launchers: Launchers, storage: Path) -> None:
    source = """
    result = [get("tiny", {"n": n}).launch().load_file("result.json")["n"] for n in range(12)]
    """
    launchers.start(storage, source, count=3)
    assert [answer.result for answer in launchers.wait()] == [list(range(12))] * 3
    assert launchers.executions(storage) == 12


def test_a_launcher_that_reads_while_another_writes_changes_nothing(
    launchers: Launchers, storage: Path
) -> None:
    assert launchers.run(storage, _LAUNCH).result == _DONE
    before = content(storage)
    assert launchers.run(storage, _LAUNCH).result == _DONE
    assert content(storage) == before
