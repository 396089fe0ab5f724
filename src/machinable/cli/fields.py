"""What the command line needs to know of a class's configuration: which texts are values, and how to list them."""

from __future__ import annotations

from machinable.cli.parse import Value
from machinable.cli.values import read
from machinable.config.group import Group
from machinable.config.kinds import NOTHING, OneOf
from machinable.config.schema import schema_of
from machinable.config.versions import Sourced
from machinable.errors import ConfigurationError

__all__ = ["described", "inputs", "layers"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any


def layers(name: str, cls: type, version: Sequence[str | Value]) -> list[Any]:
    """The version as `get` takes it, with each text read as the type of its field asks.

    Raises:
        ConfigurationError: If a text is no YAML, and its field does not take text.
    """
    root: Group = schema_of(cls).group
    return [
        entry
        if isinstance(entry, str)
        else Sourced({entry.key: _read(name, root, entry)}, f"command line: {entry}")
        for entry in version
    ]


def inputs(name: str, uses: dict[str, str]) -> dict[str, Any] | None:
    """The inputs as `get` takes them: names and IDs, or a module and its version: `[digits_data, {test_share: 0.5}]`.

    Raises:
        ConfigurationError: If a list is no YAML.
    """
    found: dict[str, Any] = {}
    for key, text in uses.items():
        try:
            found[key] = read(text) if text.startswith("[") else text
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}: uses.{key}={text} can not be read: {error}") from error
    return found or None


def _read(name: str, root: Group, entry: Value) -> Any:
    kind = root.kind_of(entry.key)
    kind = getattr(kind, "inner", kind)  # what pydantic judges is known by what it would be without
    if kind is not None and kind.text:
        return entry.text
    optional = isinstance(kind, OneOf) and all(member.text or member is NOTHING for member in kind.members)
    try:
        value = read(entry.text)
    except ConfigurationError as error:
        if optional:
            return entry.text
        raise ConfigurationError(f"{name}: {entry} can not be read: {error}") from error
    return entry.text if optional and value is not None else value


def described(group: Group, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted key, type and default of each field."""
    for name, node in group.nodes.items():
        if isinstance(node, Group):
            yield from described(node, f"{prefix}{name}.")
        else:
            required = isinstance(node.default, str) and node.default == "???"
            remarks = "required" if required else repr(node.default)
            remarks += "" if node.identifying else "  (not part of the identity)"
            yield prefix + name, node.kind.expected().removeprefix("a ").removeprefix("an "), remarks
