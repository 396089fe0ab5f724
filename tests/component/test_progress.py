"""The progress bar, on a real terminal and in a pipe."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from machinable.component import capture
from machinable.component.progress import progress, progress_line

SCRIPT = """
import os, sys
from machinable.component.capture import capture
from machinable.component import progress as module
module.SECONDS_BETWEEN_UPDATES = 0.0
from machinable.component.progress import progress

def captured(owned=False):
    return capture(lambda: os.open("output.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), process_owned=owned)
"""


def on_a_terminal(body: str, directory: Path, **environment: str) -> str:
    """What a terminal of 60 columns shows of a process whose standard output and error it is."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT + body],
        cwd=directory,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60) == 0, shown.decode()
    return shown.decode()


def test_the_items_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(range(5))) == list(range(5))
    assert list(progress(iter("ab"), "letters", total=2)) == ["a", "b"]


def test_in_a_pipe_there_is_one_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(1000), "train"):
        assert capsys.readouterr().err == ""
    assert re.fullmatch(r"train: 1000 in [0-9.:]+( s)?\n", capsys.readouterr().err)


def test_a_bar_that_stops_early_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> Iterator[int]:
        yield from range(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(progress(failing(), total=10))
    assert capsys.readouterr().err.startswith("3/10 stopped after ")
    bar = progress(range(10))
    next(iter(bar))
    bar.close()  # type: ignore[attr-defined]
    assert capsys.readouterr().err.startswith("0/10 stopped after ")


def test_of_nested_bars_the_outermost_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(3), "outer"):
        assert list(progress(range(2), "inner")) == [0, 1]
    shown = capsys.readouterr().err
    assert "outer: 3" in shown and "inner" not in shown
    assert list(progress(range(2), "next")) == [0, 1]
    assert "next: 2" in capsys.readouterr().err


@pytest.mark.parametrize("owned", [True, False])
def test_the_bar_is_on_the_terminal_and_not_in_the_log(tmp_path: Path, owned: bool) -> None:
    shown = on_a_terminal(
        f"""
with captured(owned={owned}):
    for i in progress(range(4), "train"):
        print("loss", i)
print("end")
""",
        tmp_path,
        NO_COLOR="1",
    )
    assert (tmp_path / "output.log").read_text() == "loss 0\nloss 1\nloss 2\nloss 3\n"
    assert re.search(r"\rtrain  25% \[#{6}-{18}\] 1/4 ", shown)
    # What is printed starts in a line of its own, where the bar was.
    assert re.search(r"\r\x1b\[Kloss 3\r\n", shown)
    assert re.search(r"\r\x1b\[Ktrain: 4 in [0-9.]+ s\r\nend\r\n$", shown)
    assert "\x1b[32m" not in shown
    for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9]*[A-Za-z]", "", shown)):
        assert len(line) < 60


def test_the_bar_has_color_unless_told_otherwise(tmp_path: Path) -> None:
    os.environ.pop("NO_COLOR", None)
    shown = on_a_terminal("list(progress(range(4)))", tmp_path)
    assert re.search(r"\[\x1b\[32m#{6}", shown)


def test_a_terminal_that_can_not_rewrite_lines_gets_one_line(tmp_path: Path) -> None:
    shown = on_a_terminal("list(progress(range(4)))", tmp_path, TERM="dumb")
    assert re.fullmatch(r"4 in [0-9.]+ s\r\n", shown)


def test_updates_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock = iter(range(10_000))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("machinable.component.progress.time.monotonic", lambda: next(clock) / 1000)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert len(list(progress(range(1000)))) == 1000
    assert terminal.getvalue().count("\r") <= 11  # 1 s, 10 updates a second, and the end
    assert capture.around_echo is None


def test_the_items_come_also_when_the_terminal_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(progress(range(3))) == [0, 1, 2]


def test_a_line_tells_share_count_speed_and_time_left() -> None:
    assert progress_line("train", 450, 1000, 45.0) == (
        "train  45% [##########--------------] 450/1000 10.0/s 0:55 left"
    )
    assert progress_line(None, 3, None, 30.0) == "3 10.0 s each 0:30"
    assert progress_line("big", 0, 10, 0.0) == "big   0% [------------------------] 0/10 0.0/s"
    assert progress_line(None, 12, 10, 6.0) == "100% [########################] 12/10 2.0/s"
    assert progress_line(None, 1, 10001, 3600.0).endswith("1/10001 3600.0 s each 10000:00:00 left")
