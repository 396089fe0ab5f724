"""From the nodes of Python's parser to conditions: the whole language of expressions is what is listed here."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.index.atoms import Compare, Contains, Like, OneOf, Present, Truth
from machinable.index.conditions import FIELDS, All, Any_, Condition, Constant, Name, Not
from machinable.index.moments import moment, seconds
from machinable.index.source import Source
from machinable.index.values import compare, normal

__all__ = ["BARE", "SPACES", "Reader"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from typing import Any

    from machinable.index.values import Normal

#: Where a bare name is looked for, in this order; and what may stand in front of a name.
BARE = ("config", "record", "field")
SPACES = ("config", "record", "scope", "uses")

_DEEPEST = 50  # levels of parentheses, `not` and the like; SQLite has a limit of its own

_TIMES = frozenset({"timestamp", "started", "ended"})
_WORDS = {"true": True, "false": False, "null": None, "nan": float("nan"), "inf": float("inf")}

_OPERATORS = {
    "Lt": "<",
    "LtE": "<=",
    "Gt": ">",
    "GtE": ">=",
    "Eq": "==",
    "NotEq": "==",
    "Is": "==",
    "IsNot": "==",
}
_NEGATED = frozenset({"NotEq", "IsNot", "NotIn"})
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}

_KINDS = {
    "BinOp": "arithmetic",
    "Lambda": "a function",
    "IfExp": "if",
    "Dict": "a dict",
    "JoinedStr": "an f-string",
    "Starred": "a star",
    "NamedExpr": "an assignment",
    "Call": "a call",
    "Name": "a name",
    "Attribute": "a name",
    "Subscript": "a name",
}


class Reader:
    """Turns the nodes of the parser into conditions; whatever is not listed here is an error."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = source

    def condition(self, node: ast.expr, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise self._error(node, f"it is nested more than {_DEEPEST} deep")
        kind = type(node).__name__
        if kind == "BoolOp":
            parts = [self.condition(part, depth + 1) for part in node.values]  # type: ignore[attr-defined]
            return All(parts) if type(node.op).__name__ == "And" else Any_(parts)  # type: ignore[attr-defined]
        if kind == "UnaryOp" and type(node.op).__name__ == "Not":  # type: ignore[attr-defined]
            return Not(self.condition(node.operand, depth + 1))  # type: ignore[attr-defined]
        if kind == "Compare":
            return self._comparison(node)
        if kind == "Call":
            return self._call(node)
        name = self._name(node)
        if name is not None:
            return Truth(name)
        value = self._value(node)
        if isinstance(value, bool):
            return Constant(value)
        raise self._error(node, "this is a value; compare it with a name, as in lr < 0.1")

    def _comparison(self, node: Any) -> Condition:
        operands = [node.left, *node.comparators]
        parts = [
            self._pair(left, type(operator).__name__, right)
            for left, operator, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else All(parts)

    def _pair(self, left: ast.expr, operator: str, right: ast.expr) -> Condition:
        found = (
            self._membership(left, right)
            if operator in ("In", "NotIn")
            else self._relation(left, operator, right)
        )
        return Not(found) if operator in _NEGATED else found

    def _relation(self, left: ast.expr, operator: str, right: ast.expr) -> Condition:
        sign = _OPERATORS[operator]
        name, other = self._name(left), right
        if name is None:
            name, other, sign = self._name(right), left, _FLIPPED[sign]
        elif self._name(right) is not None:
            raise self._error(right, "this is a name as well; a name is compared with a value")
        value = self._value(other)
        if operator in ("Is", "IsNot") and not (value is None or isinstance(value, bool)):
            raise self._error(other, "'is' goes with None, True and False; use == for other values")
        if name is None:
            return Constant(compare(normal(value), _OPERATORS[operator], normal(self._value(right))))
        if value is None and sign == "==":
            return Not(Present(name))
        return Compare(name, sign, normal(value), self._of_field(name, value, other))

    def _membership(self, left: ast.expr, right: ast.expr) -> Condition:
        name, container = self._name(left), self._name(right)
        if name is not None and container is not None:
            raise self._error(right, "this is a name as well; a name is looked for in a list of values")
        if container is not None:
            return Contains(container, normal(self._value(left)))
        values = self._value(right)
        if name is not None and isinstance(values, str):
            raise self._error(right, "this is a text; give a list of values, as in ['adam', 'sgd']")
        if not isinstance(values, list):
            raise self._error(right, "this is no list of values; give one, as in ['adam', 'sgd']")
        if name is None:
            wanted = normal(self._value(left))
            return Constant(any(compare(wanted, "==", normal(each)) for each in values))
        if not values:
            return Constant(False)
        there = [each for each in values if each is not None]
        found = OneOf(name, [*map(normal, there)], [self._of_field(name, each, right) for each in there])
        parts: list[Condition] = [found] if there else []
        if None in values:
            parts.append(Not(Present(name)))
        return parts[0] if len(parts) == 1 else Any_(parts)

    def _call(self, node: Any) -> Condition:
        function = node.func.id if type(node.func).__name__ == "Name" else ""
        if function != "like" or len(node.args) != 2 or node.keywords:
            raise self._error(node, "the only function is like(name, 'pattern')")
        name, pattern = self._name(node.args[0]), self._value(node.args[1])
        if name is None or not isinstance(pattern, str):
            raise self._error(node, "like takes a name and a text with * and ?, as in like(module, 'train*')")
        return Like(name, str(normal(pattern)))

    def _name(self, node: ast.expr) -> Name | None:
        """The name that a node is; `None` if it is something else."""
        path: list[str] = []
        inner: Any = node
        while type(inner).__name__ in ("Attribute", "Subscript"):
            if type(inner).__name__ == "Attribute":
                path.append(self._source.plain(inner.attr))
            elif type(inner.slice).__name__ == "Constant" and isinstance(inner.slice.value, str):
                path.append(self._source.plain(inner.slice.value))
            else:
                raise self._error(inner, "only texts stand in brackets, as in config['batch-size']")
            inner = inner.value
        if type(inner).__name__ != "Name" or (not path and inner.id in _WORDS):
            return None
        path.append(self._source.plain(inner.id))
        path.reverse()
        position = self._source.position(self._source.column(node.col_offset))
        if path[0] in SPACES and len(path) > 1:
            return Name(".".join(path[1:]), (path[0],), position)
        key = ".".join(path)
        return Name(key, BARE if key in FIELDS else BARE[:2], position)

    def _value(self, node: ast.expr, depth: int = 0) -> Any:
        kind = type(node).__name__
        if depth > _DEEPEST:
            raise self._error(node, f"it is nested more than {_DEEPEST} deep")
        if kind == "Constant":
            value = node.value  # type: ignore[attr-defined]
            if isinstance(value, str):
                return self._source.plain(value)
            if value is None or isinstance(value, (bool, int, float)):
                return value
        elif kind == "Name" and node.id in _WORDS:  # type: ignore[attr-defined]
            return _WORDS[node.id]  # type: ignore[attr-defined]
        elif kind in ("List", "Tuple", "Set"):
            return [self._value(each, depth + 1) for each in node.elts]  # type: ignore[attr-defined]
        elif kind == "UnaryOp" and type(node.op).__name__ in ("USub", "UAdd"):  # type: ignore[attr-defined]
            value = self._value(node.operand, depth + 1)  # type: ignore[attr-defined]
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value if type(node.op).__name__ == "USub" else value  # type: ignore[attr-defined]
        raise self._error(
            node,
            f"{_KINDS.get(kind, 'this')} can not stand here; names, values, comparisons, "
            "and, or, not, in and like() can",
        )

    def _of_field(self, name: Name, value: Any, node: ast.expr) -> Normal:
        """The value as it is compared with what is known of every component: texts may be times there."""
        if isinstance(value, str) and "field" in name.spaces:
            read = moment if name.key in _TIMES else seconds if name.key == "seconds" else None
            if read is not None:
                found = read(value)
                if found is None:
                    example = (
                        "'2026-11-01', '2026-11-01 14:30' or '7d'" if read is moment else "60 or '5 min'"
                    )
                    raise self._error(
                        node, f"{value!r:.40} is not what {name.key} is compared with, such as {example}"
                    )
                return found
        return normal(value)

    def _error(self, node: Any, why: str) -> ConfigurationError:
        return self._source.failure(self._source.column(node.col_offset), why)
