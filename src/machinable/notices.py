"""Notes to the user on standard error, one line each."""

from __future__ import annotations

import os
import sys

__all__ = ["Front", "flush_output", "front", "here", "notice"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_said: set[str] = set()


class Front:
    """What the user typed into. Python, unless the command line says that it is one.

    Attributes:
        directory: The working directory when the command began; a component may change it.
        all_frames: Whether tracebacks are to show machinable's own frames as well.
        rerun: Gives the command that runs a finished component again.
    """

    __slots__ = ("all_frames", "directory", "rerun")

    def __init__(self) -> None:
        self.all_frames = False
        self.directory: str | None = None
        self.rerun: Callable[[Any], str] | None = None


front = Front()


def here() -> str | None:
    """The directory that paths are told from: the working directory, or that of the command when it began."""
    try:
        return front.directory or os.getcwd()
    except OSError:
        return None


def flush_output() -> None:
    """Writes what waits in standard output, so that what goes to standard error comes after it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        pass  # gone or closed


def notice(text: str, *, once: str = "") -> None:
    """Prints `machinable: <text>`; with a key `once`, only the first time in this process."""
    if once:
        if once in _said:
            return
        _said.add(once)
    flush_output()
    stream = sys.stderr
    if stream is not None:
        try:
            stream.write(f"machinable: {text}\n")
            stream.flush()
        except (OSError, ValueError):
            pass  # a closed stream: a note is no reason to fail
