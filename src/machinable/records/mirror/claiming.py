"""Claims in a storage elsewhere: made there first, and then in the mirror."""

from __future__ import annotations

import os
import threading
import time

from machinable.errors import StorageError, Superseded
from machinable.notices import notice
from machinable.records import clock
from machinable.records.active import mark_active, mark_ended
from machinable.records.attempt import attempt_name, number_of, read_attempt
from machinable.records.claim import Claim, log_name, started_line
from machinable.records.documents import encode
from machinable.records.measurements import MEASUREMENTS
from machinable.records.mirror import freshness, liveness, looking
from machinable.records.mirror.contents import ended
from machinable.records.mirror.fetching import restore
from machinable.records.mirror.installing import names_of
from machinable.records.mirror.keys import waiting_key
from machinable.records.mirror.locking import Lock
from machinable.records.mirror.place import META, key_of, shown, unsent_name
from machinable.records.mirror.publishing import (
    Sent,
    claim_remotely,
    files_in,
    publish_end,
    publish_loss,
    resend,
)
from machinable.records.mirror.sharing import fetch_directory
from machinable.records.record import Record, State
from machinable.store import owner
from machinable.store.files import create, failure, read, remove_file, remove_tree
from machinable.types import Status

__all__ = ["BEATS_PER_SIGN", "RemoteClaim", "claim_new", "send_unsent", "take_over", "warn_of_races"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from machinable.store.store import Store

#: A sign of life goes to the storage with every so many of the heartbeats that a process has anyway.
BEATS_PER_SIGN = 4


class RemoteClaim(Claim):
    """A claim in a storage elsewhere. What it publishes goes to the mirror at once, and to the storage in parts."""

    __slots__ = ("_beats", "_busy", "_ending", "_lost", "_pulse", "_sent", "_signed", "_store")

    is_remote = True

    def __init__(
        self, store: Store, root: str, directory: str, number: int, nonce: str, descriptor: int, sent: Sent
    ) -> None:
        super().__init__(root, directory, number, nonce, descriptor)
        self._store = store
        self._sent = sent
        self._beats = 0
        self._lost = False  # whether another owner was seen
        self._ending = False
        self._signed = self.began
        self._busy = threading.RLock()
        self._pulse = liveness.pulse_of(store)
        self._pulse.running += 1

    def check(self) -> None:
        super().check()
        if self._lost:
            raise self._superseded()

    def append(self, kind: str, **fields: Any) -> None:
        super().append(kind, **fields)
        if kind not in ("waiting", "waited") or os.getpid() != self.pid:
            return
        key = waiting_key(self._sent.place, self.number)
        try:  # so that other machines see it when they wait in a circle
            if kind == "waiting":
                self._store.put(key, encode({"kind": kind, "time": time.time(), **fields}))
            else:
                self._store.delete([key])
        except StorageError:
            pass  # a later request to the storage tells of it

    def _superseded(self) -> Superseded:
        return Superseded(
            f"{shown(self.directory)}: attempt {self.number} was silent for too long, and another process took over. "
            "This process publishes nothing more; ask for the component again to get the result."
        )

    def beat(self) -> None:
        super().beat()
        self._beats += 1
        if self._beats % BEATS_PER_SIGN or self._descriptor < 0 or os.getpid() != self.pid or self._lost:
            return
        now = time.monotonic()
        # Components that run in one process share its sign of life.
        interval, self._signed = (now - self._signed) / 2, now
        try:
            self._pulse.beat(interval)
            if not self._ending:
                self._look_around()
                self._send_growth()
        except StorageError as error:
            # The local copy has it all, and the end decides; a short outage is no reason to fail.
            notice(
                f"{error} {shown(self.directory)} goes on, and is uploaded later.",
                once=f"beat {self.directory}",
            )

    def _look_around(self) -> None:
        """Finds out whether somebody ended this attempt in our place, and what was noted of it elsewhere."""
        names = self._store.children(f"{self._sent.place}/{META}")
        if f"end-{self.number}.json" in names:
            self._lost = True
        elif "notes" in names:
            fetch_directory(os.path.join(self.meta, "notes"))

    def _send_growth(self) -> None:
        with self._busy:
            self._sent.send_growth((MEASUREMENTS, log_name(self.number)))

    def publish_checkpoint(self, iteration: int, kept: Iterable[int]) -> None:
        try:
            with self._busy:
                self._send_growth()
                growing = (MEASUREMENTS, log_name(self.number))
                self._sent.send(
                    path
                    for path in files_in(self.directory)
                    if path not in growing and not path.startswith(META)
                )
                self._sent.send_checkpoint(iteration)
                self._sent.withdraw_checkpoints(kept)
        except StorageError as error:
            notice(
                f"{error} The checkpoint of {shown(self.directory)} is kept here, and is uploaded later.",
                once=f"checkpoint {self.directory}",
            )

    def end(self, kind: str, **fields: Any) -> None:
        if os.getpid() != self.pid:
            self.close()
            return
        self._ending = True
        try:
            with self._busy:
                if not os.fstat(self._descriptor).st_nlink:
                    self._look_around()
                self._finish(kind, fields)
                self._publish(kind)
        except OSError as error:
            raise failure(error, self.meta) from error
        finally:
            self.close()

    def _publish(self, kind: str) -> None:
        try:
            publish_end(self._store, self._sent)
        except Superseded:
            self._lost = True
            raise
        except BaseException as error:
            self.append("unsent")  # nobody is at it any more
            if not isinstance(error, StorageError):
                raise
            told = f"{error} What {shown(self.directory)} has produced is kept here; launch it again to upload it."
            if kind == "finished":
                raise StorageError(told) from error
            notice(told)

    def close(self) -> None:
        held = self._descriptor >= 0
        super().close()
        if held and os.getpid() == self.pid:
            try:
                self._pulse.leave()
            except StorageError:
                pass  # it is forgotten in time
            if self._lost:
                self._disown()

    def _disown(self) -> None:
        """Brings into the mirror what another owner made of the component."""
        try:
            looking.listing_of(self.root, self.directory, self._store)
        except StorageError:
            pass  # then whoever looks next sees it


def warn_of_races(store: Store) -> None:
    """Tells the user, once, of a storage that can not exclude concurrent writers. Raises StorageError."""
    if not store.can_claim:
        notice(
            f"{store.url} can not exclude concurrent writers (it ignores conditional writes): launch a component from "
            "one process at a time.",
            once=f"claims {store.url}",
        )


def claim_new(
    store: Store, root: str, directory: str, document: bytes, fields: dict[str, Any]
) -> Claim | None:
    """As `records.claim.claim_new`."""
    nonce, place = owner.token(), key_of(root, directory)
    started = started_line(nonce, {**fields, "alive": liveness.name_of_process()})
    if not claim_remotely(store, place, 1, started, document):
        looking.listing_of(root, directory, store)
        return None
    return _publish(store, root, directory, 1, nonce, started, document, {})


def take_over(store: Store, record: Record, state: State, fields: dict[str, Any]) -> Claim | None:
    """As `records.claim.take_over`."""
    root, directory = record.root, record.directory
    nonce, place, number = owner.token(), key_of(root, directory), state.next_number
    started = started_line(nonce, {**fields, "alive": liveness.name_of_process()})
    try:
        component = read(os.path.join(record.meta, "component.json"))
    except FileNotFoundError:
        return None
    before = state.attempt
    names = names_of(directory)
    ours = unsent_name(number - 1) in names
    if before is not None and before.end is None:
        publish_loss(store, root, directory, before.number, nonce)
        known = looking.listing_of(root, directory, store)
        if before.number not in known.ends or not _is_lost(directory, before.number):
            return None  # it ended after all, or somebody took it away
    if not claim_remotely(store, place, number, started, None):
        looking.listing_of(root, directory, store)
        return None
    stored = {} if ours else restore(root, directory, number - 1)
    return _publish(store, root, directory, number, nonce, started, component, stored)


def _is_lost(directory: str, number: int) -> bool:
    try:
        end = read_attempt(os.path.join(directory, META), number).end
    except (OSError, StorageError):
        return False
    return end is None or end["kind"] == "lost"


def _publish(
    store: Store,
    root: str,
    directory: str,
    number: int,
    nonce: str,
    started: bytes,
    document: bytes,
    stored: dict[str, Any],
) -> Claim:
    """The claim in the mirror, after it was made in the storage. Raises StorageError."""
    parent, name = os.path.split(directory)
    prepared = f"{parent}{os.sep}.{name}.{nonce}"
    descriptor, claim = -1, None
    mark_active(nonce)
    try:
        os.makedirs(os.path.join(prepared, META))
        path = os.path.join(prepared, META, attempt_name(number))
        descriptor = create(path, started)
        clock.learn(root, descriptor)
        os.close(create(os.path.join(prepared, META, "component.json"), document))
        os.close(create(os.path.join(prepared, META, unsent_name(number)), b""))
        with Lock(root):
            _move_in(prepared, directory, number)
        sent = Sent(store, root, directory, number)
        sent.adopt(stored)
        claim = RemoteClaim(store, root, directory, number, nonce, descriptor, sent)
        return claim
    except OSError as error:
        raise failure(error, directory) from error
    finally:
        if claim is None:
            mark_ended(nonce)
            if descriptor >= 0:
                os.close(descriptor)
        remove_tree(prepared)


def _move_in(prepared: str, directory: str, number: int) -> None:
    """Puts a claimed attempt in its place, where another process of this machine may have brought it already."""
    names = names_of(directory)
    numbers = set(filter(None, map(number_of, names)))
    if not os.path.isdir(directory):
        os.rename(prepared, directory)
        return
    if number == 1 and (numbers - {1} or "tombstone.json" in names or "end-1.json" in names):
        # Remains of a record that was removed from the storage.
        os.rename(directory, f"{prepared}.gone")
        os.rename(prepared, directory)
        remove_tree(f"{prepared}.gone")
        return
    source, target = os.path.join(prepared, META), os.path.join(directory, META)
    os.makedirs(target, exist_ok=True)
    # The mark first: from then on nobody else touches the files of the record.
    os.replace(os.path.join(source, unsent_name(number)), os.path.join(target, unsent_name(number)))
    os.replace(os.path.join(source, attempt_name(number)), os.path.join(target, attempt_name(number)))
    if "component.json" not in names:
        os.replace(os.path.join(source, "component.json"), os.path.join(target, "component.json"))
    for earlier in range(1, number):
        remove_file(os.path.join(target, unsent_name(earlier)))


def send_unsent(store: Store, record: Record, state: State, number: int) -> bool:
    """Sends what attempt `number` of this machine could not, when it ended. `False`: it was taken over meanwhile."""
    try:
        resend(store, record.root, record.directory, number)
    except Superseded:
        freshness.forget(record.root)
        looking.listing_of(record.root, record.directory, store)
        return False
    except StorageError as error:
        raise StorageError(
            f"{error} What {shown(record.directory)} has produced is kept here; launch it again to upload it."
        ) from error
    freshness.forget(record.root)
    if state.status is Status.FINISHED and ended(record.directory, number) is not None:
        notice(f"{shown(record.directory)} finished before, and was uploaded only now.")
    return True
