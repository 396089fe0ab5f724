"""Two streams: what was asked for goes to standard output, notes about it to standard error."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from machinable.notices import flush_output, here

__all__ = ["note", "place", "rendered", "say"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO


def say(text: str) -> None:
    """Prints a line of what was asked for."""
    _write(sys.stdout, text + "\n")


def note(text: str) -> None:
    """Prints a line about it."""
    flush_output()
    _write(sys.stderr, text + "\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:  # a terminal that is not UTF-8 shows what it can
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Nothing more is written, and Python does not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except ValueError:
        pass  # closed


def rendered(value: Any) -> str:
    """A returned value as text: strings as they are, dicts and lists as JSON on one line, else what `str` says."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (dict, list, tuple)):
        import json

        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return repr(value)
    return str(value)


def place(path: str) -> str:
    """A path as short as it can be typed here: `./storage/…` below the working directory, else in full.

    What lies in a storage elsewhere is told by its URL.
    """
    if "mirror-" in path:  # perhaps; `machinable version` must not wait for what can tell
        path = str(import_module("machinable.records.mirror.place").shown(path))
    start = here()
    if start is None or not path.startswith(start.rstrip(os.sep) + os.sep):
        return path
    return os.path.join(os.curdir, os.path.relpath(path, start))
