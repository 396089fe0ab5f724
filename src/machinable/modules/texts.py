"""The text of each source file as this process imported it, whatever the file says by now."""

from __future__ import annotations

import os
import sys

__all__ = ["generation", "imported_text", "normalised", "remember", "remember_file", "remember_loaded"]

_texts: dict[str, bytes] = {}  # by path without symbolic links
_generation = 0


def remember(file: str, data: bytes) -> None:
    """Notes that `data` is what was imported from the file, in place of what was imported earlier."""
    global _generation
    _texts[os.path.realpath(file)] = normalised(data)
    _generation += 1


def remember_loaded(root: str) -> None:
    """Reads the files of those modules below the root that were imported without our seeing it."""
    prefix = root + os.sep
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and file.startswith(prefix):
            remember_file(file)


def remember_file(file: str) -> None:
    """Reads a file that was imported just now, unless it is known."""
    if os.path.realpath(file) not in _texts:
        try:
            with open(file, "rb") as stream:
                remember(file, stream.read())
        except OSError:
            pass  # it was deleted after its import; its text can not be known


def imported_text(file: str) -> bytes | None:
    """The text as imported, with `\\n` line ends; None where the file was not imported in this process."""
    return _texts.get(file) or _texts.get(os.path.realpath(file))


def generation() -> int:
    """A number that grows whenever something is imported or reloaded."""
    return _generation


def normalised(data: bytes) -> bytes:
    """The text without what an editor or Git may change on another platform: line ends and byte order mark."""
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _remember_main() -> None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if isinstance(file, str) and file.endswith(".py"):
        remember_file(file)


# A script imports machinable in its first lines: later its file may be edited while it runs.
_remember_main()
