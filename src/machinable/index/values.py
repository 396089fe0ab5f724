"""How values are compared, in SQL and in Python alike: both see the same normal form of a value.

A number is an int or a float, a text a str; all else is bytes, which differ from every number and text: booleans, None,
NaN, lists and dicts. Within each of the three kinds SQLite and Python order alike; between kinds nothing is equal,
less or greater.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

__all__ = ["EMPTY", "FALSE", "NONE", "TRUE", "compare", "contains", "is_like", "is_true", "kind", "normal"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Normal = int | float | str | bytes

FALSE = b"\x00"
TRUE = b"\x01"
NONE = b"none"
_NAN = b"nan"
_NESTED = b"json "

_EMPTY_LIST, _EMPTY_DICT = _NESTED + b"[]", _NESTED + b"{}"

#: What Python takes for false, of those that are neither number nor text.
EMPTY = (FALSE, NONE, _EMPTY_LIST, _EMPTY_DICT)

_LARGEST = 2**63  # integers of SQLite have 64 bits with a sign


def normal(value: Any) -> Normal:
    """The normal form of a value of JSON."""
    exact = type(value)  # looked at first: an index is made of millions of values
    if exact is str:
        return value if value.isascii() else _unicode(value)
    if exact is float:
        return value if value == value else _NAN
    if exact is int:
        return value if -_LARGEST <= value < _LARGEST else _float(value)
    if value is None:
        return NONE
    if exact is bool:
        return TRUE if value else FALSE
    for base in (str, float, int):
        if isinstance(value, base):
            return normal(base(value))
    if not value:
        return _EMPTY_LIST if isinstance(value, (list, tuple)) else _EMPTY_DICT
    return _NESTED + json.dumps(_plain(value), separators=(",", ":"), sort_keys=True).encode()


def kind(value: Normal) -> type:
    """`float` for numbers, `str` for texts, `bytes` for all else."""
    return float if isinstance(value, int) else type(value)


def compare(left: Normal, operator: str, right: Normal) -> bool:
    """Whether two values are in this relation: `==`, and among numbers and among texts also `<`, `<=`, `>`, `>=`."""
    if kind(left) is not kind(right):
        return False
    if operator == "==":
        return left == right
    if isinstance(left, bytes):
        return False
    a: Any = left
    b: Any = right
    if operator in ("<", "<="):
        return bool(a < b or (operator == "<=" and a == b))
    return bool(a > b or (operator == ">=" and a == b))


def is_true(value: Normal) -> bool:
    """Whether Python would take the value for true."""
    return value not in EMPTY if isinstance(value, bytes) else bool(value)


def contains(value: Normal, wanted: Normal) -> bool:
    """Whether a text contains a text, or a list an element."""
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    if isinstance(value, bytes) and value.startswith(_NESTED + b"["):
        return any(compare(normal(each), "==", wanted) for each in json.loads(value[len(_NESTED) :]))
    return False


def is_like(value: Normal, pattern: str) -> bool:
    """Whether a text matches a pattern with `*` and `?`, in which upper and lower case differ."""
    return isinstance(value, str) and _compiled(pattern).fullmatch(value) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    first, *rest = (
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in re.sub(r"\*+", "*", pattern).split("*")
    )
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    # Each `*` takes as little as it can and never gives back (an atomic group): no pattern takes exponential time.
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + f".*{last}", re.DOTALL)


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is none
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _plain(value: Any) -> Any:
    """The value with one form for equal numbers."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
