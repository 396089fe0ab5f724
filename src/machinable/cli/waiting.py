"""A line in the terminal that tells how far a command is, once it takes longer than a moment."""

from __future__ import annotations

import sys
import time

from machinable.component.progress import progress_line
from machinable.component.terminal import Lines, is_terminal

__all__ = ["Waiting"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_AFTER_SECONDS = 0.5
_BETWEEN_SECONDS = 0.1


class Waiting:
    """`with Waiting("counting") as waiting: waiting.tick(5, 100)`. Where standard error is no terminal, nothing."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._began = time.monotonic()
        self._next = self._began + _AFTER_SECONDS
        self._lines: Lines | None = None

    def tick(self, count: int, total: int | None = None) -> None:
        """Tells how many of how many are done."""
        now = time.monotonic()
        if now < self._next or not is_terminal(sys.stderr):
            return
        self._next = now + _BETWEEN_SECONDS
        if self._lines is None:
            self._lines = Lines(sys.stderr)
        self._lines.show(progress_line(self._description, count, total, now - self._began))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None
