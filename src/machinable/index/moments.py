"""Times and durations as people write them: `2026-11-01`, `2026-11-01 14:30`, `7d`, `5 min`."""

from __future__ import annotations

import re
import time

__all__ = ["moment", "seconds"]

_UNITS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) ?(s|min|m|h|d|w)")
_MONTH = re.compile(r"[0-9]{4}(-[0-9]{2})?")


def seconds(text: str) -> float | None:
    """A duration in seconds: `90s`, `5 min`, `1.5h`, `7d`, `2w`; `None` if the text is none."""
    match = _DURATION.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


def moment(text: str) -> float | None:
    """A point in time, in seconds since the epoch; `None` if the text is none.

    A date, with a time if wanted, is local unless it says otherwise (`+00:00`); a duration is that long ago.
    """
    text = text.strip()
    ago = seconds(text)
    if ago is not None:
        return time.time() - ago
    if text in ("now", "today", "yesterday"):
        return time.time() if text == "now" else _midnight(int(text == "yesterday"))
    if _MONTH.fullmatch(text):
        text = f"{text}-01-01" if len(text) == 4 else f"{text}-01"
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):  # no date, or one that the platform's clock does not have
        return None


def _midnight(days_ago: int) -> float:
    today = time.localtime()
    return time.mktime((today.tm_year, today.tm_mon, today.tm_mday - days_ago, 0, 0, 0, 0, 0, -1))
