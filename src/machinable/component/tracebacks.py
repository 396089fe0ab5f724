"""Exceptions of users' code as text: their own frames, without those of machinable."""

from __future__ import annotations

import os

from machinable.notices import front

__all__ = ["describe", "message_of", "user_traceback", "without_our_frames"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import traceback
    from typing import Any

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def describe(exception: BaseException) -> dict[str, Any]:
    """An exception as attempts record it: `type`, `message`, `traceback`."""
    return {
        "type": type(exception).__name__,
        "message": message_of(exception),
        "traceback": user_traceback(exception),
    }


def user_traceback(exception: BaseException) -> str:
    """The traceback with the user's frames only, as Python prints it, causes and contexts included."""
    import traceback

    try:
        told = traceback.TracebackException(type(exception), exception, exception.__traceback__, compact=True)
        _without_ours(told, set())
        return "".join(told.format())
    except Exception as error:  # an exception whose own __str__ raises
        return f"{type(exception).__name__} (its text can not be shown: {type(error).__name__})\n"


def without_our_frames(exception: BaseException) -> BaseException:
    """The exception, whose traceback now holds the user's frames only, if there are any."""
    import types

    if front.all_frames:
        return exception
    frames = []
    trace = exception.__traceback__
    while trace is not None:
        if not os.path.abspath(trace.tb_frame.f_code.co_filename).startswith(_PACKAGE):
            frames.append(trace)
        trace = trace.tb_next
    kept = None
    for trace in reversed(frames):
        kept = types.TracebackType(kept, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
    return exception.with_traceback(kept) if kept is not None else exception


def _without_ours(told: traceback.TracebackException | None, seen: set[int]) -> None:
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    for frame in list(told.stack):
        if os.path.abspath(frame.filename).startswith(_PACKAGE):
            told.stack.remove(frame)
    _without_ours(told.__cause__, seen)
    _without_ours(told.__context__, seen)
    for inner in told.exceptions or ():
        _without_ours(inner, seen)


def message_of(exception: BaseException) -> str:
    """The text of an exception, whatever its own `__str__` does."""
    try:
        return str(exception)
    except Exception as error:
        return f"(its text can not be shown: {type(error).__name__})"
