"""One attempt as its file tells it: who ran it, what happened, how it ended."""

from __future__ import annotations

import os
import re

from machinable.errors import DamagedRecord
from machinable.records.documents import parse
from machinable.store.files import INNER, read
from machinable.wording import named

__all__ = ["TERMINAL", "Attempt", "attempt_name", "exception_line", "number_of", "read_attempt"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The kinds of line that end an attempt. `withdrawn`: the owner found, right after its take-over, that the attempt
#: before had finished after all; such an attempt counts for nothing. `lost`: in object stores, who takes over says so.
TERMINAL = frozenset({"finished", "failed", "interrupted", "withdrawn", "lost"})

_NAME = re.compile(r"attempt-([1-9][0-9]*)\.jsonl")


def attempt_name(number: int) -> str:
    """The file name of an attempt, counted from 1."""
    return f"attempt-{number}.jsonl"


def number_of(name: str) -> int:
    """The number of the attempt that a file of this name holds; 0 for any other name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else 0


class Attempt:
    """What an attempt's file holds."""

    __slots__ = ("damage", "end", "events", "modified", "number", "path", "started")

    def __init__(
        self, number: int, path: str, events: list[dict[str, Any]], modified: float, damage: str | None = None
    ) -> None:
        self.number = number
        self.path = path
        self.events = events
        self.modified = modified  # of the storage's clock: the last heartbeat
        self.damage = damage
        self.started: dict[str, Any] = events[0] if events else {}
        self.end: dict[str, Any] | None = next((e for e in events if e.get("kind") in TERMINAL), None)

    @property
    def owner(self) -> dict[str, Any]:
        """The process that runs or ran it; empty where the file is damaged."""
        owner = self.started.get("owner")
        return owner if isinstance(owner, dict) else {}

    @property
    def waiting_for(self) -> str | None:
        """The component whose end the owner is waiting for at the moment: its directory, relative to the storage."""
        last = self.events[-1] if self.events else {}
        return str(last["for"]) if last.get("kind") == "waiting" else None


def exception_line(end: dict[str, Any]) -> str | None:
    """The exception that a terminal line tells of, as `<type>: <message>`; `None` if it tells of none."""
    exception = end.get("exception")
    if not isinstance(exception, dict):
        return None
    return named(exception.get("type", "failed"), exception.get("message", ""))


def read_attempt(directory: str, number: int) -> Attempt:
    """Reads attempt `number` of the record whose `.machinable` directory is `directory`.

    A last line without newline was cut by a kill and is ignored. What a crash of the machine has cut is reported by
    `Attempt.damage`.

    Raises:
        FileNotFoundError: If there is no such attempt.
        StorageError: If the file is damaged otherwise, or was written in a later format.
    """
    path = os.path.join(directory, attempt_name(number))
    try:
        data = read(path)
    except IsADirectoryError:
        path = os.path.join(path, INNER)
        data = read(path)
    modified = os.stat(path).st_mtime
    lines = data.split(b"\n")
    events: list[dict[str, Any]] = []
    damage = None
    for line in lines[:-1]:
        try:
            event = parse(line, path, versioned=not events)
        except DamagedRecord as error:
            if not error.recoverable:
                raise
            damage = str(error)
            break
        events.append(event)
    if not events and damage is None:
        damage = f"{path} is empty or was cut short."
    return Attempt(number, path, events, modified, damage)
