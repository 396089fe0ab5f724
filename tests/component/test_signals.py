"""Signals that end a component, sent to real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from machinable.component.signals import Terminated, interruptible, postponed_termination

SCRIPT = """
import os, signal, sys, threading
from machinable.component.signals import Terminated, interruptible, postponed_termination

def on_second():
    os.write(1, b"second\\n")

def send(number):
    os.kill(os.getpid(), number)
"""


def run(body: str, prefix: list[str] | None = None) -> tuple[int, str, str]:
    command = [*(prefix or []), sys.executable, "-c", SCRIPT + body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def fail() -> None:
    raise AssertionError


def test_the_first_ctrl_c_is_a_keyboard_interrupt_and_the_handlers_are_given_back() -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as caught, interruptible(fail):
        os.kill(os.getpid(), signal.SIGINT)
    assert type(caught.value) is KeyboardInterrupt
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_sigterm_raises_terminated_once() -> None:
    with interruptible(fail) as state:
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert state.received == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_terminated_is_not_caught_as_an_exception() -> None:
    assert issubclass(Terminated, KeyboardInterrupt) and not issubclass(Terminated, Exception)


def test_a_second_ctrl_c_ends_the_process_at_once() -> None:
    code, output, _ = run(
        """
with interruptible(on_second):
    try:
        send(signal.SIGINT)
    finally:
        print("cleaning up", flush=True)
        send(signal.SIGINT)
        print("not reached", flush=True)
"""
    )
    assert (code, output) == (130, "cleaning up\nsecond\n")


def test_ctrl_c_after_sigterm_ends_the_process_at_once() -> None:
    code, output, _ = run(
        """
with interruptible(on_second):
    try:
        send(signal.SIGTERM)
    except Terminated:
        send(signal.SIGINT)
"""
    )
    assert (code, output) == (130, "second\n")


def test_the_process_ends_although_the_last_words_fail() -> None:
    code, _, _ = run(
        """
def broken():
    raise RuntimeError
with interruptible(broken):
    try:
        send(signal.SIGINT)
    except KeyboardInterrupt:
        send(signal.SIGINT)
"""
    )
    assert code == 130


def test_a_third_ctrl_c_ends_the_process_where_the_last_words_are_stuck() -> None:
    code, output, _ = run(
        """
def stuck():
    os.write(1, b"stuck\\n")
    send(signal.SIGINT)
    threading.Event().wait()
with interruptible(stuck):
    try:
        send(signal.SIGINT)
    except KeyboardInterrupt:
        send(signal.SIGINT)
"""
    )
    assert (code, output) == (130, "stuck\n")


def test_only_the_outermost_handles_signals() -> None:
    with interruptible(fail):
        handler = signal.getsignal(signal.SIGINT)
        with interruptible(fail):
            assert signal.getsignal(signal.SIGINT) == handler
        assert signal.getsignal(signal.SIGINT) == handler
    with pytest.raises(KeyboardInterrupt), interruptible(fail), interruptible(fail):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_leave_the_handlers_alone() -> None:
    seen = []

    def component() -> None:
        with interruptible(fail), postponed_termination() as termination:
            seen.append(signal.getsignal(signal.SIGTERM))
            seen.append(termination.requested)

    thread = threading.Thread(target=component)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL, False]


def test_handlers_of_others_and_ignored_signals_stay() -> None:
    code, output, error = run(
        """
signal.signal(signal.SIGTERM, lambda *_: print("theirs"))
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
with interruptible(on_second):
    send(signal.SIGTERM)
    send(signal.SIGINT)
    send(signal.SIGINT)
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
""",
        prefix=["sh", "-c", "trap '' INT; exec \"$@\"", "sh"],
    )
    assert (code, output, error) == (0, "theirs\n", "")


def test_a_handler_that_the_component_sets_does_not_outlive_it() -> None:
    with interruptible(fail):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_of_a_forked_child_is_silent() -> None:
    code, output, error = run(
        """
with interruptible(on_second):
    child = os.fork()
    if child == 0:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        send(signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
"""
    )
    assert (code, output, error) == (0, "", "")


def test_a_postponed_sigterm_waits_until_it_is_asked_for() -> None:
    with (
        pytest.raises(Terminated, match="asked"),
        interruptible(fail),
        postponed_termination() as termination,
    ):
        assert not termination.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert termination.requested
        raise Terminated("asked")


def test_a_postponed_sigterm_that_nobody_asked_for_ends_the_process_after_the_component() -> None:
    reached = []
    with pytest.raises(Terminated), interruptible(fail):
        with postponed_termination():
            os.kill(os.getpid(), signal.SIGTERM)
        reached.append("finished")
    assert reached == ["finished"]


def test_sigterm_raises_again_after_the_postponement() -> None:
    with interruptible(fail):
        with postponed_termination():
            pass
        with postponed_termination(active=False), pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)


def test_ctrl_c_is_not_postponed() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(fail), postponed_termination():
        os.kill(os.getpid(), signal.SIGINT)
