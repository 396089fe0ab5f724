"""How long a look at a storage elsewhere holds."""

from __future__ import annotations

import time

__all__ = ["forget", "is_fresh", "note"]

#: What asks for a component looks several times in a moment, in seconds.
_FRESH_SECONDS = 0.2

_looked: dict[tuple[str, str], float] = {}


def note(root: str, what: str) -> None:
    """It was looked at now."""
    if len(_looked) > 100_000:
        _looked.clear()
    _looked[root, what] = time.monotonic()


def is_fresh(root: str, what: str, seconds: float = _FRESH_SECONDS) -> bool:
    """Whether it was looked at a moment ago, or less than so many seconds ago."""
    looked = _looked.get((root, what))
    return looked is not None and time.monotonic() - looked < seconds


def forget(root: str) -> None:
    """The next look at anything in a storage asks it anew."""
    for known in [known for known in list(_looked) if known[0] == root]:
        _looked.pop(known, None)
