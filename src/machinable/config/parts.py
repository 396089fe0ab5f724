"""What is asked of the values of a group as a whole: what is missing, what identifies, what has which default."""

from __future__ import annotations

from machinable.config.field import REQUIRED
from machinable.config.group import Group
from machinable.config.kinds import ANYTHING, fresh

__all__ = ["defaults", "has_others", "may_miss", "missing", "renames", "split"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def missing(group: Group, values: dict[str, Any], prefix: str = "") -> list[str]:
    """The dotted names of the required fields that have no value."""
    names: list[str] = []

    def visit(inner: Group, part: dict[str, Any], where: str) -> dict[str, Any]:
        names.extend(missing(inner, part, f"{where}."))
        return part

    for name, value in values.items():
        node = group.nodes.get(name)
        if isinstance(node, Group):
            names += missing(node, value, f"{prefix}{name}.")
        elif type(value) is str and value == REQUIRED:
            names.append(prefix + name)
        else:
            kind = node.kind if node is not None else group.rest or ANYTHING
            kind.walk(value, prefix + name, visit)
    return names


def may_miss(group: Group) -> bool:
    """Whether a value may be missing without anybody having said so."""
    for node in group.nodes.values():
        if isinstance(node, Group):
            if may_miss(node):
                return True
        elif node.kind.groups:
            return True
    return any(type(value) is str and value == REQUIRED for value in group.defaults.values())


def split(
    group: Group, values: dict[str, Any], others: dict[str, Any], prefix: str = "", identifying: bool = True
) -> dict[str, Any]:
    """The identifying part of the values, as a copy. The other leaves go to `others`, by dotted name."""
    kept: dict[str, Any] = {}

    def visit(inner: Group, part: dict[str, Any], where: str) -> dict[str, Any]:
        return split(inner, part, others, f"{where}.")

    for name, value in values.items():
        node = group.nodes.get(name)
        counts = identifying and (node is None or node.identifying)
        if isinstance(node, Group):
            part = split(node, value, others, f"{prefix}{name}.", counts)
            # A group without identifying fields leaves no trace: they can be added without a new identity.
            if part:
                kept[name] = part
        elif counts:
            kind = node.kind if node is not None else group.rest or ANYTHING
            kept[name] = fresh(kind.walk(value, prefix + name, visit))
        else:
            others[prefix + name] = fresh(value)
    return kept


def has_others(group: Group, seen: tuple[Group, ...] = ()) -> bool:
    """Whether some field, at any depth, does not identify."""
    if group in seen:
        return False
    for node in group.nodes.values():
        inner = (node,) if isinstance(node, Group) else node.kind.groups
        if not node.identifying or any(has_others(part, (*seen, group)) for part in inner):
            return True
    return group.rest is not None and any(has_others(part, (*seen, group)) for part in group.rest.groups)


def defaults(group: Group, values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The identifying leaves by dotted name, each with its default."""
    for name, node in group.nodes.items():
        if not node.identifying:
            continue
        if isinstance(node, Group):
            yield from defaults(node, values[name], f"{prefix}{name}.")
        else:
            value = values[name]
            yield prefix + name, str(value) if isinstance(value, str) else split_value(node.kind, value)


def split_value(kind: Any, value: Any) -> Any:
    """The identifying part of one value."""
    return fresh(kind.walk(value, "", lambda inner, part, where: split(inner, part, {})))


def renames(group: Group, prefix: str = "", before: str = "") -> Iterator[tuple[str, str]]:
    """The identifying leaves that had another dotted name, each with the former one."""
    for name, node in group.nodes.items():
        if not node.identifying:
            continue
        now, then = prefix + name, before + name
        if node.was is not None:
            then = node.was if "." in node.was else before + node.was
        if isinstance(node, Group):
            yield from renames(node, f"{now}.", f"{then}.")
        elif now != then:
            yield now, then
