"""The thread that beats for all components of a process."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Iterator

import pytest

from machinable.component import heartbeat
from machinable.component.heartbeat import beating, interval_seconds
from machinable.errors import ConfigurationError

PATIENCE = 60.0  # an upper limit for things that happen at once


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "machinable-heartbeat"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MACHINABLE_HEARTBEAT_SECONDS", "0.005")
    yield
    for thread in threads():
        thread.join(PATIENCE)


def test_the_beat_goes_on_until_the_block_is_left() -> None:
    beats = threading.Semaphore(0)
    with beating(beats.release):
        for _ in range(3):
            assert beats.acquire(timeout=PATIENCE)
    for thread in threads():
        thread.join(PATIENCE)
    assert threads() == []


def test_all_components_share_one_thread() -> None:
    first, second = threading.Event(), threading.Event()
    with beating(first.set), beating(second.set):
        assert first.wait(PATIENCE) and second.wait(PATIENCE)
        assert len(threads()) == 1


def test_many_short_runs_share_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_HEARTBEAT_SECONDS", "0.5")
    seen: set[int | None] = set()
    for _ in range(500):
        with beating(lambda: None):
            seen.update(thread.ident for thread in threads())
    # More than one only if the machine stood still for longer than the interval, again and again.
    assert len(seen) < 20


def test_a_beat_that_raises_is_told_and_goes_on() -> None:
    errors: list[BaseException] = []
    enough = threading.Event()

    def broken() -> None:
        raise OSError("stale file handle")

    def told(error: BaseException) -> None:
        errors.append(error)
        if len(errors) == 3:
            enough.set()
        raise RuntimeError("and this fails as well")

    with beating(broken, told):
        assert enough.wait(PATIENCE)
    assert [str(error) for error in errors[:3]] == ["stale file handle"] * 3


def test_by_default_a_failure_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    done = threading.Event()

    def broken() -> None:
        if done.is_set():
            raise ValueError("no pulse")
        done.set()

    again = threading.Semaphore(0)
    with beating(broken), beating(again.release):
        assert done.wait(PATIENCE)
        for _ in range(3):
            assert again.acquire(timeout=PATIENCE)
    assert "machinable: a heartbeat failed: ValueError: no pulse" in capsys.readouterr().err


def test_no_beat_is_under_way_when_the_block_was_left() -> None:
    under_way, go_on = threading.Event(), threading.Event()
    ended = []

    def slow() -> None:
        under_way.set()
        go_on.wait(PATIENCE)
        ended.append(True)

    with beating(slow):
        assert under_way.wait(PATIENCE)
        threading.Thread(target=go_on.set).start()
    assert ended == [True]


def test_a_beat_may_end_its_own_block() -> None:
    left = threading.Event()

    def leave() -> None:
        block.__exit__(None, None, None)
        left.set()

    block = beating(leave)
    block.__enter__()
    assert left.wait(PATIENCE)


def test_the_beat_has_the_context_of_its_component() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    seen: list[str] = []
    done = threading.Event()

    def beat() -> None:
        seen.append(name.get())
        done.set()

    name.set("component")
    with beating(beat):
        assert done.wait(PATIENCE)
    assert seen[0] == "component"


def test_a_forked_child_does_not_beat_for_its_parent_but_for_itself() -> None:
    parent = os.getpid()
    strangers: list[int] = []
    beats = threading.Semaphore(0)

    def beat() -> None:
        if os.getpid() != parent:
            os._exit(3)
        strangers.append(os.getpid())
        beats.release()

    with beating(beat):
        assert beats.acquire(timeout=PATIENCE)
        child = os.fork()
        if child == 0:
            own = threading.Semaphore(0)
            with beating(own.release):
                for _ in range(3):
                    if not own.acquire(timeout=PATIENCE):
                        os._exit(4)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert beats.acquire(timeout=PATIENCE)


def test_a_process_without_room_for_a_thread_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    errors: list[BaseException] = []
    with beating(lambda: None, errors.append):
        pass
    assert [str(error) for error in errors] == ["can't start new thread"]


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_an_interval_that_makes_no_sense_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_HEARTBEAT_SECONDS", text)
    with pytest.raises(ConfigurationError, match=f"MACHINABLE_HEARTBEAT_SECONDS is '{text}'"):
        interval_seconds()
    if not threads():
        with pytest.raises(ConfigurationError), beating(lambda: None):
            pass
        assert not heartbeat._registered


def test_the_interval_is_15_seconds_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MACHINABLE_HEARTBEAT_SECONDS")
    assert interval_seconds() == 15.0
