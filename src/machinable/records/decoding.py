"""Reading JSON: by the standard library, or, where thousands of documents are read in a row, by a faster reader."""

from __future__ import annotations

import json

__all__ = ["decode", "decode_many"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_fast: Callable[[bytes | str], Any] | None = None


def decode_many() -> None:
    """From now on `decode` uses msgspec, which takes some milliseconds to load."""
    global _fast
    if _fast is None:
        import msgspec

        _fast = msgspec.json.decode


def decode(data: bytes | str) -> Any:
    """The value in a text of JSON; also NaN, infinity and lone surrogates. Raises ValueError, and RecursionError."""
    if _fast is not None:
        try:
            return _fast(data)
        except (ValueError, RecursionError):
            pass  # what strict JSON does not have, or damage, of which the standard library tells more
    return json.loads(data)
