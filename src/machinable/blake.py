"""BLAKE2b (RFC 7693): what `hashlib.blake2b` is, without loading OpenSSL, which takes longer than all else here."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        from _blake2 import blake2b  # CPython's own, which hashlib hands on
    except ImportError:
        from hashlib import blake2b

__all__ = ["blake2b"]
