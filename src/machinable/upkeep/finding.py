"""One thing that a check of a storage found: what is wrong, where, and how it is mended."""

from __future__ import annotations

import os

from machinable.records.sweep import remove_leftover
from machinable.store.files import reason

__all__ = ["NOTE", "WRONG", "Finding", "leftover", "removal", "short", "unreadable"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Something can not be read or found, or says what can not be.
WRONG = "wrong"

#: Nothing is wrong, but it is worth knowing.
NOTE = "note"


class Finding:
    """What a check found.

    Attributes:
        severity: `WRONG` or `NOTE`.
        kind: One word for it, for programs.
        where: The path, relative to the storage, with `/`.
        what: What is wrong, as a sentence without its end.
        mend: How to mend it by hand, or what happens by itself.
        fix: Mends it, and returns what it did in words; `None` where only the user can.
        is_safe: Whether the fix loses nothing, so that nobody has to be asked.
    """

    __slots__ = ("fix", "is_safe", "kind", "mend", "severity", "what", "where")

    def __init__(
        self,
        severity: str,
        kind: str,
        where: str,
        what: str,
        mend: str,
        fix: Callable[[], str] | None = None,
        *,
        is_safe: bool = False,
    ) -> None:
        self.severity = severity
        self.kind = kind
        self.where = where
        self.what = what
        self.mend = mend
        self.fix = fix
        self.is_safe = is_safe

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        told = {name: getattr(self, name) for name in ("severity", "kind", "where", "what", "mend")}
        return {**told, "fixable": None if self.fix is None else "safely" if self.is_safe else "on request"}


def leftover(path: str, where: str) -> Finding:
    """What a process that is gone left half-built."""
    fix = removal(path)
    what = "a process that is gone left this half-built"
    mend = "It is removed by itself some day"
    return Finding(
        NOTE, "leftover", f"{where}/{os.path.basename(path)}".lstrip("/"), what, mend, fix, is_safe=True
    )


def unreadable(where: str, error: OSError) -> Finding:
    """What the file system refuses to read."""
    return Finding(
        WRONG, "unreadable", where, f"it can not be read: {reason(error)}", "Change its permissions"
    )


def short(error: Exception, where: str, path: str = "") -> str:
    """The message without the place, which stands in front of it anyway, and without the remedy."""
    text = str(error)
    path = path or text.partition(" ")[0]
    text = text.removeprefix(path).strip(" :")
    head = text.partition(" Restore the file")[0].rstrip(".")
    name = path.rsplit(os.sep, 1)[-1]
    return head if name and where.endswith(name) else f"{name} {head}"


def removal(path: str) -> Callable[[], str]:
    """Removes a file or a directory for good."""

    def fix() -> str:
        remove_leftover(path)
        return "removed it"

    return fix
