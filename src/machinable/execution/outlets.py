"""Where a run is shown: a terminal, a notebook, a pipe."""

from __future__ import annotations

import sys
import time

from machinable.component.capture import lead_output
from machinable.component.terminal import Lines, columns_of, share, unshare, write
from machinable.notices import flush_output

__all__ = ["Notebook", "Outcome", "Outlet", "Pipe", "Terminal", "notebook_display"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from machinable.execution.tally import Tally

_SECONDS_BETWEEN_DRAWS = 0.1
_FIRST_LINE_SECONDS, _GROWTH, _LONGEST_GAP_SECONDS = 10.0, 1.6, 600.0


class Outcome:
    """What came of a run, to be shown at its end.

    Args:
        table: The table of the components, for a width.
        html: The same for a notebook.
        failures: What went wrong, if anything.
        closing: The last line.
    """

    __slots__ = ("_closing", "_failures", "_table", "html")

    def __init__(
        self,
        table: Callable[[int | None], str],
        html: Callable[[], str],
        failures: str | None,
        closing: str,
    ) -> None:
        self._table = table
        self.html = html
        self._failures = failures
        self._closing = closing

    def text(self, columns: int | None = None) -> str:
        """All of it, `columns` wide."""
        return "\n\n".join(filter(None, (self._table(columns), self.words())))

    def words(self) -> str:
        """What stands below the table."""
        return "\n\n".join(filter(None, (self._failures, self._closing)))


class Outlet:
    """Where a run is shown."""

    def say(self, text: str) -> None:
        """Shows lines that stay."""

    def show(self, tally: Tally) -> None:
        """Shows how far the run is, if it is time to."""

    def end(self, outcome: Outcome) -> None:
        """Shows what came of the run."""
        self.say("\n" + outcome.text())


class Pipe(Outlet):
    """A file, a pipe, or a terminal that can not rewrite lines: a line now and then, in growing gaps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gap = _FIRST_LINE_SECONDS
        self._next = time.monotonic() + self._gap
        self._shares = True
        share()

    def say(self, text: str) -> None:
        flush_output()
        write(self._stream, text + "\n")

    def show(self, tally: Tally) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._gap = min(self._gap * _GROWTH, _LONGEST_GAP_SECONDS)
            self._next = now + self._gap
            self.say(tally.line())

    def end(self, outcome: Outcome) -> None:
        self.release()
        super().end(outcome)

    def release(self) -> None:
        """Lets progress bars be shown again."""
        if self._shares:
            self._shares = False
            unshare()


class Terminal(Outlet):
    """A line at the bottom of the terminal, below all that is printed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = Lines(stream, _painted)
        self._release = lead_output()
        self._next = 0.0

    def say(self, text: str) -> None:
        self._lines.say(text)

    def show(self, tally: Tally) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN_DRAWS
            self._lines.show(tally.line(columns_of(self._stream) - 1))

    def end(self, outcome: Outcome) -> None:
        self._lines.show()
        self.say("\n" + outcome.text(columns_of(self._stream)))
        self._lines.close()
        self._release()


class Notebook(Outlet):
    """One output of a notebook's cell, replaced again and again. Where that does not work: as in a pipe."""

    def __init__(self, display: Callable[..., Any], stream: TextIO | None) -> None:
        self._said: list[str] = []
        self._line = ""
        self._next = 0.0
        self._pipe = Pipe(stream) if stream is not None else None
        try:
            self._handle: Any = display(_bundle(" "), raw=True, display_id=True)
        except Exception:  # whatever a front end's own code may raise
            self._handle = None

    def say(self, text: str) -> None:
        self._said.append(text)
        if self._handle is None and self._pipe is not None:
            self._pipe.say(text)
        self._update()

    def show(self, tally: Tally) -> None:
        if self._handle is None and self._pipe is not None:
            self._pipe.show(tally)
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN_DRAWS
            line = tally.line(_NOTEBOOK_COLUMNS)
            if line != self._line:
                self._line = line
                self._update()

    def _update(self, html: str = "") -> None:
        if self._handle is None:
            return
        try:
            self._handle.update(_bundle("\n".join(filter(None, (*self._said, self._line))), html), raw=True)
        except Exception:
            self._handle = None
            if self._pipe is not None:
                self._pipe.say(self._said[-1] if self._said else self._line)

    def end(self, outcome: Outcome) -> None:
        self._line = ""
        said = list(self._said)
        if self._pipe is not None:
            self._pipe.release()
        if self._handle is None:
            super().end(outcome)
            return
        text = "\n".join([*said, "", outcome.text()])
        html = "".join([_preformatted("\n".join(said)), outcome.html(), _preformatted(outcome.words())])
        try:
            self._handle.update(_bundle(text, html), raw=True)
        except Exception:
            self._handle = None
            super().end(outcome)


_NOTEBOOK_COLUMNS = 100


def notebook_display() -> Callable[..., Any] | None:
    """IPython's `display`, if this process is the kernel of a notebook."""
    package = sys.modules.get("IPython")
    shell = package.get_ipython() if package is not None and hasattr(package, "get_ipython") else None
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    import IPython.display

    display: Callable[..., Any] = IPython.display.display
    return display


def _bundle(text: str, html: str = "") -> dict[str, str]:
    return {"text/plain": text, "text/html": html or _preformatted(text)}


def _preformatted(text: str) -> str:
    from html import escape

    return f"<pre>{escape(text)}</pre>" if text else ""


def _painted(line: str) -> str:
    parts = [f"\x1b[31m{part}\x1b[0m" if part.endswith(" failed") else part for part in line.split(" · ")]
    return " · ".join(parts)
