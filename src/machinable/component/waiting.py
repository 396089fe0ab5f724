"""Waiting for a component that another owner runs: bounded by the owner's life, and never in a circle."""

from __future__ import annotations

import os
import time

from machinable.component.launching import running
from machinable.errors import ConfigurationError, StorageError
from machinable.notices import notice
from machinable.records import clock
from machinable.records.record import Record
from machinable.types import Status

__all__ = ["is_free", "takeover_seconds", "wait_for_end"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.records.record import State

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 1.0
_SAY_AFTER_SECONDS = 3.0
_DEFAULT_TAKEOVER_SECONDS = 600.0


def takeover_seconds(settings: dict[str, Any]) -> float:
    """How long an owner on another machine has to be silent before its component is taken over, in seconds.

    From `MACHINABLE_TAKEOVER_SECONDS`, else `[tool.machinable] takeover_seconds`, else ten minutes.
    """
    text = os.environ.get("MACHINABLE_TAKEOVER_SECONDS")
    if text is None:
        return float(settings.get("takeover_seconds", _DEFAULT_TAKEOVER_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(
            f"MACHINABLE_TAKEOVER_SECONDS is {text!r}, but a number of seconds above 0 is needed."
        )
    return seconds


def is_free(record: Record, state: State, takeover: float) -> bool:
    """Whether the next attempt may be claimed. Silence is only believed when measured by the storage's own clock."""
    if not state.is_free(takeover):
        return False
    if state.silent_seconds and not clock.is_known(record.root):
        try:
            clock.measure(record.root)
        except OSError:
            return False
        return record.state().is_free(takeover)
    return True


def wait_for_end(record: Record, name: str, takeover: float) -> State:
    """Waits until the component's attempt ended, or until its owner is gone or silent for `takeover` seconds.

    Raises:
        ConfigurationError: If the owner in turn waits for a component that runs here.
    """
    chain = running.get()
    claim = chain[-1]._core.claim if chain else None
    pause, began, said = _SHORTEST_PAUSE, time.monotonic(), False
    if claim is not None:
        claim.append("waiting", **{"for": os.path.relpath(record.directory, record.root)})
    try:
        while True:
            state = record.state()
            if state.status is Status.FINISHED or is_free(record, state, takeover):
                return state
            if chain:
                _refuse_circle(record, name, {component.directory or "" for component in chain})
            if not said and time.monotonic() - began > _SAY_AFTER_SECONDS:
                said = True
                notice(f"waiting for {name} {record.id}: {state.evidence}")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
    finally:
        if claim is not None:
            claim.append("waited")


def _refuse_circle(record: Record, name: str, ours: set[str]) -> None:
    links = [name]
    seen: set[str] = set()
    following: Record = record
    while following.directory not in seen:
        seen.add(following.directory)
        try:
            attempt = following.state().attempt
        except (OSError, StorageError):
            return
        awaited = attempt.waiting_for if attempt is not None and attempt.end is None else None
        if awaited is None:
            return
        target = os.path.join(record.root, awaited)
        links.append(os.path.basename(target))
        if target in ours:
            raise ConfigurationError(
                f"Components wait for each other in a circle: {' → '.join(links)}. "
                "Let one of them use what the other saved, instead of launching it."
            )
        following = Record(target, record.root)
