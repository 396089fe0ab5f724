"""Values of any kinds in an order, and as keys of groups."""

from __future__ import annotations

import json

__all__ = ["as_text", "is_missing", "key_of", "order"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


_encode = json.JSONEncoder(sort_keys=True, default=repr).encode


def is_missing(value: Any) -> bool:
    """Whether there is nothing to compare: no value, or NaN."""
    return value is None or value != value


def order(values: Sequence[Any], *, descending: bool = False) -> list[int]:
    """The positions of the values in ascending order. What is missing stays last; equal ones keep their order.

    Numbers (and booleans, as 0 and 1) come before texts, texts before anything else.
    """
    present = [position for position, value in enumerate(values) if not is_missing(value)]
    missing = [position for position, value in enumerate(values) if is_missing(value)]
    # `reverse` keeps the order of equal ones, too.
    present.sort(key=lambda position: _rank(values[position]), reverse=descending)
    return present + missing


def key_of(value: Any) -> Any:
    """What two values share if, and only if, they belong to one group. `True` and 1 do not, 1 and 1.0 do."""
    if is_missing(value):
        return ("missing", None if value is None else "NaN")
    if isinstance(value, bool):
        return ("boolean", value)
    return (_rank(value)[0], value if isinstance(value, (int, float, str)) else as_text(value))


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, (int, float)):
        return 0, value
    return (1, str(value)) if isinstance(value, str) else (2, as_text(value))


def as_text(value: Any) -> str:
    """One text for equal values."""
    return _encode(value)
