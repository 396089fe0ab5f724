"""What is on disk: component.json, attempts, notes, shapes; read as they are, written so that no kill can tear them."""

from __future__ import annotations

__all__: list[str] = []
