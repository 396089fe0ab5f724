"""Instances of the user's own classes, made from the values of a group."""

from __future__ import annotations

from machinable.config.field import REQUIRED
from machinable.config.group import Group, Leaf
from machinable.config.kinds import ANYTHING
from machinable.identity.canonical import encode_text

__all__ = ["build", "feed", "is_base_model"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_base_model(cls: Any) -> bool:
    """Whether it is a pydantic model. Asks no more of pydantic than that it is loaded."""
    return isinstance(cls, type) and hasattr(cls, "model_validate") and hasattr(cls, "model_fields")


def build(group: Group | None, values: dict[str, Any]) -> Any:
    """The dict or instance that the group was read from, with these values and Python types. Shares nothing."""
    if group is None:
        return {name: ANYTHING.python(value, build) for name, value in values.items()}
    if group.form == "pydantic":
        return _base_model(group, values)
    items = {name: _item(group, name, value) for name, value in values.items()}
    if group.form == "dict":
        return items
    if group.form == "dataclass":
        return _dataclass(group.source, items)
    instance = object.__new__(group.source)
    for name, item in items.items():
        setattr(instance, name, item)
    return instance


def _item(group: Group, name: str, value: Any) -> Any:
    node = group.nodes.get(name)
    if isinstance(node, Leaf):
        return node.python(value, build)
    if isinstance(node, Group):
        return build(node, value)
    return (group.rest or ANYTHING).python(value, build)


def _dataclass(cls: Any, items: dict[str, Any]) -> Any:
    import dataclasses

    at_start = {field.name for field in dataclasses.fields(cls) if field.init}
    return cls(**{name: item for name, item in items.items() if name in at_start})


def _base_model(group: Group, values: dict[str, Any]) -> Any:
    """A validated model; an unvalidated one while a required value is missing."""
    if any(type(value) is str and value == REQUIRED for value in values.values()):
        return group.source.model_construct(**values)
    return group.source.model_validate(feed(group, values))


def feed(group: Group, values: dict[str, Any]) -> dict[str, Any]:
    """What pydantic is given: what differs from its own defaults, which it does not judge; nested models as such."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        node = group.nodes.get(name)
        key = group.keys.get(name, name)
        if isinstance(node, Group):
            given[key] = build(node, value)
        elif node is None:
            given[key] = value
        elif not _stands_by_itself(node, value):
            given[key] = node.kind.walk(value, "", _feed_inner)
    return given


def _feed_inner(group: Group, values: dict[str, Any], where: str) -> dict[str, Any]:
    return feed(group, values) if group.form == "pydantic" else values


def _stands_by_itself(leaf: Leaf, value: Any) -> bool:
    """Whether pydantic comes to this value when it is given nothing."""
    if leaf.declared or leaf.kind.tag:  # the default is a Field; pydantic looks for tags in what is given
        return False
    return encode_text(value) == encode_text(leaf.default)
