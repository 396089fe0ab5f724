"""The bottom lines of the terminal: redrawn in place, and out of the way of whatever is printed meanwhile."""

from __future__ import annotations

import os
import threading
import time

from machinable.component import capture

__all__ = ["Lines", "columns_of", "is_shared", "is_terminal", "share", "unshare", "write"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

SECONDS_BETWEEN_DRAWS = 0.1

_UNKNOWN_COLUMNS = 80
_FEWEST_COLUMNS = 20
_TYPEWRITER = str.maketrans({"·": "-", "…": "...", "→": "->", "×": "x", "≈": "~"})


# Held by whoever writes here, and by a fork: a child must not inherit a stream in use.
_lock = threading.RLock()


class Lines:
    """Lines at the bottom of the terminal. Those made last stand above the others.

    Args:
        paint: Adds colours to a line that has its final length; not called where `NO_COLOR` is set.
    """

    def __init__(self, stream: TextIO, paint: Callable[[str], str] | None = None) -> None:
        self.stream = stream
        self.texts: list[str] = []
        self._paint = paint if "NO_COLOR" not in os.environ else None
        _screen.open(self)

    @property
    def alone(self) -> bool:
        """Whether nobody else has lines in the terminal."""
        return len(_screen.owners) == 1

    def show(self, *texts: str) -> None:
        """Draws these lines in place of those before, unless somebody has printed a part of a line just now."""
        with _lock:
            self.texts = list(texts)
            _screen.draw()

    def say(self, text: str) -> None:
        """Writes whole lines that stay, above all that are redrawn."""
        with _lock:
            _screen.say(self.stream, text)

    def close(self) -> None:
        """Removes the lines."""
        with _lock:
            _screen.close(self)

    def painted(self, text: str) -> str:
        """A line as it is written."""
        return self._paint(text) if self._paint is not None else text


class _Screen:
    """What is drawn at the moment, by whom, and where the cursor is."""

    def __init__(self) -> None:
        self.owners: list[Lines] = []
        self.at_start = True  # of a line: nothing printed is unfinished
        self._drawn: list[int] = []  # the lengths of the lines in the terminal
        self._drawn_at = 0.0

    def open(self, owner: Lines) -> None:
        with _lock:
            if not self.owners:
                self.at_start, self._drawn = True, []
            self.owners.append(owner)
            capture.around_echo = self.echo

    def close(self, owner: Lines) -> None:
        if owner in self.owners:
            write(owner.stream, self._cleared(owner.stream))
            self.owners.remove(owner)
            if not self.owners:
                capture.around_echo = _echo_shared if _shared else None
            else:
                self.draw()

    def draw(self) -> None:
        if not self.at_start or not self.owners:
            return
        stream = self.owners[-1].stream
        columns = columns_of(stream) - 1  # a full line would wrap
        lines = [(owner, text[:columns]) for owner in reversed(self.owners) for text in owner.texts]
        drawn = "\n".join(owner.painted(text) + "\x1b[K" for owner, text in lines)
        if len(lines) == len(self._drawn) == 1 and self._drawn[0] <= columns:
            write(stream, "\r" + drawn)
        else:
            write(stream, self._cleared(stream) + ("\r" if drawn else "") + drawn)
        self._drawn = [len(text) for _, text in lines]
        self._drawn_at = time.monotonic()

    def say(self, stream: TextIO, text: str) -> None:
        start = self._cleared(stream) if self.at_start else "\n"
        self.at_start = True
        write(stream, start + text.rstrip("\n") + "\n")
        self.draw()

    def echo(self, target: TextIO, show: Callable[[str], object], text: str) -> object:
        """Has `show` print a text where the lines were. They come back below it once it ends with a newline."""
        with _lock:
            if not self.owners or not is_terminal(target):
                return show(text)
            if self._drawn:
                write(self.owners[-1].stream, self._cleared(self.owners[-1].stream))
            result = show(text)
            if text:
                self.at_start = text.endswith("\n")
            if self.at_start and time.monotonic() - self._drawn_at >= SECONDS_BETWEEN_DRAWS:
                self.draw()
            return result

    def _cleared(self, stream: TextIO) -> str:
        """What removes the lines that are drawn, also where a window that became narrower has folded them."""
        if not self._drawn:
            return ""
        columns = columns_of(stream)
        rows = sum(max(-(-length // columns), 1) for length in self._drawn)
        self._drawn = []
        return f"\r\x1b[{rows - 1}A\x1b[J" if rows > 1 else "\r\x1b[K"


_screen = _Screen()
_shared = 0


def share() -> None:
    """Says that a run is shown elsewhere, perhaps by lines that another process draws in this process's terminal.

    What is printed then removes the last of these first, and progress bars are not shown.
    """
    global _shared
    _shared += 1
    if not _screen.owners:
        capture.around_echo = _echo_shared


def unshare() -> None:
    """Takes one `share` back."""
    global _shared
    _shared -= 1
    if not _shared and not _screen.owners:
        capture.around_echo = None


def is_shared() -> bool:
    """Whether a run is shown elsewhere."""
    return _shared > 0


def _echo_shared(target: TextIO, show: Callable[[str], object], text: str) -> object:
    if not text or not is_terminal(target):
        return show(text)
    # Not by "\r", at which a line-buffered stream would flush, so that another process could print in between.
    start = "\x1b[G\x1b[K" if _screen.at_start else ""
    _screen.at_start = text.endswith("\n")
    return show(start + text)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether lines of the stream can be rewritten."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except (OSError, ValueError, AttributeError):
        return False


def columns_of(stream: TextIO) -> int:
    """How wide the terminal is at the moment."""
    try:
        return max(os.get_terminal_size(stream.fileno()).columns or _UNKNOWN_COLUMNS, _FEWEST_COLUMNS)
    except (OSError, ValueError, AttributeError):
        return _UNKNOWN_COLUMNS


def write(stream: TextIO, text: str) -> bool:
    """Writes and flushes, with what a stream's encoding lacks in other letters. Returns whether that went well."""
    if not text:
        return True
    try:
        with _lock:
            try:
                stream.write(text)
            except UnicodeEncodeError:
                encoding = getattr(stream, "encoding", None) or "ascii"
                plain = text.translate(_TYPEWRITER)
                stream.write(plain.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
    except (OSError, ValueError):
        return False  # the terminal is gone, or closed: what runs goes on without
    return True


def _after_fork_in_child() -> None:
    global _lock, _screen
    lives = bool(_screen.owners)
    _lock, _screen = threading.RLock(), _Screen()
    if lives:
        share()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(),
        after_in_parent=lambda: _lock.release(),
        after_in_child=_after_fork_in_child,
    )
