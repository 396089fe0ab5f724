"""Another try for what passes by itself, after pauses that grow and vary."""

from __future__ import annotations

import os
import time

__all__ = ["attempts", "patiently", "pause", "timeout_seconds"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")

_DEFAULT_ATTEMPTS = 7
_DEFAULT_TIMEOUT_SECONDS = 30.0


def attempts() -> int:
    """How often a request is made, at most: `AWS_MAX_ATTEMPTS`, as AWS's own tools read it, else 7."""
    return max(1, int(_number("AWS_MAX_ATTEMPTS", _DEFAULT_ATTEMPTS)))


def timeout_seconds() -> float:
    """How long one request may take: `MACHINABLE_STORE_TIMEOUT`, else 30 s."""
    return _number("MACHINABLE_STORE_TIMEOUT", _DEFAULT_TIMEOUT_SECONDS)


def patiently(function: Callable[[], Result], passes: Callable[[BaseException], bool]) -> Result:
    """Calls `function` until it raises nothing that passes by itself, or has been tried often enough."""
    most = attempts()
    attempt = 1
    while True:
        try:
            return function()
        except Exception as error:
            if attempt >= most or not passes(error):
                raise
        pause(attempt)
        attempt += 1


def pause(attempt: int) -> None:
    """Sleeps before the next attempt: about 0.1 s after the first one, twice as long each time, at most 10 s."""
    time.sleep(min(10.0, 0.05 * 2**attempt) * (0.5 + os.urandom(1)[0] / 512))


def _number(variable: str, default: float) -> float:
    try:
        return float(os.environ.get(variable) or default)
    except ValueError:
        return default
