"""What is asked of an index: conditions from several sides, as one statement that leaves out most rows early."""

from __future__ import annotations

from machinable.config.dotted import ABSENT
from machinable.index.atoms import Atom, Compare, OneOf
from machinable.index.conditions import All, Condition, Name, SqlWriter
from machinable.index.query import Expression, name_of, parse
from machinable.index.values import FALSE, TRUE, normal

__all__ = ["Question", "order_of", "ranking_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from machinable.index.database import Database
    from machinable.index.values import Normal

    Where = str | Expression | Sequence[str | Expression] | None
    Keys = Mapping[tuple[str, str], int]

#: A condition that leaves fewer rows than these is searched for; then others are looked up in those rows.
_FEW = 20_000


class Question:
    """Conditions on rows that all have to hold.

    Args:
        where: An expression, or several.
        config: Values of parameters by dotted name.
        damaged: Whether the records that can not be read are asked for, instead of the others.
    Raises:
        ConfigurationError: If an expression can not be read.
    """

    def __init__(
        self,
        where: Where,
        module: str | None,
        class_name: str | None,
        config: Mapping[str, Any] | None,
        damaged: bool,
    ) -> None:
        self.expressions = _expressions(where)
        self._nested: dict[str, Any] = {}
        parts: list[Condition] = []
        for field, text in (("module", module), ("class", class_name)):
            if text is not None:
                parts.append(Compare(Name(field, ("field",), 0), "==", normal(text), normal(text)))
        for key, value in (config or {}).items():
            if isinstance(value, (list, dict)):
                self._nested[key] = value
                parts.append(_Has(Name(key, ("config",), 0)))
            else:
                parts.append(_configured(key, value))
        for expression in self.expressions:
            condition = expression.condition
            parts += condition.parts if isinstance(condition, All) else [condition]
        self._parts = parts
        self._damaged = damaged

    @property
    def has_check(self) -> bool:
        """Whether `check` has the last word on the rows that the statement gives."""
        return bool(self._nested)

    @property
    def has_names(self) -> bool:
        """Whether there are names in it, which may be unknown."""
        return any(expression.condition.names() for expression in self.expressions)

    def check(self, row: Mapping[str, Any]) -> bool:
        """Whether the values that are lists or dicts are those that were asked for."""
        return all(row["config"].get(key, ABSENT) == value for key, value in self._nested.items())

    def sql(self, database: Database, keys: Keys) -> tuple[str, list[Any]]:
        """The conditions on the table `component`, with their parameters."""
        best = self._most_selective(database, keys)
        texts = ["component.is_damaged" if self._damaged else "NOT component.is_damaged"]
        parameters: list[Any] = []
        for part in self._parts:
            writer = SqlWriter(keys, correlated=best is not None and part is not best)
            texts.append(part.sql(writer))
            parameters += writer.parameters
        return " AND ".join(texts), parameters

    def _most_selective(self, database: Database, keys: Keys) -> Condition | None:
        """The condition by which few rows are left; `None` if there is none, or no other one."""
        best, few = None, _FEW
        if sum(any(name.spaces != ("field",) for name in part.names()) for part in self._parts) < 2:
            return None
        for part in self._parts:
            if isinstance(part, Atom):
                writer = SqlWriter(keys)
                text = part.search_sql(writer)
                if text is not None:
                    found = database.query(f"SELECT count(*) FROM ({text} LIMIT {few})", writer.parameters)[
                        0
                    ][0]
                    if found < few:
                        best, few = part, found
        return best


class _Has(Atom):
    """That there is a value at all."""

    __slots__ = ()

    def _holds(self, space: str, value: Normal) -> bool:
        return True

    def _condition(self, writer: SqlWriter, space: str) -> str:
        return "1"


def _expressions(where: Where) -> list[Expression]:
    if where is None:
        return []
    if isinstance(where, (list, tuple)):
        return [expression for each in where for expression in _expressions(each)]
    return [where] if isinstance(where, Expression) else [parse(where)]  # type: ignore[arg-type]


def _configured(key: str, value: Any) -> Condition:
    """That a parameter has a value, as Python compares: `1`, `1.0` and `True` are the same."""
    wanted = normal(value)
    values: list[Normal] = [wanted]
    if wanted in (0, FALSE):
        values = [0, FALSE]
    elif wanted in (1, TRUE):
        values = [1, TRUE]
    return OneOf(Name(key, ("config",), 0), values, values)


def order_of(order: str | None, descending: bool, keys: Keys, *, is_bounded: bool) -> str:
    """By what rows are sorted, for a statement; those without a value, or with one that has no order, come last.

    Args:
        is_bounded: Whether only the first rows are asked for: then it pays to go through them in their order.
    """
    word = "DESC" if descending else "ASC"
    if order is None:
        # With the sign, SQLite does not go through all rows by time for the few that are asked for.
        return f"{'' if is_bounded else '+'}component.timestamp {word}, component.path {word}"
    name = name_of(order)
    found = []
    for space in name.spaces:
        if space == "field":
            found.append(f'component."{name.key}"')
        elif (space, name.key) in keys:
            number = int(keys[space, name.key])
            found.append(
                f"(SELECT value FROM value WHERE value.row = component.row AND value.key = {number})"
            )
    value = f"coalesce({', '.join(found)}, NULL)" if found else "NULL"
    unordered = f"{value} IS NULL OR typeof({value}) = 'blob'"
    return f"{unordered}, {value} {word}, component.timestamp, component.path"


def ranking_of(order: str | None, descending: bool, keys: Keys) -> tuple[str, str] | None:
    """How the first rows in an order are found without sorting all of them: a join, and by what it is sorted.

    `None` where only sorting helps. Rows that `order_of` puts last are not among them.
    """
    name = name_of(order) if order is not None else None
    if name is None or "field" in name.spaces:
        return None
    there = [keys[space, name.key] for space in name.spaces if (space, name.key) in keys]
    if len(there) != 1:
        return None
    word = "DESC" if descending else "ASC"
    having = f"ranking.key = {int(there[0])} AND ranking.value < x''"
    join = f"value AS ranking CROSS JOIN component ON component.row = ranking.row AND {having}"
    return join, f"ranking.value {word}, component.timestamp, component.path"
