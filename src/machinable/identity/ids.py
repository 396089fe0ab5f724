"""IDs, which name directories: twelve base62 digits for a component, six for an execution."""

from __future__ import annotations

from machinable.identity import base62

__all__ = ["COMPONENT_DIGITS", "EXECUTION_DIGITS", "component_id", "is_component_id", "is_execution_id"]

COMPONENT_DIGITS = 12
EXECUTION_DIGITS = 6

_COMPONENTS = 62**COMPONENT_DIGITS


def component_id(identity: str) -> str:
    """The ID of the component with this identity, which is in hexadecimal digits."""
    return base62.encode(int(identity, 16) % _COMPONENTS, COMPONENT_DIGITS)


def is_component_id(text: str) -> bool:
    """Whether the text can be the ID of a component."""
    return base62.is_id(text, COMPONENT_DIGITS)


def is_execution_id(text: str) -> bool:
    """Whether the text can be the ID of an execution."""
    return base62.is_id(text, EXECUTION_DIGITS)
