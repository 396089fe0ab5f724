"""What one storage holds, copied to another: resumable, verified, and never over something different."""

from __future__ import annotations

__all__: list[str] = []
