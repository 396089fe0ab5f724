"""Two values of one thing, as plain JSON: `{"a": …, "b": …}`, where a side that lacks the thing is left out."""

from __future__ import annotations

__all__ = ["differing", "pair"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ABSENT: Any = object()


def pair(a: Any, b: Any) -> dict[str, Any] | None:
    """Both values, or `None` where they are equal. `1` and `1.0` are not: they are different configurations."""
    return None if _same(a, b) else {"a": a, "b": b}


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The names whose values differ, in the order in which they stand in `a` and then `b`."""
    found = {}
    for name in dict.fromkeys([*a, *b]):
        left, right = a.get(name, _ABSENT), b.get(name, _ABSENT)
        if not _same(left, right):
            both = {"a": left, "b": right}
            found[name] = {side: value for side, value in both.items() if value is not _ABSENT}
    return found


def _same(a: Any, b: Any) -> bool:
    if a is _ABSENT or b is _ABSENT:
        return a is b
    return type(a) is type(b) and (repr(a) == repr(b) or bool(a == b))
