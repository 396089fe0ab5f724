"""SIGTERM ends a coordinator as Ctrl-C does: its processes are asked to stop, and the run is closed in order."""

from __future__ import annotations

import os
import signal
import threading

from machinable.component.signals import Terminated

__all__ = ["Termination"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_active: Termination | None = None


class Termination:
    """A context in which the first SIGTERM raises `Terminated`, and further ones nothing: the end is under way.

    Does nothing where SIGTERM has a handler or is ignored, and in threads other than the main one. A forked child
    starts with the default.

    Args:
        is_ending: Whether the end is under way for another reason, such as Ctrl-C.
    """

    def __init__(self, is_ending: Callable[[], bool]) -> None:
        self._is_ending = is_ending
        self._received = False

    def __enter__(self) -> None:
        global _active
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        try:
            _active = self
            signal.signal(signal.SIGTERM, self._on_terminate)
        except ValueError:  # a sub-interpreter, which gets no signals
            _active = None

    def __exit__(self, *_: object) -> None:
        if _active is self:
            restore()

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        if not self._received and not self._is_ending():
            self._received = True
            raise Terminated


def restore() -> None:
    """Gives SIGTERM its default back, where a `Termination` has taken it."""
    global _active
    if _active is not None:
        _active = None
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=restore)
