"""The bytes of a file, and their hash."""

from __future__ import annotations

import os
from hashlib import blake2b

from machinable.snapshot.rules import LARGEST_FILE_BYTES

__all__ = ["content_hash", "read_file"]


def content_hash(data: bytes) -> str:
    """The hash of a file's bytes: 64 hexadecimal digits."""
    return blake2b(data, digest_size=32).hexdigest()


def read_file(path: bytes) -> bytes:
    """All bytes of a regular file, or enough of them to see that it grew too large. Raises OSError as it comes."""
    # A file that became a pipe or a link since it was looked at must neither block nor lead elsewhere.
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        parts, size = [], 0
        while size <= LARGEST_FILE_BYTES and (part := os.read(descriptor, 1 << 20)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
