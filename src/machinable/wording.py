"""How machinable says durations, dates, numbers of things, names that are near, and the ends of processes."""

from __future__ import annotations

import time

__all__ = ["age", "clock", "counted", "day", "duration", "listed", "named", "nearest", "process_end", "size"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def age(seconds: float) -> str:
    """A duration as people say it: `12 s`, `3 min`, `5 h`, `2 days`."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def clock(seconds: float) -> str:
    """A duration that grows while one looks at it: `4.2 s`, `1:04`, `2:03:40`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """How long something took: `4 ms`, `1.2 s`, `3:07`. The same wherever it is told."""
    if seconds < 0.001:
        return "<1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.0995 else clock(seconds)


def day(timestamp: float) -> str:
    """A point in time as a local date and time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(timestamp))


def size(count_bytes: int) -> str:
    """An amount of data: `512 bytes`, `1.2 kB`, `34 MB`. A kB is a thousand bytes."""
    if count_bytes < 1000:
        return counted(count_bytes, "byte")
    amount, units = count_bytes / 1000, ["kB", "MB", "GB", "TB", "PB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}" if amount < 9.95 else f"{amount:,.0f} {units[0]}"


def counted(count: int, noun: str) -> str:
    """`1 component`, `2 components`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], limit: int = 10) -> str:
    """The names in one line; the first of them, if there are many."""
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def named(kind: object, message: object) -> str:
    """An exception in words: its type and what it says, if it says anything."""
    return f"{kind}: {message}" if str(message).strip() else str(kind)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that the word was probably meant to be."""
    import difflib

    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return close[0]
    last = word.rpartition(".")[2]
    same_end = [name for name in known if name.rpartition(".")[2] == last]
    if same_end:
        return same_end[0]
    ignoring_case = [name for name in known if name.lower() == word.lower()]
    return ignoring_case[0] if ignoring_case else None


def process_end(code: int) -> str:
    """How a process ended, from its exit code (negative: a signal), for the middle of a sentence."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        import signal

        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its process was killed by {name}" + (" (as the OOM killer does)" if name == "SIGKILL" else "")
