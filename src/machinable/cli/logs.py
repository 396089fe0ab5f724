"""`machinable logs`: what components have printed, and go on printing."""

from __future__ import annotations

import os
import sys
import time
from codecs import getincrementaldecoder

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, say
from machinable.cli.stored import as_json, lookup, one_id, storage_of
from machinable.errors import ConfigurationError
from machinable.execution.reattach import Observer, is_conducted
from machinable.execution.stored import Entry, StoredExecution
from machinable.execution.submissions import submissions
from machinable.records.attempt import read_attempt
from machinable.records.claim import rank_log_name
from machinable.records.elsewhere import fetch_file
from machinable.records.record import Record
from machinable.store.files import failure
from machinable.types import Status
from machinable.wording import counted

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELP = """\
machinable logs ID [-f] [--attempt N] [--rank K] [--json]

Prints what a component has printed in its last attempt, the traceback included; for an execution, of each of its
components, each under a header.

Options:
  -f, --follow      go on until the component, or the execution, has ended
  --attempt N       of this attempt, counted from 1
  --rank K          of this rank, counted from 0, of what runs under MPI
  --json            print state, attempt, path and text of each log as JSON
  --storage URL     where the records are

Examples:
  machinable logs 4fKq
  machinable logs OY1p1o -f
  machinable logs OY1p1o/4fKq --attempt 1
"""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
_CHUNK_BYTES = 1 << 16


class _ReaderGone(Exception):
    """Whoever read our output has seen enough (`| head`)."""


def run(words: list[str], options: Options) -> int:
    """Prints logs."""
    flags = parse_flags(
        "logs", words, options, valued={"--attempt": "1", "--rank": "1"}, switches=("--follow", "--json")
    )
    attempt, rank, follow = flags.count("--attempt"), flags.number("--rank") or 0, "--follow" in flags
    if follow and (attempt is not None or "--json" in flags):
        other = "--json" if "--json" in flags else "--attempt"
        raise ConfigurationError(f"-f and {other} do not go together. Leave one of them out.")
    found = lookup(storage_of(options), one_id("logs", flags.words))
    whole = isinstance(found, StoredExecution)
    if "--json" in flags:
        say(as_json([_document(source, attempt) for source in _sources(found, attempt, rank)]))
        return 0
    try:
        if follow:
            _follow(found, rank)
        else:
            _print(_sources(found, attempt, rank), whole)
    except _ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return 130
    return 0


class _Source:
    """The log of one attempt of a component, read as it grows."""

    def __init__(self, record: Record, attempt: int | None, rank: int = 0) -> None:
        self.record = record
        self.attempt = attempt  # `None`: there is none yet
        self.rank = rank
        self.path = os.path.join(record.directory, rank_log_name(attempt, rank)) if attempt else ""
        self._position = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")

    @property
    def title(self) -> str:
        """Module, ID and attempt."""
        number = f" attempt {self.attempt}" if self.attempt and self.attempt > 1 else ""
        rank = f" rank {self.rank}" if self.rank else ""
        return f"{_module(self.record)} {self.record.id}{number}{rank}"

    def read(self) -> str:
        """What was added since the last time. A file that became shorter was cut, and is read from its beginning."""
        try:
            with open(fetch_file(self.path), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._position:
                    note(f"machinable: the log of {self.title} became shorter; it is read from its beginning")
                    self._position = 0
                    self._decoder.reset()
                file.seek(self._position)
                data = file.read(_CHUNK_BYTES)
        except (FileNotFoundError, IsADirectoryError):
            return ""
        except OSError as error:
            raise failure(error, self.path, "read") from error
        self._position += len(data)
        return self._decoder.decode(data)

    def rest(self) -> str:
        """All that is left."""
        parts = []
        while part := self.read():
            parts.append(part)
        return "".join(parts)


def _records(found: Record | StoredExecution) -> list[Record]:
    if isinstance(found, Record):
        return [found]
    return [entry.record for entry in found.entries() if entry.record is not None]


def _sources(found: Record | StoredExecution, attempt: int | None, rank: int) -> list[_Source]:
    if attempt is None:
        return [_Source(record, _last(record), rank) for record in _records(found)]
    records = [record for record in _records(found) if attempt in record.numbers()]
    if not records:
        if isinstance(found, StoredExecution):
            raise ConfigurationError(f"No component of execution {found.id} has an attempt {attempt}.")
        has = counted(len(found.numbers()), "attempt")
        raise ConfigurationError(f"{found.id} has {has}; there is no attempt {attempt}.")
    return [_Source(record, attempt, rank) for record in records]


def _last(record: Record) -> int | None:
    state = record.state()
    return state.attempt.number if state.attempt is not None else None


def _module(record: Record) -> str:
    return str(record.document.get("request", {}).get("module", "component"))


def _document(source: _Source, attempt: int | None) -> dict[str, Any]:
    text = source.rest()
    return {
        "id": source.record.id,
        "module": _module(source.record),
        "attempt": source.attempt,
        "state": _state_of(source.record, attempt),
        "log": source.path if os.path.exists(source.path) else None,
        "text": text,
    }


def _state_of(record: Record, attempt: int | None) -> str:
    """The state of the component; of a certain attempt, how that ended."""
    if attempt is not None and attempt != _last(record):
        end = read_attempt(record.meta, attempt).end
        return str(end["kind"]) if end is not None else str(Status.LOST)
    return str(record.state().status)


def _print(sources: list[_Source], headed: bool) -> None:
    for number, source in enumerate(sources):
        state = record_state = str(source.record.state().status)
        text = source.read()
        if headed:
            _emit(f"{chr(10) if number else ''}==> {source.title} ({state}) <==\n")
        elif not text:
            note(f"machinable: {source.title} has printed nothing ({record_state})")
        ending = "\n"
        while text:
            _emit(text)
            ending = text[-1]
            text = source.read()
        if ending != "\n" and headed:
            _emit("\n")
    if not sources:
        note("machinable: nothing has started yet, so there are no logs")


class _Followed:
    """A component whose log is followed from attempt to attempt."""

    def __init__(self, record: Record, rank: int) -> None:
        self.record = record
        self.source = _Source(record, None, rank)
        self.is_over = False  # it has ended, and all of its log was read
        self.is_finished = False  # and it will not run again
        self._pending = ""  # an unfinished line

    def look(self) -> tuple[str, str]:
        """The title, and what is new."""
        state = self.record.state()  # before the log: what is printed until the end is read then
        number = state.attempt.number if state.attempt is not None else None
        text = ""
        title = self.source.title
        if number != self.source.attempt:
            text = self.source.rest()
            if not text:
                self.source = _Source(self.record, number, self.source.rank)
                title, text = self.source.title, self.source.read()
        else:
            text = self.source.read()
        ended = state.status not in (Status.RUNNING, Status.QUEUED)
        self.is_over = ended and not text and number == self.source.attempt
        self.is_finished = self.is_over and state.status is Status.FINISHED
        return title, text

    def whole_lines(self, text: str) -> str:
        """The lines that are complete by now: logs that grow at the same time do not break each other's lines."""
        text, self._pending = self._pending + text, ""
        if self.is_over:
            return text + "\n" if text else ""
        end = text.rfind("\n") + 1
        self._pending = text[end:]
        return text[:end]


def _follow(found: Record | StoredExecution, rank: int) -> None:
    whole = isinstance(found, StoredExecution)
    followed: dict[str, _Followed] = {}
    shown = ""
    pause = _SHORTEST_PAUSE
    observer = Observer(found) if isinstance(found, StoredExecution) else None
    while True:
        # Asked before the logs are read, so that what is printed until the end is among them.
        entries = found.entries() if isinstance(found, StoredExecution) else [Entry(None, found.id, found)]
        is_open = observer is not None and _goes_on(observer, entries, followed)
        for entry in entries:
            if entry.record is not None and entry.id not in followed:
                followed[entry.id] = _Followed(entry.record, rank)
        busy = False
        for each in followed.values():
            if each.is_over and (each.is_finished or not is_open):
                continue
            title, text = each.look()
            if whole:
                text = each.whole_lines(text)
            if not text:
                continue
            busy = True
            if whole and shown != title:
                _emit(f"{chr(10) if shown else ''}==> {title} <==\n")
                shown = title
            _emit(text)
        if not is_open and not busy and all(each.is_over for each in followed.values()):
            break
        pause = _SHORTEST_PAUSE if busy else min(pause * 1.5, _LONGEST_PAUSE)
        if not busy:
            time.sleep(pause)
    if isinstance(found, Record):
        state = found.state()
        note(f"machinable: {_module(found)} {found.id}: {state.status} ({state.evidence})")


def _goes_on(observer: Observer, entries: list[Entry], followed: dict[str, _Followed]) -> bool:
    """Whether more components may start: a process of its runs lives here, and some have not."""
    execution = observer.stored
    alive = [run for run in execution.runs() if is_conducted(run)]
    if any(run.get("detached") for run in alive):
        return True  # a process that is there for nothing else
    if not alive:
        return bool(submissions(execution.directory)) and observer.is_active()
    return any(
        _is_open(entry) for entry in entries if entry.id not in followed or not followed[entry.id].is_finished
    )


def _is_open(entry: Entry) -> bool:
    return entry.record is None or entry.record.state().status in (Status.RUNNING, Status.QUEUED)


def _emit(text: str) -> None:
    stream = sys.stdout
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError as error:
        raise _ReaderGone from error
