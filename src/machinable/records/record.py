"""A record, read: its immutable document, and the state that its attempts and notes amount to at this moment."""

from __future__ import annotations

import os
import time

from machinable.errors import DamagedRecord, RemovedRecord, StorageError
from machinable.records import clock
from machinable.records.active import is_active_here
from machinable.records.attempt import Attempt, number_of, read_attempt
from machinable.records.documents import load
from machinable.records.elsewhere import look
from machinable.records.mirror.place import LOST_SECONDS as LOST_ELSEWHERE_SECONDS
from machinable.records.mirror.place import META, store_at, unsent_name
from machinable.records.notes import read_notes
from machinable.store import owner
from machinable.store.files import failure
from machinable.types import Status
from machinable.wording import age, day

__all__ = ["LOST_SECONDS", "META", "TOMBSTONE", "Record", "State"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Stands in place of component.json in a record that was removed, where a newer one of the same request follows it.
TOMBSTONE = "tombstone.json"

#: How long an owner on another machine may be silent before it is shown as lost, in seconds.
LOST_SECONDS = 120.0

#: How long a file that was listed, but can not be opened yet, is waited for (network file systems), in seconds.
_VISIBLE_SECONDS = 5.0


class State:
    """What is known of a component at one moment, and how."""

    __slots__ = (
        "attempt",
        "evidence",
        "invalidated",
        "next_number",
        "owner_is_gone",
        "silent_seconds",
        "status",
        "unsent",
    )

    def __init__(
        self,
        status: Status,
        evidence: str,
        attempt: Attempt | None = None,
        next_number: int = 1,
        invalidated: int = 0,
        owner_is_gone: bool = False,
        silent_seconds: float = 0.0,
    ) -> None:
        self.status = status
        self.evidence = evidence
        self.attempt = attempt  # the one that counts: the last that was not withdrawn
        self.next_number = next_number  # the attempt that a claim would publish
        self.invalidated = invalidated  # attempts up to this number do not count any more
        self.owner_is_gone = owner_is_gone
        self.silent_seconds = (
            silent_seconds  # since the last heartbeat of an owner that only its heartbeat can tell of
        )
        self.unsent = False  # whether only this machine knows the end: it could not be uploaded so far

    @property
    def end(self) -> dict[str, Any]:
        """The terminal line of the attempt that counts; empty as long as there is none."""
        return (self.attempt.end or {}) if self.attempt is not None else {}

    def is_free(self, takeover_seconds: float) -> bool:
        """Whether a launch may claim the next attempt."""
        if self.status is Status.FINISHED:
            return False
        if self.status in (Status.RUNNING, Status.LOST):
            return self.owner_is_gone or self.silent_seconds >= takeover_seconds
        return True


class Record:
    """The directory of one component."""

    __slots__ = ("_document", "directory", "meta", "root")

    def __init__(self, directory: str, root: str, document: dict[str, Any] | None = None) -> None:
        self.directory = directory
        self.meta = directory + os.sep + META
        self.root = root  # the storage that it lies in
        self._document = document

    @classmethod
    def find(cls, directory: str, root: str) -> Record | None:
        """The record in `directory`, or `None` if there is none.

        Raises:
            RemovedRecord: If only its tombstone is left.
            DamagedRecord: If component.json is there and can not be read, or is missing from a record.
        """
        record = cls(directory, root)
        look(root, directory)
        if not os.access(directory, os.F_OK):
            return None
        try:
            record._document = load(record.meta + os.sep + "component.json")
        except FileNotFoundError as error:
            if os.path.exists(record.meta + os.sep + TOMBSTONE):
                raise RemovedRecord(
                    f"{directory} was removed; a newer one of the same request follows."
                ) from None
            if not os.path.isdir(record.meta):
                if _holds_anything(directory):
                    raise DamagedRecord(
                        f"{directory} holds no .machinable/component.json. {_RESTORE}"
                    ) from error
                return None
            record._document = _appears(record.meta, error)
            if record._document is None:
                return None
        except NotADirectoryError as error:
            raise StorageError(
                f"{directory} is a file, but a record's directory is needed. Move it away."
            ) from error
        except OSError as error:
            raise failure(error, record.meta, "read") from error
        return record

    @property
    def id(self) -> str:
        """The component's ID: the directory's name."""
        return os.path.basename(self.directory)

    @property
    def document(self) -> dict[str, Any]:
        """component.json."""
        if self._document is None:
            found = Record.find(self.directory, self.root)
            if found is None:
                raise StorageError(f"{self.directory} is not a record.")
            self._document = found._document
            assert self._document is not None
        return self._document

    def numbers(self) -> list[int]:
        """The numbers of all attempts, ascending."""
        return sorted(filter(None, map(number_of, os.listdir(self.meta))))

    def attempts(self) -> list[Attempt]:
        """All attempts, the first one first."""
        return [self._attempt(number) for number in self.numbers()]

    def _attempt(self, number: int) -> Attempt:
        end = time.monotonic() + _VISIBLE_SECONDS
        while True:
            try:
                return read_attempt(self.meta, number)
            except FileNotFoundError as error:
                if not os.path.isdir(self.meta):
                    raise  # the whole record went away
                # Listed, but not to be opened yet: network file systems take a moment.
                if time.monotonic() > end:
                    raise StorageError(
                        f"{error.filename} is listed, but can not be opened. Look at the file system, and try again."
                    ) from error
                time.sleep(0.05)

    def _last_that_counts(self, number: int) -> Attempt:
        """The attempt of this number, or the last one before it that was not withdrawn."""
        attempt = self._attempt(number)
        while attempt.end is not None and attempt.end["kind"] == "withdrawn" and number > 1:
            number -= 1
            attempt = self._attempt(number)
        return attempt

    def state(self) -> State:
        """What the attempts and notes say now. Reads two or three small files, writes nothing.

        In a mirror, the storage is asked as long as it can know more.

        Raises:
            StorageError: If a file is damaged otherwise than by a crash.
        """
        if store_at(self.root) is None:
            return self._state_here()
        state = self._state_in_mirror()
        if state.status is Status.FINISHED and not state.unsent:
            return state
        if state.status is Status.RUNNING and state.attempt is not None and self._is_unsent(state.attempt):
            return state  # a process of this machine has it, and nobody knows more
        # That an owner is gone may be newer than the last look, which then was too early for the end.
        look(self.root, self.directory, anew=state.status is Status.LOST)
        return self._state_in_mirror()

    def _state_in_mirror(self) -> State:
        state = self._state_here()
        attempt = state.attempt
        if attempt is None or attempt.end is None or not self._is_unsent(attempt):
            return state
        if attempt.events[-1].get("kind") != "unsent" and _lives(attempt):
            return State(Status.RUNNING, "its files are being uploaded", attempt, state.next_number)
        state.unsent = True
        state.evidence += "; not uploaded yet"
        return state

    def _is_unsent(self, attempt: Attempt) -> bool:
        return os.path.exists(self.meta + os.sep + unsent_name(attempt.number))

    def _state_here(self) -> State:
        try:
            return self._state(os.listdir(self.meta))
        except FileNotFoundError:
            return State(Status.PENDING, "there is no record")

    def _state(self, names: list[str]) -> State:
        number = highest = max(map(number_of, names), default=0)
        if not number:
            return State(Status.PENDING, "the record has no attempt")
        attempt = self._last_that_counts(number)
        invalidated = 0
        when = 0.0
        process_ended, is_gone = "", False
        if "notes" in names:
            for note in read_notes(self.meta):
                if note.get("kind") == "invalidate" and int(note.get("attempt", 0)) > invalidated:
                    invalidated, when = int(note["attempt"]), float(note.get("time", 0.0))
                elif note.get("kind") == "exit" and note.get("attempt") == attempt.number:
                    process_ended, is_gone = _told_by(note), is_gone or note.get("gone") is True
        if attempt.end is not None and attempt.number <= invalidated:
            return State(Status.PENDING, f"invalidated on {day(when)}", attempt, highest + 1, invalidated)
        state = _state_of(attempt, self.root)
        if (
            attempt.end is None
            and state.owner_is_gone
            and attempt.damage is None
            and self._attempt(attempt.number).end is not None
        ):
            return (
                self._state_here()
            )  # it ended between our look at its file and our look at the process table
        if is_gone and not state.owner_is_gone and state.status in (Status.RUNNING, Status.LOST):
            # Who ran it, on another machine perhaps, has seen its process or its node end.
            state = State(
                Status.LOST, f"{attempt.owner.get('host')} runs it no more", attempt, owner_is_gone=True
            )
        if state.status is Status.LOST and attempt.number > 1:
            # A take-over whose owner died before it could withdraw: what it took over had finished after all.
            before = self._last_that_counts(attempt.number - 1)
            if before.end is not None and before.end["kind"] == "finished" and before.number > invalidated:
                state = _state_of(before, self.root)
        state.next_number = highest + 1
        state.invalidated = invalidated
        if process_ended and state.status is not Status.FINISHED:
            state.evidence += f"; {process_ended}"
        return state


def _holds_anything(directory: str) -> bool:
    try:
        return bool(os.listdir(directory))
    except FileNotFoundError:  # it went to the trash this moment
        return False


_RESTORE = "Restore the file, or move the directory away to run it anew."


def _appears(meta: str, cause: Exception) -> dict[str, Any] | None:
    """The document, which another process on a network file system may have published a moment ago.

    `None`: the record itself is gone by now.
    """
    path = meta + os.sep + "component.json"
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            return load(path)
        except FileNotFoundError:
            if not os.path.isdir(meta):
                return None
            time.sleep(0.05)
    raise DamagedRecord(f"{path} is missing. {_RESTORE}") from cause


def _told_by(note: dict[str, Any]) -> str:
    """What an engine noted of the end of a process, in words."""
    parts = []
    if "timeout_seconds" in note:
        parts.append(f"it ran longer than {note['timeout_seconds']} s (timeout_seconds)")
    who = f"rank {note['rank']}" if "rank" in note else "its process"
    if "signal" in note:
        parts.append(f"{who} was killed by {note['signal']}")
    elif "code" in note:
        parts.append(f"{who} ended with exit code {note['code']}")
    elif note.get("reason"):
        parts.append(str(note["reason"]))
    return ", ".join(parts)


def _lives(attempt: Attempt) -> bool | None:
    """Whether the owner lives, by the process table; `None` if that can not tell."""
    alive = is_active_here(attempt.owner)
    return owner.is_alive(attempt.owner) if alive is None else alive


def _state_of(attempt: Attempt, root: str) -> State:
    if attempt.end is not None:
        kind = attempt.end["kind"]
        if kind == "lost":
            taken = f"attempt {attempt.number} was given up, {day(float(attempt.end.get('time', attempt.modified)))}"
            why = attempt.end.get("reason")
            return State(Status.LOST, f"{taken}: {why}" if why else taken, attempt, owner_is_gone=True)
        evidence = (
            f"attempt {attempt.number} says so, {day(float(attempt.end.get('time', attempt.modified)))}"
        )
        return State(Status(kind), evidence, attempt)
    silent = max(clock.now(root) - attempt.modified, 0.0)
    if attempt.damage is not None:
        # Its owner can not be read: cut by a crash of the machine, or, on a network file system, not yet to be seen
        # from here. A living owner beats more often than this.
        if silent < LOST_SECONDS:
            return State(
                Status.RUNNING, f"published {age(silent)} ago, but not readable: {attempt.damage}", attempt
            )
        return State(Status.LOST, f"damaged: {attempt.damage}", attempt, owner_is_gone=True)
    process = f"process {attempt.owner.get('pid')} on {attempt.owner.get('host')}"
    alive = _lives(attempt)
    if alive is True:
        return State(Status.RUNNING, f"{process} is alive (process table)", attempt)
    if alive is False:
        return State(Status.LOST, f"{process} is gone (process table)", attempt, owner_is_gone=True)
    if silent >= (LOST_SECONDS if store_at(root) is None else LOST_ELSEWHERE_SECONDS):
        return State(
            Status.LOST, f"{process} has been silent for {age(silent)}", attempt, silent_seconds=silent
        )
    return State(
        Status.RUNNING, f"{process} gave a sign of life {age(silent)} ago", attempt, silent_seconds=silent
    )
