"""Bytes in places: where a storage lies, and the few file-system calls that publish without ever half-writing."""

from __future__ import annotations

__all__: list[str] = []
