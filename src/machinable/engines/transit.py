"""Interrupting a component from outside where a library can only set a flag: Ray's `cancel` does not end a `sleep`."""

from __future__ import annotations

import os
import signal
import threading

__all__ = ["interruptible_from_outside"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

_wakeup = -1
_is_armed = False


class interruptible_from_outside:  # named as it is read: `with interruptible_from_outside():`
    """A context in which `_thread.interrupt_main`, called by a library, does what SIGTERM does in other processes.

    That function alone is noticed when the main thread gets to run Python again. It also writes to the wake-up file
    of signals, so a thread hears of it at once and sends the main thread SIGTERM, which ends any call of the system.
    SIGTERM is left to the component as in a process of its own. In threads other than the main one it does nothing.
    """

    def __enter__(self) -> None:
        global _is_armed
        self._before: list[tuple[signal.Signals, Any]] = []
        if threading.current_thread() is not threading.main_thread():
            return
        signal.set_wakeup_fd(_wakeup_file(), warn_on_full_buffer=False)
        for number, handler in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, _wait_for_more)):
            self._before.append((number, signal.signal(number, handler)))
        _is_armed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _is_armed
        if not self._before:
            return
        _is_armed = False
        for number, handler in self._before:
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _wait_for_more(number: int, frame: object) -> None:
    """SIGTERM follows."""


def _wakeup_file() -> int:
    global _wakeup
    if _wakeup < 0:
        reading, _wakeup = os.pipe()
        os.set_blocking(_wakeup, False)
        threading.Thread(target=_listen, args=(reading,), name="machinable-interrupt", daemon=True).start()
    return _wakeup


def _listen(reading: int) -> None:
    while data := os.read(reading, 64):
        if _is_armed and signal.SIGINT in data:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
