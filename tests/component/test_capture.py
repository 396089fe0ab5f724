"""What components print, in their logs and on the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.component.capture import Capture, capture, terminal_stream, write_to_log
from machinable.component.logfile import LogFile
from machinable.errors import StorageError, Superseded

SCRIPT = """
import os, sys, threading
from machinable.component.capture import capture, terminal_stream, write_to_log

def open_log():
    return os.open("output.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

def captured(owned=True):
    return capture(open_log, process_owned=owned, discard_log=lambda: os.unlink("output.log"))
"""


class Log:
    """A log file in a test's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def capture(self) -> Capture:
        return capture(self.open, process_owned=False)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "output.log")


@pytest.fixture
def other(tmp_path: Path) -> Log:
    return Log(tmp_path / "other.log")


def run(directory: Path, body: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + body],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_what_is_printed_is_in_the_log_and_on_the_terminal(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    with log.capture():
        print("one")
        print("two", file=sys.stderr)
        print("thrée", flush=True)
    assert log.text == "one\ntwo\nthrée\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("one\nthrée\n", "two\n")


def test_there_is_no_log_if_nothing_is_printed(log: Log) -> None:
    with log.capture():
        print("", end="", flush=True)
    assert not log.path.exists()


def test_the_streams_are_as_before_afterwards_also_after_an_exception(log: Log) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), log.capture():
        print("last words")
        assert sys.stdout is not before[0]
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr) == before
    assert log.text == "last words\n"


def test_an_inner_component_has_its_output_in_its_own_log_only(log: Log, other: Log) -> None:
    with log.capture():
        print("before")
        with other.capture():
            print("inner")
        print("after")
    assert log.text == "before\nafter\n"
    assert other.text == "inner\n"


def test_components_in_threads_have_their_own_logs(tmp_path: Path) -> None:
    at_once = threading.Barrier(4)

    def component(number: int) -> None:
        with Log(tmp_path / f"{number}.log").capture():
            at_once.wait()
            for line in range(50):
                print(f"{number}: {line}")
            at_once.wait()

    before = sys.stdout
    threads = [threading.Thread(target=component, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        lines = (tmp_path / f"{number}.log").read_text().splitlines()
        assert lines == [f"{number}: {line}" for line in range(50)]
    assert sys.stdout is before


def test_components_in_tasks_have_their_own_logs(tmp_path: Path) -> None:
    async def component(number: int) -> None:
        with Log(tmp_path / f"{number}.log").capture():
            for line in range(3):
                print(number, line)
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(component(0), component(1))

    asyncio.run(both())
    assert (tmp_path / "0.log").read_text() == "0 0\n0 1\n0 2\n"
    assert (tmp_path / "1.log").read_text() == "1 0\n1 1\n1 2\n"


def in_a_thread(function: Callable[[], None]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_thread_that_the_only_component_started_prints_to_its_log(log: Log, other: Log) -> None:
    with log.capture():
        in_a_thread(lambda: print("outer's thread"))
        with other.capture():
            in_a_thread(lambda: print("inner's thread"))
    assert log.text == "outer's thread\n"
    assert other.text == "inner's thread\n"


def test_a_thread_of_unknown_owner_prints_to_no_log(log: Log, other: Log) -> None:
    def second() -> None:
        with other.capture():
            in_a_thread(lambda: print("whose is this?"))

    with log.capture():
        in_a_thread(second)
    assert not log.path.exists() and not other.path.exists()


def test_what_a_context_prints_after_its_component_ended_is_in_no_log(log: Log, other: Log) -> None:
    import contextvars

    with log.capture():
        late = contextvars.copy_context()
    with other.capture():
        late.run(print, "late")
    assert not log.path.exists() and not other.path.exists()


def test_a_progress_bar_is_one_line_in_its_last_state(log: Log) -> None:
    with log.capture():
        for percent in range(0, 101, 10):
            print(f"\r{percent}%   ", end="", file=sys.stderr, flush=True)
            if percent == 50:
                print("half way")
        print(file=sys.stderr)
        for percent in range(0, 101, 50):
            print(f"{percent}%", end="\r", flush=True)
        print()
        print("done")
    assert log.text == "half way\n100%\n100%\ndone\n"


def test_a_progress_bar_that_removes_itself_leaves_nothing(log: Log) -> None:
    with log.capture():
        sys.stderr.write("\r50%|####    |")
        sys.stderr.write("\r             \r")
        sys.stderr.write("loss 0.1\n")
    assert log.text == "loss 0.1\n"


def test_a_line_that_was_flushed_before_it_is_rewritten_stays(log: Log) -> None:
    with log.capture():
        print("10%", end="", flush=True)
        print("\r20%", end="", flush=True)
        print("\r30%")
        print("done")
    assert log.text == "10%\n30%\ndone\n"


def test_windows_line_ends_are_line_ends(log: Log) -> None:
    with log.capture():
        print("one\r\ntwo\r\n", end="")
    assert log.text == "one\ntwo\n"


def test_an_unfinished_line_is_written_when_it_is_flushed_and_at_the_end(log: Log) -> None:
    with log.capture():
        print("loading", end="")
        assert not log.path.exists()
        sys.stdout.flush()
        assert log.text == "loading"
        print(" ... ", end="")
        assert log.text == "loading"
    assert log.text == "loading ... "


def test_an_endless_line_does_not_fill_the_memory(log: Log) -> None:
    with log.capture():
        for _ in range(2000):
            print("." * 10, end="")
        assert log.path.stat().st_size > 10_000
    assert log.text == "." * 20_000


steady = settings(deadline=None, max_examples=60)


def logged(path: Path, pieces: list[tuple[int, str]], flush: bool) -> str:
    path.unlink(missing_ok=True)
    file = LogFile(lambda: os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666))
    for channel, piece in pieces:
        file.feed(channel, piece.encode())
        if flush:
            file.flush(channel)
    file.close()
    assert file.failure is None
    return path.read_bytes().decode() if path.exists() else ""


@steady
@given(st.lists(st.text("ab \n\té"), max_size=20), st.booleans())
def test_the_log_is_what_was_printed_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], flush: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    assert logged(path, [(0, piece) for piece in pieces], flush) == "".join(pieces)


@steady
@given(st.text("ab\r\n", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_the_last_state_does_not_depend_on_how_the_text_was_cut(
    tmp_path_factory: pytest.TempPathFactory, text: str, cuts: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    places = [0, *sorted(cuts), len(text)]
    pieces = [(0, text[start:end]) for start, end in itertools.pairwise(places)]
    assert logged(path, pieces, flush=False) == logged(path, [(0, text)], flush=False)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_full_disk_is_an_error_at_the_end_and_not_in_print(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(StorageError, match="No space left") as caught,
        capture(lambda: os.open("/dev/full", os.O_WRONLY), process_owned=False),
    ):
        print("one")
        print("two")
    assert isinstance(caught.value.__cause__, OSError)
    assert capsys.readouterr().out == "one\ntwo\n"


def test_an_exception_of_the_component_stays_and_notes_the_failing_log() -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ZeroDivisionError) as caught, capture(full, process_owned=False):
        print("one")
        raise ZeroDivisionError
    assert "No space left" in caught.value.__notes__[0]


def test_an_error_of_ours_from_opening_the_log_comes_out_as_it_is() -> None:
    def superseded() -> int:
        raise Superseded("another owner")

    with pytest.raises(Superseded, match="another owner"), capture(superseded, process_owned=False):
        print("one")


@pytest.mark.parametrize("gone", ["closed", "none", "broken", "detached"])
def test_a_component_prints_on_without_a_terminal(
    gone: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream: Any = io.TextIOWrapper(io.BytesIO(), line_buffering=True)
    if gone == "closed":
        stream.close()
    elif gone == "detached":
        stream.detach()
    elif gone == "none":
        stream = None
    else:
        reading, writing = os.pipe()
        os.close(reading)
        stream = os.fdopen(writing, "w", buffering=1)
    monkeypatch.setattr(sys, "stdout", stream)
    with log.capture():
        print("one", flush=True)
        if gone == "none":
            assert sys.stdout.encoding == "utf-8" and not sys.stdout.isatty()
            assert not hasattr(sys.stdout, "unknown")
    assert sys.stdout is stream
    assert log.text == "one\n"
    with contextlib.suppress(OSError, ValueError):
        if stream is not None:
            stream.close()


def test_what_the_terminal_can_not_show_is_escaped_there_and_whole_in_the_log(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii", line_buffering=True))
    with log.capture():
        print("é", "\udc80")
    assert log.text == "é \\udc80\n"
    assert shown.getvalue() == b"\\xe9 \\udc80\n"


def test_bytes_written_below_the_text_are_in_the_log(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown))
    with log.capture():
        assert sys.stdout.buffer.write(b"raw \xff\n") == 6
        sys.stdout.buffer.flush()
    assert log.path.read_bytes() == b"raw \xff\n"
    assert shown.getvalue() == b"raw \xff\n"


def test_a_stream_like_that_of_a_notebook_stays_itself(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    class OutStream(io.TextIOBase):
        encoding = "UTF-8"
        topic = "stream"

        def __init__(self) -> None:
            self.shown = ""

        def write(self, text: str) -> int:
            self.shown += text
            return len(text)

        def fileno(self) -> int:
            raise io.UnsupportedOperation

    stream = OutStream()
    monkeypatch.setattr(sys, "stdout", stream)
    with log.capture():
        out: Any = sys.stdout
        assert out.topic == "stream" and out.encoding == "UTF-8" and out.writable() is False
        with pytest.raises(io.UnsupportedOperation):
            out.fileno()
        with pytest.raises(TypeError, match="must be str, not bytes"):
            out.write(b"no")
        out.writelines(["a\n", "b\n"])
    assert stream.shown == log.text == "a\nb\n"


def test_what_the_component_redirects_is_not_in_its_log_but_in_that_of_components_it_launches(
    log: Log, other: Log
) -> None:
    buffer = io.StringIO()
    with log.capture():
        with contextlib.redirect_stdout(buffer):
            print("redirected")
            with other.capture():
                print("inner")
            print("redirected")
        print("outer")
    assert buffer.getvalue() == "redirected\ninner\nredirected\n"
    assert log.text == "outer\n"
    assert other.text == "inner\n"


def test_a_stream_that_the_component_joined_to_the_other_is_given_back(log: Log) -> None:
    before = sys.stdout, sys.stderr
    with log.capture():
        sys.stderr = sys.stdout
        print("joined", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    assert log.text == "joined\n"


class Tee:
    """What users put around a stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


def test_a_wrapper_left_around_our_stream_does_not_log_twice(
    log: Log, other: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back at the end of the test
    with log.capture():
        sys.stdout = Tee(sys.stdout)
        print("first")
        with other.capture():
            print("inner")
    with other.capture():
        print("second")
    assert log.text == "first\n"
    assert other.text == "inner\nsecond\n"
    assert capsys.readouterr().out == "first\ninner\nsecond\n"


def test_a_log_handler_made_earlier_writes_to_the_log_while_the_component_runs(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler()
    logging.root.addHandler(handler)
    try:
        stream = handler.stream
        with log.capture():
            logging.getLogger("mine").warning("captured")
        assert handler.stream is stream
        logging.getLogger("mine").warning("not captured")
    finally:
        logging.root.removeHandler(handler)
    assert log.text == "captured\n"
    assert capsys.readouterr().err == "captured\nnot captured\n"


def test_the_terminal_behind_the_captures_is_never_logged(
    log: Log, other: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal_stream() is sys.stderr
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with log.capture():
        sys.stderr = Tee(sys.stderr)
        with other.capture():
            terminal = terminal_stream()
            assert terminal is not None
            terminal.write("45%")
    assert not log.path.exists() and not other.path.exists()
    assert capsys.readouterr().err == "45%"


def test_our_own_lines_stand_below_the_output_and_are_not_shown(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not write_to_log("nobody runs\n")
    with log.capture():
        print("unfinished", end="")
        assert write_to_log("Traceback: ...\n")
        print("more")
    assert log.text == "unfinished\nTraceback: ...\nmore\n"
    assert capsys.readouterr().out == "unfinishedmore\n"


# A process of one's own.


def test_c_code_and_child_processes_of_an_owned_process_write_to_the_log(tmp_path: Path) -> None:
    shown = run(
        tmp_path,
        """
print("before")
with captured():
    print("python")
    import ctypes, subprocess
    ctypes.CDLL(None).printf(b"printf\\n")
    os.write(2, b"file 2\\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", "print('child')"])
    subprocess.run([sys.executable, "-c", "print('given')"], stdout=sys.stdout)
    print("python again", file=sys.stderr)
    assert os.fstat(sys.stdout.fileno()).st_size > 0
print("after", flush=True)
subprocess.run([sys.executable, "-c", "print('child after')"])
""",
    )
    lines = (tmp_path / "output.log").read_text().splitlines()
    assert sorted(lines) == sorted(["python", "printf", "file 2", "child", "given", "python again"])
    assert shown.stdout.splitlines() == ["before", "python", "after", "child after"]
    assert shown.stderr == "python again\n"


def test_c_code_that_dies_leaves_what_it_printed(tmp_path: Path) -> None:
    died = run(
        tmp_path,
        """
import ctypes
with captured():
    ctypes.CDLL(None).printf(b"about to crash\\n")
    ctypes.string_at(0)
""",
    )
    assert died.returncode == -signal.SIGSEGV
    assert (tmp_path / "output.log").read_text() == "about to crash\n"


def test_an_owned_process_that_prints_nothing_leaves_no_log(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
with captured():
    assert os.path.exists("output.log")
    if os.fork() == 0:
        os._exit(0)
    os.wait()
assert not os.path.exists("output.log")
""",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_forked_child_that_leaves_the_block_leaves_the_log_of_its_parent(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
with captured():
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        assert os.path.exists("output.log")
        print("parent")
""",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output.log").read_text() == "parent\n"


def test_a_component_launched_from_an_owned_process_has_the_files_for_its_time(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
def inner():
    return capture(lambda: os.open("inner.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT), process_owned=True)

with captured():
    os.write(1, b"outer\\n")
    with inner():
        os.write(1, b"inner\\n")
        print("inner too")

    def elsewhere():
        with inner():
            os.write(1, b"of the process\\n")
            print("of the thread")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    os.write(1, b"outer again\\n")
""",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output.log").read_text() == "outer\nof the process\nouter again\n"
    assert (tmp_path / "inner.log").read_text() == "inner\ninner too\nof the thread\n"
    assert done.stdout == "inner too\nof the thread\n"


@pytest.mark.parametrize("owned", [True, False])
def test_a_killed_process_leaves_all_lines_and_what_was_flushed(tmp_path: Path, owned: bool) -> None:
    killed = run(
        tmp_path,
        f"""
import signal
with captured(owned={owned}):
    for line in range(100):
        print(line)
    print("flushed", end="", flush=True)
    print(" not flushed", end="")
    os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    assert killed.returncode == -signal.SIGKILL
    lines = "".join(f"{line}\n" for line in range(100))
    assert (tmp_path / "output.log").read_text() == lines + "flushed"


@pytest.mark.parametrize("owned", [True, False])
def test_a_process_with_closed_standard_files_has_a_log(tmp_path: Path, owned: bool) -> None:
    (tmp_path / "script.py").write_text(
        SCRIPT
        + f"""
with captured(owned={owned}):
    print("one")
    print("two", file=sys.stderr)
    if {owned}:
        os.write(1, b"three\\n")
for fd in (1, 2):
    try:
        os.fstat(fd)
    except OSError:
        continue
    os._exit(7)
"""
    )
    done = subprocess.run(["sh", "-c", f"exec {sys.executable} script.py >&- 2>&-"], cwd=tmp_path, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "output.log").read_text() == "one\ntwo\n" + ("three\n" if owned else "")


@pytest.mark.parametrize("owned", [True, False])
def test_forked_children_print_to_the_log_and_double_nothing(tmp_path: Path, owned: bool) -> None:
    done = run(
        tmp_path,
        f"""
with captured(owned={owned}):
    print("unfinished, ", end="")
    for number in range(3):
        if os.fork() == 0:
            print("child", number)
            sys.stdout.flush()
            os._exit(0)
    for number in range(3):
        os.wait()
    print("finished")
""",
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "output.log").read_text().splitlines()
    assert sorted(lines) == ["child 0", "child 1", "child 2", "unfinished, finished"]


def test_a_child_forked_while_another_thread_prints_is_not_stuck(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
stop = threading.Event()

def chatter():
    while not stop.is_set():
        print("parent")

with captured(owned=False):
    thread = threading.Thread(target=chatter)
    thread.start()
    for number in range(50):
        child = os.fork()
        if child == 0:
            print("child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    thread.join()
""",
        # The parent's own stream under the log has a lock as well, so it goes where there is none.
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output.log").read_text().splitlines().count("child") == 50
