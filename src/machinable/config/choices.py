"""Kinds of single values that are kept as plain text or numbers, but are not just any: choices, enums, paths, dates."""

from __future__ import annotations

from machinable.config.kinds import Kind
from machinable.identity.canonical import shown

__all__ = ["EnumOf", "LiteralOf", "Parsed"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.config.kinds import Reading
    from machinable.config.messages import Place


class LiteralOf(Kind):
    """One of a few values."""

    __slots__ = ("choices", "text")

    tag = True

    def __init__(self, choices: tuple[Any, ...]) -> None:
        self.choices = choices
        self.text = all(type(choice) is str for choice in choices)

    def expected(self) -> str:
        if len(self.choices) == 1:
            return shown(self.choices[0])
        return f"one of {', '.join(shown(choice) for choice in self.choices)}"

    def fits(self, value: Any) -> bool:
        return any(type(choice) is type(value) and choice == value for choice in self.choices)

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if self.fits(value):
            return value
        raise place.wrong(where, value, self.expected())


class EnumOf(Kind):
    """A member of an enumeration, given as such, by value or by name; kept by its value."""

    __slots__ = ("members", "text", "type")

    def __init__(self, type: Any, members: list[tuple[Any, Any]]) -> None:
        self.type = type
        self.members = members  # plain value and member
        self.text = all(isinstance(value, str) for value, _ in members)

    def expected(self) -> str:
        return f"one of {', '.join(shown(value) for value, _ in self.members)}"

    def fits(self, value: Any) -> bool:
        return any(type(known) is type(value) and known == value for known, _ in self.members)

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if self.fits(value):
            return value
        for known, member in self.members:
            if member.name == value:
                return known
        raise place.wrong(where, value, self.expected())

    def python(self, value: Any, reading: Reading) -> Any:
        for known, member in self.members:
            if type(known) is type(value) and known == value:
                return member
        return value


class Parsed(Kind):
    """A path, date, time or UUID: kept as text, read as what it is."""

    __slots__ = ("parse", "type")

    text = True

    def __init__(self, type: type, parse: Callable[[str], Any]) -> None:
        self.type = type
        self.parse = parse

    def expected(self) -> str:
        return f"a {self.type.__name__}"

    def convert(self, value: Any, where: str, place: Place) -> Any:
        if type(value) is str:
            try:
                return place.plain(self.parse(value), where)
            except ValueError:
                pass
        raise place.wrong(where, value, self.expected())

    def makes(self, value: Any) -> bool:
        if type(value) is not str:
            return False
        try:
            self.parse(value)
        except ValueError:
            return False
        return True

    def python(self, value: Any, reading: Reading) -> Any:
        return self.parse(value)
