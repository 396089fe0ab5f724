"""Numbers written with the digits 0-9A-Za-z, in this order, at a fixed length."""

from __future__ import annotations

__all__ = ["DIGITS", "decode", "encode", "is_id"]

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: list[str] = []  # of digits: two at a division are twice as fast. Made when first needed
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}


def encode(number: int, digits: int) -> str:
    """The number as exactly `digits` digits, most significant first, padded with zeros.

    Raises:
        ValueError: If the number is negative or needs more digits.
    """
    if not 0 <= number < 62**digits:
        raise ValueError(f"only numbers in [0, 62**{digits}) have {digits} base62 digits, got {number}")
    if not _PAIRS:
        _PAIRS.extend([first + second for first in DIGITS for second in DIGITS])
    backwards = []
    rest = number
    while rest:
        rest, pair = divmod(rest, 3844)
        backwards.append(_PAIRS[pair])
    return "".join(backwards[::-1]).rjust(digits, "0")[-digits:]


def decode(text: str) -> int:
    """The number that the digits stand for.

    Raises:
        ValueError: If the text is empty or holds anything but base62 digits.
    """
    if not text:
        raise ValueError("an empty text is no base62 number")
    number = 0
    for digit in text:
        value = _VALUES.get(digit)
        if value is None:
            raise ValueError(f"{text!r} is no base62 number: {digit!r} is not one of 0-9A-Za-z")
        number = number * 62 + value
    return number


def is_id(text: str, digits: int) -> bool:
    """Whether the text is exactly `digits` base62 digits."""
    return len(text) == digits and text.isascii() and text.isalnum()
