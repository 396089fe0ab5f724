"""Kinds of the fields of a pydantic model, which judges values by its own rules."""

from __future__ import annotations

from machinable.config.group import Group
from machinable.config.kinds import ANYTHING, Anything, Kind
from machinable.errors import ConfigurationError

__all__ = ["OPAQUE", "Delegated"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.config.kinds import Reading, Visit
    from machinable.config.messages import Place


class Delegated(Kind):
    """A field of a pydantic model. Only the keys of the models within are checked here."""

    __slots__ = ("groups", "inner", "merges", "opaque", "tag", "text")

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.groups = inner.groups
        self.merges = inner.merges
        self.opaque = inner.opaque
        self.tag = inner.tag
        self.text = inner.text

    def expected(self) -> str:
        return self.inner.expected()

    def convert(self, value: Any, where: str, place: Place) -> Any:
        return self.inner.walk(value, where, lambda group, part, at: group.complete(part, at, place))

    def normal(self, value: Any, where: str, place: Place) -> Any:
        """A judged value in the form that its type has everywhere: a default `1` for a float is `1.0`.

        pydantic does not judge defaults, so without this, two equal configurations could look different.
        """
        if self.groups:
            return self.inner.walk(value, where, lambda group, part, at: _normal(group, part, at, place))
        try:
            return self.inner.convert(value, where, place)
        except ConfigurationError:
            return value

    def fits(self, value: Any) -> bool:
        return self.inner.fits(value)

    def python(self, value: Any, reading: Reading) -> Any:
        try:
            return self.inner.python(value, reading)
        except (TypeError, ValueError):  # not yet judged, because another value is still missing
            return ANYTHING.python(value, reading)

    def walk(self, value: Any, where: str, visit: Visit) -> Any:
        return self.inner.walk(value, where, visit)


class Opaque(Anything):
    """A type that only pydantic knows."""

    __slots__ = ()

    opaque = True


OPAQUE = Opaque()


def _normal(group: Group, values: dict[str, Any], where: str, place: Place) -> dict[str, Any]:
    result = dict(values)
    for name, value in values.items():
        node = group.nodes.get(name)
        if isinstance(node, Group):
            result[name] = _normal(node, value, f"{where}.{name}", place)
        elif node is not None and isinstance(node.kind, Delegated):
            result[name] = node.kind.normal(value, f"{where}.{name}", place)
    return result
