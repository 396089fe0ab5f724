"""Looking after a storage: how much it takes, what is wrong with it, what may leave it and come back."""

from __future__ import annotations

__all__: list[str] = []
