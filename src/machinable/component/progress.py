"""A progress bar in the terminal, which never reaches a stored log."""

from __future__ import annotations

import operator
import threading
import time

from machinable.component import capture
from machinable.component.terminal import Lines, is_shared, is_terminal, write
from machinable.wording import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO, TypeVar

    T = TypeVar("T")

__all__ = ["progress"]

SECONDS_BETWEEN_UPDATES = 0.1
BAR_COLUMNS = 24

_lock = threading.Lock()  # held by the one bar that is shown


def progress(iterable: Iterable[T], description: str | None = None, total: int | None = None) -> Iterator[T]:
    """The same items, with a bar in the terminal that tells how many were taken.

    Where standard error is not a terminal, one line is written at the end instead. Of nested bars, the
    outermost is shown; of those of parallel processes in one terminal, which shows how many are done, none. Nothing is
    written to a component's log.

    Args:
        description: Stands before the bar.
        total: How many items there will be, if the iterable does not tell.
    """
    if total is None:
        total = operator.length_hint(iterable, -1)
        total = None if total < 0 else total
    stream = capture.terminal_stream()
    if stream is None or is_shared() or not _lock.acquire(blocking=False):
        yield from iterable
        return
    try:
        bar = _Bar(stream, description, total)
        try:
            for item in iterable:
                yield item
                bar.advance()
            bar.is_complete = True
        finally:
            bar.end()
    finally:
        _lock.release()


class _Bar:
    def __init__(self, stream: TextIO, description: str | None, total: int | None) -> None:
        self._stream = stream
        self._description = description
        self._total = total
        self._count = 0
        self._started = time.monotonic()
        self._next = self._started + SECONDS_BETWEEN_UPDATES
        self._lines = Lines(stream, _painted) if is_terminal(stream) else None
        self.is_complete = False

    def advance(self) -> None:
        self._count += 1
        if self._lines is not None:
            now = time.monotonic()
            if now >= self._next:
                self._next = now + SECONDS_BETWEEN_UPDATES
                self._lines.show(self._line(now))

    def end(self) -> None:
        if self._lines is None:
            write(self._stream, self._summary(time.monotonic()) + "\n")
            return
        if self._lines.alone:
            self._lines.show()
            self._lines.say(self._summary(time.monotonic()))
        self._lines.close()

    def _line(self, now: float) -> str:
        return progress_line(self._description, self._count, self._total, now - self._started)

    def _summary(self, now: float) -> str:
        seconds = now - self._started
        label = f"{self._description}: " if self._description else ""
        count = str(self._count)
        if self._total is not None and not (self.is_complete and self._count == self._total):
            count += f"/{self._total}"
        ended = "in" if self.is_complete else "stopped after"
        return f"{label}{count} {ended} {clock(seconds)}"


def _painted(line: str) -> str:
    bar, end, rest = line.partition("]")
    return bar.replace("#", "\x1b[32m#", 1) + "\x1b[0m" + end + rest


def progress_line(description: str | None, count: int, total: int | None, seconds: float) -> str:
    """What the bar looks like, in ASCII: `train  45% [##########--------------] 450/1000 12.3/s 0:44 left`."""
    label = f"{description} " if description else ""
    rate = count / seconds if seconds > 0 else 0.0
    speed = f"{rate:.1f}/s" if rate >= 1 or not rate else f"{1 / rate:.1f} s each"
    if not total:
        return f"{label}{count} {speed} {clock(seconds)}"
    share = min(count / total, 1.0)
    filled = int(share * BAR_COLUMNS)
    bar = "#" * filled + "-" * (BAR_COLUMNS - filled)
    left = f" {clock((total - count) / rate)} left" if rate and count <= total else ""
    return f"{label}{share:4.0%} [{bar}] {count}/{total} {speed}{left}"
