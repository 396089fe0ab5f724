"""Schemas: what the `Config` of an interface class allows, read once per class."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from machinable.config.forms import Reader
from machinable.config.group import Call, Group
from machinable.config.kinds import ANYTHING
from machinable.config.messages import DEFAULT, Place
from machinable.config.parts import defaults, has_others, may_miss, renames

__all__ = ["Schema", "module_of", "schema_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from machinable.config.resolve import Resolution


class Schema:
    """The fields of an interface class.

    Attributes:
        fields: Default (plain, or "???") of each identifying leaf, by dotted name.
        renames: The former dotted name of each identifying leaf that declares one.
        free: Whether there is no `Config`, so that any key is taken.
        module: The interface class as its user calls it, for messages.
        group: The fields as they are nested.
        has_others: Whether some field does not identify.
        has_calls: Whether some default is a call of a `config_*` method.
        may_miss: Whether some value is required.
        simple: Whether values that fit one by one fit as a whole.
        flat: Whether all fields are identifying scalars.
    """

    __slots__ = (
        "baseline",
        "config",
        "fields",
        "flat",
        "free",
        "group",
        "has_calls",
        "has_others",
        "may_miss",
        "module",
        "renames",
        "simple",
    )

    def __init__(self, cls: type) -> None:
        self.module = module_of(cls)
        self.config = getattr(cls, "Config", None)
        self.free = self.config is None
        if self.free:
            self.group = Group("dict", rest=ANYTHING)
        else:
            self.group = Reader(cls, Place(self.module, DEFAULT, cls)).read(self.config)
        self.fields: dict[str, Any] = dict(defaults(self.group, self.group.defaults))
        self.renames: dict[str, str] = dict(renames(self.group))
        self.has_others = has_others(self.group)
        self.may_miss = may_miss(self.group)
        self.has_calls = any(_calls(self.group.defaults))
        # What the common case need not look at.
        self.simple = not (self.may_miss or self.has_calls or self.group.settles)
        nodes = self.group.nodes.values()
        self.flat = not (self.free or self.has_others) and all(
            not isinstance(n, Group) and n.exact for n in nodes
        )
        self.baseline: Resolution | None = None  # that of no version at all, where it is always the same


_schemas: WeakKeyDictionary[type, Schema] = WeakKeyDictionary()


def schema_of(cls: type) -> Schema:
    """The schema of an interface class.

    Raises:
        ConfigurationError: If its `Config` can not be read, or a default does not fit.
    """
    schema = _schemas.get(cls)
    if schema is None or schema.config is not getattr(cls, "Config", None):
        schema = _schemas[cls] = Schema(cls)
    return schema


def module_of(cls: type) -> str:
    """The name of an interface class in messages: that of its module, as the user knows it."""
    name: str | None = vars(cls).get("__machinable_name__")  # a subclass does not inherit it
    # A project's module that has a name of the standard library is imported as `name@project`.
    return name or (cls.__name__ if cls.__module__ == "__main__" else cls.__module__.replace("@project", ""))


def _calls(values: dict[str, Any]) -> Iterator[bool]:
    for value in values.values():
        if type(value) is dict:
            yield from _calls(value)
        else:
            yield type(value) is Call
