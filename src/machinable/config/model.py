"""Kinds whose values are dicts: models inside of lists and unions, and dicts with any keys."""

from __future__ import annotations

from machinable.config.group import Group, Leaf
from machinable.config.kinds import Kind
from machinable.config.messages import Place
from machinable.config.parts import missing
from machinable.config.settle import settled

__all__ = ["DictOf", "Model"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.config.kinds import Reading, Visit


class Model(Kind):
    """A nested model that may stand several times, or not at all: in a list, a dict, or a union."""

    __slots__ = ("group", "groups")

    merges = True

    def __init__(self, group: Group) -> None:
        self.group = group
        self.groups = (group,)

    def expected(self) -> str:
        return self.group.expected()

    def convert(self, value: Any, where: str, place: Place) -> Any:
        values = self.group.complete(value, where, place)
        if self.group.settles and not missing(self.group, values):
            return settled(self.group, values, place, f"{where}.")
        return values

    def fits(self, value: Any) -> bool:
        if type(value) is not dict:
            return False
        name: str
        for name, item in value.items():
            node = self.group.nodes.get(self.group.aliases.get(name, name))
            if node is None and self.group.rest is None:
                return False
            if isinstance(node, Leaf) and node.kind.tag and not node.kind.fits(item):
                return False
        return True

    def makes(self, value: Any) -> bool:
        return self.fits(value) and all(name in value for name in self.group.nodes)

    def python(self, value: Any, reading: Reading) -> Any:
        return reading(self.group, value) if type(value) is dict else value

    def walk(self, value: Any, where: str, visit: Visit) -> Any:
        return visit(self.group, value, where) if type(value) is dict else value


class DictOf(Kind):
    """A dict with any keys, and values of one kind. What is given replaces what stands."""

    __slots__ = ("group", "groups", "item", "key", "opaque")

    def __init__(self, item: Kind, key: Kind | None = None) -> None:
        self.item = item
        self.key = key  # None: any text
        self.group = Group("dict", rest=item)
        self.groups = item.groups
        self.opaque = item.opaque

    def expected(self) -> str:
        return "a dict"

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if type(value) is not dict:
            raise place.wrong(where, value, "a dict")
        if self.key is not None:
            for key in value:
                self.key.convert(key, f"the key {key!r} in {where}", place)
        return {key: self.item.convert(item, f"{where}.{key}", place) for key, item in value.items()}

    def fits(self, value: Any) -> bool:
        return type(value) is dict and all(self.item.fits(item) for item in value.values())

    def python(self, value: Any, reading: Reading) -> Any:
        return reading(self.group, value) if type(value) is dict else value

    def walk(self, value: Any, where: str, visit: Visit) -> Any:
        if not self.groups or type(value) is not dict:
            return value
        return {key: self.item.walk(item, f"{where}.{key}", visit) for key, item in value.items()}
