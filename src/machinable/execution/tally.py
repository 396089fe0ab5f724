"""Counts of a run: how many components are done, run, failed and are left, and how long the rest may take."""

from __future__ import annotations

import time

from machinable.types import Status
from machinable.wording import clock, duration

__all__ = ["Tally", "outcome_of"]

_BAR_COLUMNS = 12

#: Reasons that say more than the state of a record, which is that of an earlier attempt there.
_WITHOUT_ATTEMPT = ("not started", "not dispatched")

_OUTCOMES = {
    Status.FINISHED: "finished",
    Status.INTERRUPTED: "interrupted",
    Status.LOST: "lost",
    Status.BLOCKED: "blocked",
    Status.RUNNING: "still running",
}

#: In the order in which they are told.
_WORDS = (
    "finished",
    "reused",
    "failed",
    "interrupted",
    "lost",
    "blocked",
    "still running",
    *_WITHOUT_ATTEMPT,
)


def outcome_of(status: Status, reason: str | None = None) -> str:
    """What a component counts as that ended so: one of `finished`, `failed`, `interrupted`, `lost`, `blocked`, …"""
    kind = (reason or "").partition(":")[0]
    return kind if kind in _WITHOUT_ATTEMPT else _OUTCOMES.get(status, "failed")


class Tally:
    """How far a run is.

    Args:
        total: How many components are to run.
        reused: How many others were finished before.
    """

    def __init__(self, total: int, reused: int) -> None:
        self.total = total
        self.reused = reused
        self.stopping = False  # nothing more is started
        self._counts: dict[str, int] = {}  # of those that ended, by outcome
        self._running: set[str] = set()
        self._ended: set[str] = set()
        self._began = time.monotonic()
        self._last_end = 0.0  # in seconds since then

    def start(self, identity: str) -> None:
        """A component began."""
        if identity not in self._ended:
            self._running.add(identity)

    def end(self, identity: str, status: Status, reason: str | None = None) -> None:
        """A component ended, or it is clear that it will not run."""
        if identity in self._ended:
            return
        self._running.discard(identity)
        self._ended.add(identity)
        self._last_end = self.seconds
        outcome = outcome_of(status, reason)
        self._counts[outcome] = self._counts.get(outcome, 0) + 1

    @property
    def finished(self) -> int:
        """How many finished."""
        return self._counts.get("finished", 0)

    @property
    def running(self) -> list[str]:
        """The identities of those that began and have not ended."""
        return list(self._running)

    @property
    def seconds(self) -> float:
        """How long the run lasts so far."""
        return time.monotonic() - self._began

    @property
    def left(self) -> int:
        """How many neither ended nor run."""
        return max(self.total - len(self._ended) - len(self._running), 0)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if it goes on as so far; `None` where nothing tells, and where it does not go on."""
        done = len(self._ended)
        if not done or self.stopping:
            return None
        each, now = self._last_end / done, self.seconds
        rest = max(each * (self.total - done) - (now - self._last_end), each * self.left)
        return rest if rest > 0 else None

    def line(self, columns: int | None = None) -> str:
        """All of it in a line, or as much as fits: what matters least is left out first."""
        done = len(self._ended)
        rest = self.seconds_left
        filled = done * _BAR_COLUMNS // self.total if self.total else _BAR_COLUMNS
        parts = [  # the higher the number, the longer it stays
            (1, f"[{'#' * filled}{'-' * (_BAR_COLUMNS - filled)}]" if columns is not None else ""),
            (9, f"{self.finished}/{self.total} done"),
            (6, f"{len(self._running)} running" if self._running else ""),
            (10, "stopping" if self.stopping else ""),
            *((8, f"{self._counts[word]} {word}") for word in _WORDS[2:6] if word in self._counts),
            (2, f"{self.reused} reused" if self.reused else ""),
            (5, f"{self.left} left"),
            (4, clock(self.seconds) if self.seconds < 10 else clock(round(self.seconds))),
            (7, f"≈ {clock(rest)} to go" if rest is not None else ""),
        ]
        parts = [part for part in parts if part[1]]
        while True:
            text = " · ".join(text for _, text in parts).replace("] · ", "] ")
            if columns is None or len(text) <= columns or len(parts) == 1:
                return text
            parts.remove(min(parts))

    def outcome(self, stopped: bool) -> str:
        """How the run ended: `11 finished, 1 failed in 1:12`."""
        counts = {**self._counts, "reused": self.reused}
        if self._running:
            counts["still running"] = counts.get("still running", 0) + len(self._running)
        counts["not started"] = counts.get("not started", 0) + self.left
        text = ", ".join(f"{counts[word]} {word}" for word in _WORDS if counts.get(word))
        return f"{'stopped: ' if stopped else ''}{text or 'nothing ran'} in {duration(self.seconds)}"
