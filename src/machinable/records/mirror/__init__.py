"""Records in object stores and on other remote storages: a mirror directory here, and what goes to and fro."""

from __future__ import annotations

__all__: list[str] = []
