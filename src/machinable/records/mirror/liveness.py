"""Signs of life in an object store: one object for each process, and the server's clock to tell its age."""

from __future__ import annotations

import os
import time

from machinable.records.documents import encode
from machinable.records.mirror.keys import ALIVE, alive_key
from machinable.store import owner

__all__ = ["Pulse", "compare", "here", "is_compared", "name_of_process", "pulse_of", "signs"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Store

#: The clocks are compared anew after this time, in seconds.
_COMPARED_SECONDS = 300.0

#: How long a look at all signs of life holds, in seconds.
_FRESH_SECONDS = 0.5

#: Signs of life that are older are those of killed processes, and removed by the next, in seconds.
_FORGOTTEN_SECONDS = 7 * 86400.0

_offsets: dict[str, tuple[float, float]] = {}
_signs: dict[str, tuple[float, dict[str, float]]] = {}
_names: dict[int, str] = {}


def name_of_process() -> str:
    """What this process is called among the signs of life."""
    pid = os.getpid()
    if pid not in _names:
        _names[pid] = owner.token()
    return _names[pid]


def here(store: Store, moment: float) -> float:
    """A point in time of the server's clock, by the clock of this host, as far as they were compared."""
    return moment - _offsets.get(store.url, (0.0, 0.0))[1]


def is_compared(store: Store) -> bool:
    """Whether the server's clock was compared with ours lately."""
    known = _offsets.get(store.url)
    return known is not None and time.monotonic() - known[0] < _COMPARED_SECONDS


def compare(store: Store) -> None:
    """Compares the server's clock with ours, which writes to the storage. Raises StorageError."""
    _offsets[store.url] = (time.monotonic(), store.now() - time.time())


def signs(store: Store) -> dict[str, float]:
    """When each process last showed that it lives, by the server's clock."""
    now = time.monotonic()
    known = _signs.get(store.url)
    if known is None or now - known[0] > _FRESH_SECONDS:
        found = {entry.key.rpartition("/")[2]: entry.modified for entry in store.entries(ALIVE)}
        known = _signs[store.url] = (now, found)
    return known[1]


class Pulse:
    """The heartbeat of this process in one storage, for all components that it runs there."""

    __slots__ = ("_last", "_shown", "_store", "running")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = time.monotonic()  # a claim is a sign of life as well
        self._shown = False
        self.running = 0  # how many attempts

    def beat(self, interval_seconds: float) -> None:
        """Shows that the process lives, unless it has done so for so many seconds. Raises StorageError."""
        now = time.monotonic()
        if now - self._last < interval_seconds:
            return
        if not self._shown:
            self._forget_the_dead()
        self._store.put(alive_key(name_of_process()), encode({"kind": "alive", **owner.current()}))
        self._last, self._shown = now, True

    def leave(self) -> None:
        """An attempt ended. With the last one, the sign of life goes away. Raises StorageError."""
        self.running -= 1
        if self.running <= 0 and self._shown:
            self._shown = False
            self._store.delete([alive_key(name_of_process())])

    def _forget_the_dead(self) -> None:
        now = self._store.now()
        old = [entry.key for entry in self._store.entries(ALIVE) if now - entry.modified > _FORGOTTEN_SECONDS]
        if old:
            self._store.delete(old)


_pulses: dict[tuple[int, str], Pulse] = {}


def pulse_of(store: Store) -> Pulse:
    """The heartbeat of this process in a storage."""
    key = (os.getpid(), store.url)
    if key not in _pulses:
        _pulses[key] = Pulse(store)
    return _pulses[key]
