"""The expressions that search: parsed by Python's own parser, checked node by node, and never evaluated."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.index.conditions import FIELDS, Condition, Name
from machinable.index.reading import BARE, SPACES, Reader
from machinable.index.source import Source
from machinable.wording import listed, nearest

__all__ = ["Expression", "name_of", "parse"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Expression:
    """A condition on rows, as `parse` made it from a text."""

    __slots__ = ("condition", "text")

    def __init__(self, text: str, condition: Condition) -> None:
        self.text = text
        self.condition = condition

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether it is true of a row as `row_of` gives it."""
        return self.condition.holds(row)

    def check(self, known: Iterable[str]) -> None:
        """Raises ConfigurationError if it has a name that is neither known nor one of every row."""
        known = set(known)
        for name in self.condition.names():
            if "field" in name.spaces and name.key in FIELDS:
                continue
            if not any(_qualified(name.key, space) in known for space in name.spaces):
                raise _unknown(self.text, name, known)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def parse(text: str) -> Expression:
    """The condition that a text stands for: `"lr < 0.1 and status == 'finished'"`.

    Names are parameters, columns of the record or what is known of every component (`status`, `seconds`, …);
    `config.x`, `record.x`, `scope.x` and `uses.x` say which. Values are numbers, texts, `True`, `False`, `None`, and
    lists of them. There are comparisons, also chained, `and`, `or`, `not`, `in`, `is None` and `like(name, 'a*')`.

    Raises:
        ConfigurationError: If it can not be read, with the position, counted from 1.
    """
    import ast
    import warnings

    source = Source(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.prepared, mode="eval")
    except SyntaxError as error:
        column = max((error.offset or 1) - 1, 0) if error.lineno == 1 else len(source.prepared)
        raise source.failure(column, f"it can not be read here ({_told_by(error)})") from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise source.failure(0, "it is nested too deeply, or holds what no text has") from None
    return Expression(text, Reader(source).condition(tree.body, 0))


def _told_by(error: SyntaxError) -> str:
    """What the parser says, without its advice to those who write programs."""
    return str(error.msg).partition(";")[0].partition(" (")[0]


def name_of(text: str) -> Name:
    """The name that a text stands for where no expression is asked for: in `order`, for columns."""
    space, dot, key = text.partition(".")
    if dot and space in SPACES and key:
        return Name(key, (space,), 0)
    return Name(text, BARE if text in FIELDS else BARE[:2], 0)


def _qualified(key: str, space: str) -> str:
    return f"{space}.{key}"


def _unknown(text: str, name: Name, known: set[str]) -> ConfigurationError:
    words = {word.partition(".")[2] for word in known if word.partition(".")[0] in BARE} | set(FIELDS)
    asked = name.key if len(name.spaces) > 1 else _qualified(name.key, name.spaces[0])
    if len(name.spaces) == 1:
        words = {word for word in known if word.startswith(f"{name.spaces[0]}.")}
    near = nearest(asked, words)
    parameters = sorted(word for word in words if word not in FIELDS)
    hint = (
        f"Did you mean {near!r}?"
        if near
        else f"There are: {listed(parameters) if parameters else 'no parameters and records'}."
    )
    return ConfigurationError(f"{text!r}: nothing is called {asked!r}, at character {name.position}. {hint}")
