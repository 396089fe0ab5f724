"""Conditions on rows, as a parsed expression has them: each can be asked of a row, and be written as SQL."""

from __future__ import annotations

from machinable.index.values import normal

__all__ = ["FIELDS", "All", "Any_", "Condition", "Constant", "Name", "Not", "SqlWriter"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from machinable.index.values import Normal

    Row = Mapping[str, Any]

#: What can be asked of every row, besides its configuration and its record: the columns of the table `component`.
FIELDS = (
    "path",
    "id",
    "module",
    "class",
    "nickname",
    "seed",
    "trial",
    "counter",
    "execution",
    "status",
    "evidence",
    "timestamp",
    "started",
    "ended",
    "seconds",
    "attempts",
    "engine",
    "host",
    "exception",
    "code",
)


class Name:
    """A name in an expression: where its value is looked for, in this order, and under which key."""

    __slots__ = ("key", "position", "spaces")

    def __init__(self, key: str, spaces: tuple[str, ...], position: int) -> None:
        self.key = key
        self.spaces = spaces  # of "config", "record", "scope", "uses", "field"
        self.position = position

    def value(self, row: Row) -> tuple[str, Normal] | None:
        """Where the row has a value under this name, and which; `None` if it has none."""
        for space in self.spaces:
            if space == "field":
                value = row.get(self.key)
                if value is not None:
                    return space, normal(value)
            else:
                values = row.get(space) or {}
                if self.key in values:
                    return space, normal(values[self.key])
        return None


class SqlWriter:
    """Collects the parameters of a statement, and writes what depends on the tables of the index.

    Args:
        keys: The numbers of the names that occur in the index, by space and name.
        correlated: Whether to look values up row by row: better where another condition leaves few rows over.
    """

    __slots__ = ("correlated", "keys", "parameters")

    def __init__(self, keys: Mapping[tuple[str, str], int], correlated: bool = False) -> None:
        self.keys = keys
        self.correlated = correlated
        self.parameters: list[Any] = []

    def parameter(self, value: Any) -> str:
        """The place of a value in the statement."""
        self.parameters.append(value)
        return "?"

    def having(self, space: str, key: str, condition: str) -> str | None:
        """That a row has a value under a name for which the condition on `{0}` holds; `None` if no row has any."""
        if space == "field":
            column = f'component."{key}"'
            return f"({column} IS NOT NULL AND ({condition.format(column)}))"
        if (space, key) not in self.keys:
            return None
        number = int(self.keys[space, key])
        if self.correlated:
            return (
                f"EXISTS (SELECT 1 FROM value WHERE value.row = component.row AND value.key = {number} "
                f"AND ({condition.format('value.value')}))"
            )
        return (
            f"component.row IN (SELECT value.row FROM value WHERE value.key = {number} "
            f"AND ({condition.format('value.value')}))"
        )


class Condition:
    """Something that is true of a row, or not."""

    __slots__ = ()

    def holds(self, row: Row) -> bool:
        """Whether it is true of the row."""
        raise NotImplementedError

    def sql(self, writer: SqlWriter) -> str:
        """The same as SQL, which is never NULL."""
        raise NotImplementedError

    def names(self) -> list[Name]:
        """The names in it."""
        return []


class Constant(Condition):
    """What is true of every row, or of none."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value

    def holds(self, row: Row) -> bool:
        return self.value

    def sql(self, writer: SqlWriter) -> str:
        return "1" if self.value else "0"


class Not(Condition):
    """The opposite of a condition."""

    __slots__ = ("part",)

    def __init__(self, part: Condition) -> None:
        self.part = part

    def holds(self, row: Row) -> bool:
        return not self.part.holds(row)

    def sql(self, writer: SqlWriter) -> str:
        return f"NOT {self.part.sql(writer)}"

    def names(self) -> list[Name]:
        return self.part.names()


class _Several(Condition):
    __slots__ = ("parts",)
    _word = ""

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts

    def sql(self, writer: SqlWriter) -> str:
        return f"({f' {self._word} '.join(part.sql(writer) for part in self.parts)})"

    def names(self) -> list[Name]:
        return [name for part in self.parts for name in part.names()]


class All(_Several):
    """That all of the conditions hold."""

    __slots__ = ()
    _word = "AND"

    def holds(self, row: Row) -> bool:
        return all(part.holds(row) for part in self.parts)


class Any_(_Several):
    """That at least one of the conditions holds."""

    __slots__ = ()
    _word = "OR"

    def holds(self, row: Row) -> bool:
        return any(part.holds(row) for part in self.parts)
