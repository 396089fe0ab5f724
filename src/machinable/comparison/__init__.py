"""What two records, or two executions, differ in: what was asked for, the code, the environment, what came out."""

from __future__ import annotations

from machinable.comparison.components import compare_components
from machinable.comparison.executions import compare_executions

__all__ = ["compare_components", "compare_executions"]
