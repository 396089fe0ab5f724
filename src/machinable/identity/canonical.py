"""One text for equal values: plain values, and canonical JSON of them.

`docs/format.md` specifies both, so that another program can do the same. Nothing here may change what a value
is written as: that would make every stored component a different one.
"""

from __future__ import annotations

import json.encoder
import sys
from math import isfinite

from machinable.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn, TypeAlias

    Plain: TypeAlias = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "encode", "encode_text", "plain", "quote", "shown"]

MAX_DEPTH = 100
"""How many dicts and lists a plain value may have within each other. JSON readers stop near 1000."""

MAX_INTEGER = 10**4300
"""Integers are smaller than this, either sign: Python reads no longer ones from text (`sys.int_info`)."""


def _make_encoder() -> Callable[[Any], str]:
    # Plain values have no cycles (`plain` sees to that), so the encoder need not look for them.
    encoder = json.encoder.JSONEncoder(
        sort_keys=True, ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
    )
    try:
        # `JSONEncoder.encode` makes this same object at each call, a third of its time. Elsewhere than in
        # CPython there is none.
        chunks = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, encoder.default, json.encoder.encode_basestring, None, ":", ",", True, False, False
        )
    except (AttributeError, TypeError):
        return encoder.encode
    return lambda value: "".join(chunks(value, 0))


encode_text = _make_encoder()
"""The canonical JSON of a plain value, as str."""

quote: Callable[[str], str] = json.encoder.encode_basestring
"""The canonical JSON of a string, as str."""


def encode(value: Plain | Mapping[str, Any]) -> bytes:
    """The canonical JSON of a plain value: UTF-8, keys sorted by code point, no spaces, shortest floats.

    It trusts the caller: what has not gone through `plain` may get a text that no reader agrees with.
    """
    return encode_text(value).encode()


def plain(value: Any, where: str = "") -> Plain:
    """The value made of dict, list, str, int, float, bool and None alone; always the same for equal requests.

    Args:
        where: What the value is, for errors: a field (`train.lr`), or a prefix ending in a space (`train: `).
    Raises:
        ConfigurationError: If a value has no such form. It names field, value and what to write instead.
    """
    return _plain(value, where, ())


def _plain(value: Any, where: str, parents: tuple[int, ...]) -> Plain:
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _check_text(value, where)
        return value  # type: ignore[no-any-return]
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is int:
        if abs(value) >= MAX_INTEGER:
            raise ConfigurationError(
                f"{_named(where)} is an integer of more than 4300 digits. Write it as a string."
            )
        return value  # type: ignore[no-any-return]
    if kind is float:
        if not isfinite(value):
            _refuse(value, where, "which is no JSON number", "Use None, a finite number, or a string.")
        return value + 0.0  # type: ignore[no-any-return]  # -0.0 + 0.0 is 0.0
    if kind is dict:
        return _plain_dict(value, where, parents)
    if kind is list or kind is tuple:
        return _plain_list(value, where, parents)
    return _plain_other(value, where, parents)


def _plain_dict(value: dict[Any, Any], where: str, parents: tuple[int, ...]) -> Plain:
    parents = _descend(value, where, parents)
    result = {}
    for key, item in value.items():
        name = key if type(key) is str else _plain_key(key, where)
        if not name.isascii():
            _check_text(name, f"the key {shown(name)} in {_named(where)}")
        result[name] = _plain(item, _below(where, name), parents)
    if len(result) != len(value):
        raise ConfigurationError(f"{_named(where)} has two keys with the same text. Rename one of them.")
    return result


def _plain_list(value: list[Any] | tuple[Any, ...], where: str, parents: tuple[int, ...]) -> Plain:
    parents = _descend(value, where, parents)
    return [_plain(item, f"{where}[{position}]", parents) for position, item in enumerate(value)]


def _plain_other(value: Any, where: str, parents: tuple[int, ...]) -> Plain:
    """The plain form of a value whose type is not itself one of JSON's."""
    # A subclass of float or datetime, but not the same thing: single precision, nanoseconds.
    roots = {str(getattr(base, "__module__", "")).partition(".")[0] for base in type(value).__mro__}
    if not roots.isdisjoint(("numpy", "pandas")):
        _refuse(value, where, "which is not a plain value", _remedy(value))
    if _is_a(value, "enum", "Enum"):
        return _plain(value.value, where, parents)
    if hasattr(type(value), "__fspath__"):
        return _plain_path(value, where)
    if isinstance(value, str):
        return _plain(str.__str__(value), where, parents)
    if isinstance(value, int):
        return _plain(int.__int__(value), where, parents)
    if isinstance(value, float):
        return _plain(float.__float__(value), where, parents)
    if isinstance(value, dict):
        return _plain_dict(value, where, parents)
    if isinstance(value, (list, tuple)):
        return _plain_list(value, where, parents)
    if _is_a(value, "datetime", "datetime"):
        return _plain_datetime(value, where)
    if _is_a(value, "datetime", "time"):
        if value.tzinfo is not None:
            _refuse(
                value, where, "whose time zone says nothing without a date", "Use a datetime, or drop tzinfo."
            )
        return sys.modules["datetime"].time.isoformat(value)  # type: ignore[no-any-return]
    if _is_a(value, "datetime", "date"):
        return sys.modules["datetime"].date.isoformat(value)  # type: ignore[no-any-return]
    if _is_a(value, "uuid", "UUID"):
        return sys.modules["uuid"].UUID.__str__(value)  # type: ignore[no-any-return]
    return _refuse(value, where, "which is not a plain value", _remedy(value))


def _plain_key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    remedy = f"Write {str(key)!r}." if isinstance(key, (int, float)) else "Write it as a string."
    raise ConfigurationError(
        f"{_named(where)} has the key {shown(key)} ({type(key).__name__}), but keys are strings. {remedy}"
    )


def _plain_path(value: Any, where: str) -> Plain:
    if hasattr(value, "as_posix"):
        text = value.as_posix()
    else:
        text = type(value).__fspath__(value)
        if isinstance(text, str) and sys.platform == "win32":
            text = text.replace("\\", "/")
    if not isinstance(text, str):
        _refuse(value, where, "a path of bytes", "Use a path of str.")
    return _plain(str.__str__(text), where, ())


def _plain_datetime(value: Any, where: str) -> Plain:
    module = sys.modules["datetime"]
    if value.tzinfo is not None:
        if value.utcoffset() is None:
            _refuse(
                value, where, "whose time zone has no offset", "Use datetime.timezone.utc, or drop tzinfo."
            )
        try:
            value = value.astimezone(module.timezone.utc)
        except OverflowError:
            _refuse(value, where, "which is out of range in UTC", "Use a later or an earlier time.")
    return module.datetime.isoformat(value)  # type: ignore[no-any-return]


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether the value is of this class. It can not be while nobody has imported the module."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name, ()))


def _descend(value: Any, where: str, parents: tuple[int, ...]) -> tuple[int, ...]:
    if id(value) in parents:
        raise ConfigurationError(f"{_named(where)} contains itself. Use a value without a cycle.")
    if len(parents) >= MAX_DEPTH:
        raise ConfigurationError(f"{_named(where)} lies deeper than {MAX_DEPTH} levels. Use a flatter value.")
    return (*parents, id(value))


def _check_text(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(
            text, where, "with half of a surrogate pair, which UTF-8 can not hold", "Remove that character."
        )


def _refuse(value: Any, where: str, reason: str, remedy: str) -> NoReturn:
    raise ConfigurationError(
        f"{_named(where)} is {shown(value)} ({type(value).__name__}), {reason}. {remedy}"
    )


def _remedy(value: Any) -> str:
    """What to write instead of a value that has no plain form."""
    if isinstance(value, (set, frozenset)):
        return "Use a list, for example sorted(...)."
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "Use a string, for example .decode() or .hex(), or keep it in a file and give its path."
    if hasattr(value, "tolist"):
        return "Use .tolist()." if getattr(value, "shape", ()) else "Use .item()."
    if hasattr(value, "to_pydatetime"):
        return "Use .to_pydatetime()."
    if hasattr(value, "total_seconds"):
        return "Use .total_seconds()."
    if callable(value):
        return "Give it a name, as a string, and look it up where it is used."
    return "Use a dict, list, string, number, bool or None (also: path, enum, date, UUID)."


def _named(where: str) -> str:
    return _shorter(where, 120) if where and not where.endswith(" ") else f"{where}the value"


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where and not where.endswith(" ") else where + key


def shown(value: Any) -> str:
    """The value on one short line, for messages."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a user's own __repr__ may raise anything
        text = f"<{type(value).__name__}>"
    return _shorter("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text), 60)


def _shorter(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 13]}...{text[-10:]}"
