"""Running components: what an execution is, how it dispatches, and how components travel to other processes."""

from __future__ import annotations

from machinable.execution.execution import Execution

__all__ = ["Execution"]
