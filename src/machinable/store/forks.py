"""A lock for opening things anew in a child, which no thread of the parent can have left locked."""

from __future__ import annotations

import os
import threading

__all__ = ["opening"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_lock = threading.RLock()


def opening() -> AbstractContextManager[object]:
    """The lock of this process."""
    return _lock


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
