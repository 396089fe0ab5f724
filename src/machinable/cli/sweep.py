"""Values that stand for several: `lr=0.1,0.01` or `lr=[0.1,0.01]`, as `--grid` takes them."""

from __future__ import annotations

from machinable.cli.fields import layers
from machinable.cli.parse import Target, Value
from machinable.cli.values import read
from machinable.config.schema import schema_of
from machinable.config.versions import Sourced
from machinable.errors import ConfigurationError

__all__ = ["alternatives", "swept"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OPENING = {"(": ")", "[": "]", "{": "}"}


def swept(target: Target, cls: type) -> list[list[Any]]:
    """For each entry of the target's version, the layers that it stands for: several where it is an axis of the grid.

    Raises:
        ConfigurationError: If a text can not be read.
    """
    return [
        _axis(target.name, cls, entry) if isinstance(entry, Value) else layers(target.name, cls, [entry])
        for entry in target.version
    ]


def alternatives(text: str) -> list[str]:
    """The texts between the commas of `a,b` or `[a, b]`; commas in brackets or quotes part nothing."""
    inner = text.strip()
    if inner.startswith("[") and inner.endswith("]") and _closes_at_end(inner):
        inner = inner[1:-1].strip().removesuffix(",")
        if not inner:
            return []
    parts, depth, quote, start = [], 0, "", 0
    for position, letter in enumerate(inner):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not inner[start:position].strip():
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _OPENING.values():
            depth -= 1
        elif letter == "," and depth <= 0:
            parts.append(inner[start:position].strip())
            start = position + 1
    return [*parts, inner[start:].strip()]


def _closes_at_end(text: str) -> bool:
    """Whether the bracket that a text begins with is closed by its last letter: not so in `[1],[2]`."""
    depth, quote = 0, ""
    for position, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _OPENING:
            depth += 1
        elif letter in _OPENING.values():
            depth -= 1
            if not depth:
                return position == len(text) - 1
    return False


def _axis(name: str, cls: type, entry: Value) -> list[Any]:
    parts = alternatives(entry.text)
    whole = layers(name, cls, [entry]) if len(parts) == 1 and not entry.text.strip().startswith("[") else None
    if whole is not None:
        return whole
    if not parts:
        raise ConfigurationError(f"{name}: {entry} names no values to sweep over.")
    kind = schema_of(cls).group.kind_of(entry.key)
    kind = getattr(kind, "inner", kind)
    points = [_point(name, cls, entry, part) for part in parts]
    if kind is not None and entry.text.strip().startswith("["):
        # A list for a field that takes lists is one value, unless it is a list of such lists.
        value = [next(iter(point.values())) for point in points]
        if kind.fits(value) and not all(map(kind.fits, value)):
            return layers(name, cls, [entry])
    return points


def _point(name: str, cls: type, entry: Value, part: str) -> Any:
    source = f"command line: {entry}"
    if part[:1] in ("'", '"'):
        try:
            return Sourced({entry.key: read(part)}, source)
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}: {part} in {entry} can not be read: {error}") from error
    (layer,) = layers(name, cls, [Value(entry.key, part)])
    return Sourced(dict(layer), source)
