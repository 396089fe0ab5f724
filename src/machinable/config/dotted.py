"""Nested values by dotted name: `{"optimizer": {"lr": 0.1}}` is `{"optimizer.lr": 0.1}`."""

from __future__ import annotations

__all__ = ["ABSENT", "flat", "nested", "value_at"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What is found where there is nothing, since `None` is a value.
ABSENT: Any = object()


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves by dotted name. An empty dict is a leaf."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            leaves.update(flat(value, f"{prefix}{key}."))
        else:
            leaves[prefix + key] = value
    return leaves


def nested(leaves: dict[str, Any]) -> dict[str, Any]:
    """The values of which these are the leaves by dotted name."""
    values: dict[str, Any] = {}
    for dotted, value in leaves.items():
        *parents, last = dotted.split(".")
        level = values
        for part in parents:
            level = level.setdefault(part, {})
        level[last] = value
    return values


def value_at(values: dict[str, Any], dotted: str) -> Any:
    """What stands under a dotted name; `ABSENT` if there is nothing."""
    value: Any = values
    for part in dotted.split("."):
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value
