"""Ctrl-C and SIGTERM end a component in order; a second Ctrl-C ends the process at once."""

from __future__ import annotations

# The builtin module below `signal`, which wraps each call in conversions of enums and takes eight times as
# long.
import _signal  # type: ignore[import-not-found]
import _thread
import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

__all__ = [
    "Interruptible",
    "Postponement",
    "Terminated",
    "end_main_thread",
    "interruptible",
    "postponed_termination",
    "terminate",
]

EXIT_CODE = 130  # 128 + SIGINT, as shells count

_active: Interruptible | None = None


class Terminated(KeyboardInterrupt):
    """SIGTERM was received: the scheduler or the user wants this process to end."""


def interruptible(on_second: Callable[[], None]) -> Interruptible:
    """A context in which SIGINT raises `KeyboardInterrupt` and SIGTERM raises `Terminated`.

    After the first of either, SIGINT calls `on_second` and ends the process with exit code 130, and SIGTERM
    is ignored: the end is under way. A handler that somebody else has set (and a signal that is ignored, as
    under `nohup`) is left alone. Does nothing in threads other than the main one, nor inside another such
    context. A forked child starts with the default handlers.

    Args:
        on_second: Called in the signal handler, in the midst of anything.
    """
    return Interruptible(on_second)


def terminate(number: int, frame: FrameType | None) -> None:
    """What SIGTERM does while a component runs, for a handler that has looked at something else first."""
    if _active is None:
        raise Terminated
    _active._on_terminate(number, frame)


def postponed_termination(active: bool = True) -> Postponement:
    """A context in which SIGTERM raises nothing, but sets `requested`, to be asked where the work can stop.

    If the block ends without that, `Terminated` is raised where the enclosing `interruptible` ends, so a component
    that is finished at that moment counts as finished, and the process ends all the same.

    Args:
        active: False leaves SIGTERM as it is.
    """
    return Postponement(active)


def end_main_thread() -> bool:
    """Ends the component that runs in the main thread as SIGTERM does. Returns whether there was one to end so."""
    if _active is None or _signal.getsignal(_signal.SIGTERM) in (_signal.SIG_DFL, _signal.SIG_IGN, None):
        return False
    # To that thread, so that a call of the system that it waits in comes back.
    _signal.pthread_kill(threading.main_thread().ident or 0, _signal.SIGTERM)
    return True


class Postponement:
    """See `postponed_termination`."""

    __slots__ = ("_active", "_outer", "requested")

    def __init__(self, active: bool) -> None:
        self._active = active
        self._outer: Postponement | None = None
        self.requested = False

    def __enter__(self) -> Postponement:
        if self._active and _active is not None and _is_main_thread():
            self._outer, _active._postponement = _active._postponement, self
        else:
            self._active = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._active and _active is not None:
            _active._postponement = self._outer


class Interruptible:
    """See `interruptible`; `received` is the first signal that came, 0 until then."""

    __slots__ = ("_ending", "_interrupt", "_on_second", "_owed", "_postponement", "_terminate", "received")

    def __init__(self, on_second: Callable[[], None]) -> None:
        self._on_second = on_second
        self._interrupt: Any = None  # the handler that was there, None where it stays
        self._terminate: Any = None
        self._ending = False
        self._postponement: Postponement | None = None
        self._owed = False  # a SIGTERM that was postponed
        self.received = 0

    def __enter__(self) -> Interruptible:
        global _active
        if _active is not None or not _is_main_thread():
            return self
        _active = self
        try:
            if _signal.getsignal(_signal.SIGTERM) is _signal.SIG_DFL:
                self._terminate = _signal.SIG_DFL
                _signal.signal(_signal.SIGTERM, self._on_terminate)
            if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
                self._interrupt = _signal.default_int_handler
                _signal.signal(_signal.SIGINT, self._on_interrupt)
        except ValueError:  # a sub-interpreter, which gets no signals
            self._interrupt = self._terminate = None
            _active = None
        except BaseException:  # one of the signals, already
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _active is self:
            self._restore()
            if self._owed and error is None:
                raise Terminated

    def _restore(self) -> None:
        global _active
        try:
            if self._terminate is not None:
                _signal.signal(_signal.SIGTERM, self._terminate)
        finally:
            if self._interrupt is not None:
                _signal.signal(_signal.SIGINT, self._interrupt)
            self._interrupt = self._terminate = None
            _active = None

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = number
            raise KeyboardInterrupt
        if self._ending:  # a third time, while `on_second` is stuck
            os._exit(EXIT_CODE)
        self._ending = True
        try:
            self._on_second()
        finally:
            os._exit(EXIT_CODE)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = number
            if self._postponement is None:
                raise Terminated
            self._owed = self._postponement.requested = True


def _is_main_thread() -> bool:
    return _thread.get_ident() == threading.main_thread().ident


def _after_fork_in_child() -> None:
    # A worker that `Pool.terminate()` ends by SIGTERM should end silently, not with our exception.
    if _active is not None:
        _active._restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
