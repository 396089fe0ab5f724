"""Conditions on the value of one name: comparisons, membership, patterns."""

from __future__ import annotations

from machinable.index.conditions import Condition, Name, SqlWriter
from machinable.index.values import EMPTY, NONE, compare, contains, is_like, is_true, kind

__all__ = ["Atom", "Compare", "Contains", "Like", "OneOf", "Present", "Truth"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from machinable.index.conditions import Row
    from machinable.index.values import Normal


class Atom(Condition):
    """A condition on the value of one name. It is false where a row has none."""

    __slots__ = ("name",)

    def __init__(self, name: Name) -> None:
        self.name = name

    def holds(self, row: Row) -> bool:
        found = self.name.value(row)
        return found is not None and self._holds(*found)

    def sql(self, writer: SqlWriter) -> str:
        return self._in_spaces(writer, self.name.spaces)

    def names(self) -> list[Name]:
        return [self.name]

    def search_sql(self, writer: SqlWriter) -> str | None:
        """A statement that gives the rows for which it holds, found by value; `None` if there is no such way."""
        there = [
            space for space in self.name.spaces if space == "field" or (space, self.name.key) in writer.keys
        ]
        if len(there) != 1 or there == ["field"]:
            return None
        number = int(writer.keys[there[0], self.name.key])
        condition = self._condition(writer, there[0]).format("value.value")
        return f"SELECT value.row FROM value WHERE value.key = {number} AND ({condition})"

    def _in_spaces(self, writer: SqlWriter, spaces: tuple[str, ...]) -> str:
        """True in the first space that has a value: what is found there hides what later ones have."""
        if not spaces:
            return "0"
        space, rest = spaces[0], spaces[1:]
        before = len(writer.parameters)
        found = writer.having(space, self.name.key, self._condition(writer, space))
        if found is None:
            del writer.parameters[before:]
            return self._in_spaces(writer, rest)
        later = self._in_spaces(writer, rest)
        if later == "0":
            return found
        return f"({found} OR (NOT {writer.having(space, self.name.key, '1')} AND {later}))"

    def _holds(self, space: str, value: Normal) -> bool:
        raise NotImplementedError

    def _condition(self, writer: SqlWriter, space: str) -> str:
        """The condition on the value, which stands as `{0}`."""
        raise NotImplementedError


class Compare(Atom):
    """A comparison with a value; in times and durations (`field_value`) a text may mean something else."""

    __slots__ = ("field_value", "operator", "value")

    def __init__(self, name: Name, operator: str, value: Normal, field_value: Normal) -> None:
        super().__init__(name)
        self.operator = operator
        self.value = value
        self.field_value = field_value

    def _holds(self, space: str, value: Normal) -> bool:
        return compare(value, self.operator, self.field_value if space == "field" else self.value)

    def _condition(self, writer: SqlWriter, space: str) -> str:
        value = self.field_value if space == "field" else self.value
        if self.operator == "==":
            return f"{{0}} = {writer.parameter(value)}"
        if isinstance(value, bytes):
            return "0"
        # SQLite orders numbers before texts, and texts before bytes.
        within = ""
        if kind(value) is str:
            within = " AND {0} < x''" if self.operator in (">", ">=") else " AND {0} >= ''"
        elif self.operator in (">", ">="):
            within = " AND {0} < ''"
        return f"{{0}} {self.operator} {writer.parameter(value)}{within}"


class OneOf(Atom):
    """That the value is one of several."""

    __slots__ = ("field_values", "values")

    def __init__(self, name: Name, values: Sequence[Normal], field_values: Sequence[Normal]) -> None:
        super().__init__(name)
        self.values = values
        self.field_values = field_values

    def _holds(self, space: str, value: Normal) -> bool:
        values = self.field_values if space == "field" else self.values
        return any(compare(value, "==", each) for each in values)

    def _condition(self, writer: SqlWriter, space: str) -> str:
        values = self.field_values if space == "field" else self.values
        return f"{{0}} IN ({', '.join(map(writer.parameter, values))})"


class Present(Atom):
    """That there is a value, other than None."""

    __slots__ = ()

    def _holds(self, space: str, value: Normal) -> bool:
        return value != NONE

    def _condition(self, writer: SqlWriter, space: str) -> str:
        return f"{{0}} <> {writer.parameter(NONE)}"


class Truth(Atom):
    """That the value counts as true."""

    __slots__ = ()

    def _holds(self, space: str, value: Normal) -> bool:
        return is_true(value)

    def _condition(self, writer: SqlWriter, space: str) -> str:
        false = ", ".join(map(writer.parameter, ("", *EMPTY)))
        return f"{{0}} NOT IN (0, {false})"


class Contains(Atom):
    """That a text contains a text, or a list an element."""

    __slots__ = ("wanted",)

    def __init__(self, name: Name, wanted: Normal) -> None:
        super().__init__(name)
        self.wanted = wanted

    def _holds(self, space: str, value: Normal) -> bool:
        return contains(value, self.wanted)

    def _condition(self, writer: SqlWriter, space: str) -> str:
        return f"machinable_contains({{0}}, {writer.parameter(self.wanted)})"


class Like(Atom):
    """That a text matches a pattern."""

    __slots__ = ("pattern",)

    def __init__(self, name: Name, pattern: str) -> None:
        super().__init__(name)
        self.pattern = pattern

    def _holds(self, space: str, value: Normal) -> bool:
        return is_like(value, self.pattern)

    def _condition(self, writer: SqlWriter, space: str) -> str:
        return f"machinable_like({{0}}, {writer.parameter(self.pattern)})"
