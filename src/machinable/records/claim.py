"""The right to run a component: an attempt file that only its owner writes to, published so that only one has it."""

from __future__ import annotations

import os
import re
import time
from itertools import count

from machinable.errors import StorageError, Superseded
from machinable.identity.canonical import encode_text
from machinable.records import clock
from machinable.records.active import mark_active, mark_ended
from machinable.records.attempt import attempt_name, read_attempt
from machinable.records.changes import mark_changed
from machinable.records.documents import FORMAT
from machinable.records.record import META, Record, State
from machinable.store import owner
from machinable.store.files import (
    create,
    failure,
    publish_directory,
    publish_file,
    remove_file,
    remove_tree,
    sync_tree,
    write_all,
)

__all__ = ["Claim", "claim_new", "is_reserved", "log_name", "rank_log_name", "take_over"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_OUTPUT = re.compile(r"output(-[0-9]+)?(-rank[0-9]+)?\.log")

#: Attempts that took longer have their files synced to disk before the finishing line, in seconds.
_SYNC_SECONDS = 1.0


class Claim:
    """An attempt that this process owns and runs. Everything it publishes asks `check` first."""

    #: Whether its end takes a while, during which the owner goes on to beat.
    is_remote = False

    __slots__ = (
        "_descriptor",
        "_files",
        "_next",
        "began",
        "directory",
        "meta",
        "nonce",
        "number",
        "pid",
        "root",
    )

    def __init__(self, root: str, directory: str, number: int, nonce: str, descriptor: int) -> None:
        self.root = root
        self.directory = directory
        self.meta = directory + os.sep + META
        self.number = number
        self.nonce = nonce
        self.began = time.monotonic()
        self.pid = os.getpid()
        self._descriptor = descriptor
        self._files = count()
        self._next = self.meta + os.sep + attempt_name(number + 1)

    @property
    def log_path(self) -> str:
        """Where the output of this attempt goes."""
        return os.path.join(self.directory, log_name(self.number))

    def temporary(self) -> str:
        """A new path inside the record for a file that is going to be renamed into place."""
        return f"{self.meta}{os.sep}.tmp.{self.nonce}x{next(self._files):x}"

    def check(self) -> None:
        """Raises Superseded if another owner took the component over while this process was silent."""
        if self._descriptor < 0:
            raise Superseded(
                f"{self.directory}: attempt {self.number} has ended; nothing more can be published by it."
            )
        if os.access(self._next, os.F_OK):
            raise Superseded(
                f"{self.directory}: attempt {self.number} was silent for too long, and attempt {self.number + 1} "
                "took over. "
                "This process publishes nothing more; ask for the component again to get the result."
            )

    def append(self, kind: str, **fields: Any) -> None:
        """Adds a line to the attempt; nothing in a process that was forked off the owner."""
        if os.getpid() != self.pid:
            return
        rest = f",{encode_text(fields)[1:]}" if fields else "}"
        line = f'{{"kind":"{kind}","time":{time.time()!r}{rest}\n'.encode("utf-8", "backslashreplace")
        try:
            write_all(self._descriptor, line)
        except OSError as error:
            raise failure(error, self.meta) from error

    def beat(self) -> None:
        """The heartbeat: sets the attempt file's modification time to the storage's present."""
        descriptor = self._descriptor
        if descriptor >= 0 and os.getpid() == self.pid:
            os.utime(descriptor)

    def end(self, kind: str, **fields: Any) -> None:
        """Writes the terminal line, which releases the claim, and closes the attempt.

        Raises:
            Superseded: If another took over; nothing is written then.
            StorageError: If the line can not be written: the attempt counts as lost.
        """
        try:
            self._finish(kind, fields)
        except OSError as error:
            raise failure(error, self.meta) from error
        finally:
            self.close()

    def _finish(self, kind: str, fields: dict[str, Any]) -> None:
        self.check()
        if not os.fstat(self._descriptor).st_nlink:
            raise StorageError(f"{self.directory} was removed while it ran. Launch it again.")
        seconds = time.monotonic() - self.began
        if seconds > _SYNC_SECONDS:
            sync_tree(self.directory)
        self.append(kind, seconds=round(seconds, 6), **fields)
        if seconds > _SYNC_SECONDS:
            os.fsync(self._descriptor)

    def publish_checkpoint(self, iteration: int, kept: Iterable[int]) -> None:
        """Called after a checkpoint was published, with the iterations of those that are kept."""

    def close(self) -> None:
        """Gives the attempt up without a terminal line: from now on it reads as lost."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            mark_ended(self.nonce)

    def write_last_words(self, line: bytes) -> None:
        """The terminal line in one system call, for a process that is about to end at once."""
        if self._descriptor >= 0 and os.getpid() == self.pid and not os.access(self._next, os.F_OK):
            os.write(self._descriptor, line)


def log_name(number: int) -> str:
    """The name of an attempt's output file."""
    return "output.log" if number == 1 else f"output-{number}.log"


def rank_log_name(number: int, rank: int) -> str:
    """The name of the file with the output of one rank in an attempt; that of rank 0 is the attempt's."""
    name = log_name(number)
    return f"{name.removesuffix('.log')}-rank{rank}.log" if rank else name


def is_reserved(name: str) -> bool:
    """Whether a file of this name in a record's directory is machinable's own: the table, or an attempt's output."""
    return name == "record.jsonl" or (name.startswith("output") and _OUTPUT.fullmatch(name) is not None)


def started_line(nonce: str, fields: dict[str, Any]) -> bytes:
    """The first line of an attempt."""
    who = f'{owner.current_text()[:-1]},"nonce":"{nonce}"}}'
    rest = encode_text(fields)[1:]
    return f'{{"format":{FORMAT},"kind":"started","time":{time.time()!r},"owner":{who},{rest}\n'.encode(
        "utf-8", "backslashreplace"
    )


def claim_new(root: str, directory: str, document: bytes, fields: dict[str, Any]) -> Claim | None:
    """Publishes a record whole, with its first attempt claimed. `None`: another has the name.

    Args:
        document: component.json.
        fields: What the `started` line says besides the owner.
    Raises:
        StorageError: If the storage can not be written.
    """
    parent, name = os.path.split(directory)
    nonce = owner.token()
    prepared = f"{parent}{os.sep}.{name}.{nonce}"
    meta = prepared + os.sep + META
    mark_active(nonce)
    descriptor, claim = -1, None
    try:
        try:
            os.mkdir(prepared)
        except FileNotFoundError:
            os.makedirs(parent, exist_ok=True)
            os.mkdir(prepared)
        os.mkdir(meta)
        os.close(create(meta + os.sep + "component.json", document))
        descriptor = create(meta + os.sep + attempt_name(1), started_line(nonce, fields))
        clock.learn(root, descriptor)
        if publish_directory(prepared, directory, lambda: _is_ours(directory, 1, nonce)):
            claim = Claim(root, directory, 1, nonce, descriptor)
        return claim
    except OSError as error:
        raise failure(error, directory) from error
    finally:
        if claim is None:
            if descriptor >= 0:
                os.close(descriptor)
            mark_ended(nonce)
            remove_tree(prepared)


def take_over(record: Record, state: State, fields: dict[str, Any]) -> Claim | None:
    """Claims the next attempt of a record that nobody runs. `None`: another was faster, or there is nothing to run.

    Raises:
        StorageError: If the storage can not be written.
    """
    number = state.next_number
    nonce = owner.token()
    prepared = f"{record.meta}{os.sep}.attempt-{number}.{nonce}"
    path = record.meta + os.sep + attempt_name(number)
    descriptor, claim = -1, None
    mark_active(nonce)
    try:
        descriptor = create(prepared, started_line(nonce, fields))
        clock.learn(record.root, descriptor)
        mark_changed(record.root, record.directory)
        if publish_file(prepared, path, lambda: _is_ours(record.directory, number, nonce)):
            claim = Claim(record.root, record.directory, number, nonce, descriptor)
            return _keep_or_withdraw(claim, record, state)
        return None
    except FileNotFoundError:
        return None  # the record went away meanwhile (removed, or moved to the trash): the caller looks again
    except OSError as error:
        raise failure(error, record.directory) from error
    finally:
        if claim is None:
            mark_ended(nonce)
            if descriptor >= 0:
                os.close(descriptor)
                remove_file(prepared)


def _keep_or_withdraw(claim: Claim, record: Record, state: State) -> Claim | None:
    """Gives the claim back if the attempt before finished after all, between our look and our claim."""
    before = state.attempt
    if before is not None and before.end is None and before.damage is None:
        again = read_attempt(record.meta, before.number)
        if again.end is not None and again.end["kind"] == "finished":
            claim.end("withdrawn", because=f"attempt {before.number} finished")
            return None
    return claim


def _is_ours(directory: str, number: int, nonce: str) -> bool:
    try:
        return read_attempt(os.path.join(directory, META), number).owner.get("nonce") == nonce
    except (OSError, StorageError):
        return False
