"""Kinds: what a field takes, how a value of it is kept (plain JSON), and how it is read (a Python value)."""

from __future__ import annotations

from itertools import chain

from machinable.errors import ConfigurationError

__all__ = [
    "ANYTHING",
    "BOOL",
    "FLOAT",
    "INT",
    "NOTHING",
    "STR",
    "Anything",
    "Kind",
    "ListOf",
    "OneOf",
    "Scalar",
    "fresh",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from machinable.config.group import Group
    from machinable.config.messages import Place

    # What becomes of a dict when a value is read: of a nested model (the group says which), or of no model (None).
    Reading: TypeAlias = Callable[[Group | None, dict[str, Any]], Any]
    # What becomes of the dict of a nested model that stands at a place, such as `layers[0]`.
    Visit: TypeAlias = Callable[[Group, dict[str, Any], str], dict[str, Any]]


def fresh(value: Any) -> Any:
    """A copy of a plain value that shares no dict and no list with it."""
    kind = type(value)
    if kind is dict:
        return {key: fresh(item) for key, item in value.items()}
    if kind is list:
        return [fresh(item) for item in value]
    return value


class Kind:
    """What a field takes. Values that come in are plain JSON already, and plain JSON is kept."""

    __slots__ = ()

    exact: type | None = None  # a builtin type of which each plain value fits as it is
    text = False  # takes nothing but text, so that a command line need not read it as a number
    opaque = False  # only pydantic can make the Python value from the kept one
    groups: tuple[Group, ...] = ()  # the nested models that its values may hold
    tag = False  # its values tell models in a union apart
    merges = False  # a dict given for it changes the model that stands, rather than replacing it

    def expected(self) -> str:
        """What it takes, in words: `a float`."""
        raise NotImplementedError

    def convert(self, value: Any, where: str, place: Place) -> Any:
        """The value as it is kept. Raises a ConfigurationError if it does not fit."""
        raise NotImplementedError

    def fits(self, value: Any) -> bool:
        """Whether the value is of this kind as it stands, without any conversion."""
        return self.exact is not None and type(value) is self.exact

    def makes(self, value: Any) -> bool:
        """Whether the value is one that `convert` results in."""
        return self.fits(value)

    def python(self, value: Any, reading: Reading) -> Any:
        """The kept value as the user reads it, sharing nothing with it."""
        return value

    def walk(self, value: Any, where: str, visit: Visit) -> Any:
        """The value with `visit` applied to each nested model in it."""
        return value


class Scalar(Kind):
    """bool, int, float or str. An int where a float is expected becomes one; nothing else is converted."""

    __slots__ = ("exact", "text")

    def __init__(self, exact: type) -> None:
        self.exact = exact
        self.text = exact is str

    def expected(self) -> str:
        assert self.exact is not None
        return f"{'an' if self.exact is int else 'a'} {self.exact.__name__}"

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if type(value) is self.exact:
            return value
        if self.exact is float and type(value) is int:
            try:
                return float(value)
            except OverflowError:
                raise place.wrong(where, value, "a float (below 1.8e308)") from None
        raise place.wrong(where, value, self.expected())


class Anything(Kind):
    """Any plain value, as it is."""

    __slots__ = ()

    def expected(self) -> str:
        return "any plain value"

    def convert(self, value: Any, where: str, place: Place) -> Any:
        return value

    def fits(self, value: Any) -> bool:
        return True

    def python(self, value: Any, reading: Reading) -> Any:
        if type(value) is dict:
            return reading(None, value)
        if type(value) is list:
            return [self.python(item, reading) for item in value]
        return value


class Nothing(Kind):
    """None alone."""

    __slots__ = ()

    exact = type(None)

    def expected(self) -> str:
        return "None"

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if value is None:
            return None
        raise place.wrong(where, value, "None")


BOOL, INT, FLOAT, STR = Scalar(bool), Scalar(int), Scalar(float), Scalar(str)
ANYTHING, NOTHING = Anything(), Nothing()


class ListOf(Kind):
    """A list with items of one kind, or, with `places`, of one kind per place."""

    __slots__ = ("groups", "item", "make", "opaque", "places")

    def __init__(self, item: Kind, make: type = list, places: tuple[Kind, ...] | None = None) -> None:
        kinds = places if places is not None else (item,)
        self.item = item
        self.make = make  # list or tuple
        self.places = places
        self.groups = tuple(group for kind in kinds for group in kind.groups)
        self.opaque = any(kind.opaque for kind in kinds)

    def expected(self) -> str:
        return "a list" if self.places is None else f"a list of {len(self.places)}"

    def _kinds(self, value: list[Any]) -> tuple[Kind, ...] | list[Kind]:
        return self.places if self.places is not None else [self.item] * len(value)

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if type(value) is not list or (self.places is not None and len(self.places) != len(value)):
            raise place.wrong(where, value, self.expected())
        parts = enumerate(zip(self._kinds(value), value, strict=True))
        return [kind.convert(item, f"{where}[{number}]", place) for number, (kind, item) in parts]

    def fits(self, value: Any) -> bool:
        if type(value) is not list or (self.places is not None and len(self.places) != len(value)):
            return False
        return all(kind.fits(item) for kind, item in zip(self._kinds(value), value, strict=True))

    def python(self, value: Any, reading: Reading) -> Any:
        if type(value) is not list:
            return value
        parts = zip(self._kinds(value), value, strict=True)
        return self.make([kind.python(item, reading) for kind, item in parts])

    def walk(self, value: Any, where: str, visit: Visit) -> Any:
        if not self.groups or type(value) is not list or (self.places and len(self.places) != len(value)):
            return value
        parts = enumerate(zip(self._kinds(value), value, strict=True))
        return [kind.walk(item, f"{where}[{number}]", visit) for number, (kind, item) in parts]


class OneOf(Kind):
    """A union: the member of which the value is already, else the first that it can be converted to."""

    __slots__ = ("groups", "members", "merges", "opaque", "text")

    def __init__(self, members: tuple[Kind, ...]) -> None:
        self.members = members
        self.merges = sum(len(member.groups) for member in members) == 1 and any(m.merges for m in members)
        self.groups = tuple(group for member in members for group in member.groups)
        self.opaque = any(member.opaque for member in members)
        self.text = all(member.text for member in members)

    def expected(self) -> str:
        return " or ".join(dict.fromkeys(member.expected() for member in self.members))

    def fits(self, value: Any) -> bool:
        return any(member.fits(value) for member in self.members)

    def convert(self, value: Any, where: str, place: Place) -> Any:
        for member in self.members:
            if member.fits(value):
                return member.convert(value, where, place)
        best: tuple[int, ConfigurationError] | None = None
        for member in self.members:
            try:
                return member.convert(value, where, place)
            except ConfigurationError as error:
                # What is wrong inside of a value says more than that the value is wrong.
                if isinstance(value, (dict, list)) and f": {where} is " not in str(error):
                    alike = likeness(member, value)
                    best = max(best or (-1, error), (alike, error), key=lambda pair: pair[0])
        raise best[1] if best else place.wrong(where, value, self.expected())

    def _member(self, value: Any) -> Kind:
        """The one that made this kept value; of a dict that is still to be judged, the most likely one."""
        makes = (member for member in self.members if member.makes(value))
        fits = (member for member in self.members if member.fits(value))
        found = next(chain(makes, fits) if type(value) is dict else chain(fits, makes), None)
        if found is not None:
            return found
        if type(value) is dict and self.groups:
            return max(self.members, key=lambda member: likeness(member, value))
        return ANYTHING

    def python(self, value: Any, reading: Reading) -> Any:
        return self._member(value).python(value, reading)

    def walk(self, value: Any, where: str, visit: Visit) -> Any:
        return self._member(value).walk(value, where, visit) if self.groups else value


def likeness(kind: Kind, value: Any) -> int:
    """How much a dict looks like the models of a kind, by its keys and by what they hold."""
    score = 0
    for group in kind.groups if type(value) is dict else ():
        nodes = [(group.nodes[key], item) for key, item in value.items() if key in group.nodes]
        score += sum(1 + (hasattr(node, "kind") and node.kind.fits(item)) for node, item in nodes)
    return score
