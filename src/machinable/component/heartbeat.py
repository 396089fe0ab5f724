"""Signs of life: one thread per process that calls every running component's beat."""

from __future__ import annotations

# Without the conversions of `signal`, as in signals.py.
import _signal  # type: ignore[import-not-found]
import os
import sys
import threading
from contextvars import copy_context

from machinable.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["INTERVAL_SECONDS", "Beating", "beating", "interval_seconds"]

INTERVAL_SECONDS = 15.0
VARIABLE = "MACHINABLE_HEARTBEAT_SECONDS"

_registered: dict[Beating, None] = {}  # in order
_lock = threading.Lock()
_thread: threading.Thread | None = None


def beating(beat: Callable[[], None], on_error: Callable[[BaseException], None] | None = None) -> Beating:
    """A context in which `beat` is called at least every `interval_seconds()` from a thread of the process.

    The beat runs in the context (`contextvars`) of whoever entered, so what it prints goes to the right log.
    When the block is left, no beat is under way any more. A forked child does not beat for its parent.

    Args:
        beat: Must not block for long: all components of this process share the thread.
        on_error: Called in the thread with what `beat` raised, and with the reason when no thread can be
            started; by default printed on standard error. The next beats take place all the same.
    """
    return Beating(beat, on_error)


def interval_seconds() -> float:
    """The longest time between two beats: MACHINABLE_HEARTBEAT_SECONDS, else 15."""
    text = os.environ.get(VARIABLE)
    if not text:
        return INTERVAL_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ConfigurationError(f"{VARIABLE} is {text!r}, but a number of seconds above 0 is expected.")
    return seconds


class Beating:
    """One registered beat; see `beating`."""

    __slots__ = ("_active", "_beat", "_busy", "_context", "_on_error")

    def __init__(self, beat: Callable[[], None], on_error: Callable[[BaseException], None] | None) -> None:
        self._beat = beat
        self._on_error = on_error or _report
        self._busy = threading.RLock()  # reentrant: the block may be left from within its own beat
        self._active = False

    def __enter__(self) -> Beating:
        self._context = copy_context()
        self._active = True
        with _lock:
            _registered[self] = None
            if _thread is not None:
                return self
            try:
                _start(interval_seconds())
            except RuntimeError as error:  # no more threads, or the interpreter is shutting down
                problem = error
            except BaseException:
                del _registered[self]
                raise
            else:
                return self
        self._on_error(problem)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _registered.pop(self, None)
        self._active = False
        with self._busy:  # waits for the beat under way
            pass

    def beat_once(self) -> None:
        """Call the beat now, as the thread does."""
        with self._busy:
            if not self._active:
                return
            try:
                self._context.run(self._beat)
            except BaseException as error:
                self._context.run(self._on_error, error)


def _start(interval: float) -> None:
    global _thread
    thread = threading.Thread(target=_beat_all, args=(interval,), name="machinable-heartbeat", daemon=True)
    thread.start()
    _thread = thread


def _beat_all(interval: float) -> None:
    """Beat until a whole interval passes without anything to beat for, so many short runs share one thread."""
    global _thread
    # Of two signals in a row the kernel may give the first to this thread, while the main one sleeps on.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT, _signal.SIGTERM))
    pause = threading.Event()
    while True:
        pause.wait(interval)
        with _lock:
            if not _registered:
                if _thread is threading.current_thread():
                    _thread = None
                return
            beats = list(_registered)
        for beat in beats:
            try:
                beat.beat_once()
            except BaseException as error:  # raised by on_error itself
                _report(error)


def _report(error: BaseException) -> None:
    print(f"machinable: a heartbeat failed: {type(error).__name__}: {error}", file=sys.stderr)


def _after_fork_in_child() -> None:
    global _lock, _thread
    _lock = threading.Lock()
    _thread = None
    for beat in _registered:
        beat._active = False
        beat._busy = threading.RLock()
    _registered.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
