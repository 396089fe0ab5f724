"""The clock of a server, told from what it says of an object that was written just now."""

from __future__ import annotations

import time

from machinable.errors import StorageError
from machinable.store import owner

__all__ = ["ServerClock"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_GOOD_FOR_SECONDS = 1800.0


class ServerClock:
    """Compares the server's clock with this process's steady one, now and then.

    Args:
        stamp: Writes an object under the key that it is given, and returns its time. Raises StorageError where
            nothing may be written; then this machine's clock has to do.
    """

    __slots__ = ("_compared", "_offset", "_stamp")

    def __init__(self, stamp: Callable[[str], float]) -> None:
        self._stamp = stamp
        self._compared: float | None = None
        self._offset = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        steady = time.monotonic()
        if self._compared is None or steady - self._compared > _GOOD_FOR_SECONDS:
            try:
                told = self._stamp(f".machinable/.clock.{owner.token()}")
            except StorageError:
                told = time.time()
            # Half of the time that it took is the likeliest moment of the writing.
            self._offset = told - (steady + time.monotonic()) / 2
            self._compared = steady
        return time.monotonic() + self._offset
