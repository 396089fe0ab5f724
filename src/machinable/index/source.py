"""The text of an expression, prepared for Python's parser, and the way back from a place in it to the user's text."""

from __future__ import annotations

import re

from machinable.errors import ConfigurationError

__all__ = ["LONGEST", "Source"]

#: Expressions have no more characters than these.
LONGEST = 10_000

# What has a meaning of its own in Python, and may be the name of a parameter: `lambda`, `class`. For the parser it
# gets this letter in front.
_MARK = "\u01c2"
_MEANT = frozenset({"and", "or", "not", "in", "is", "True", "False", "None"})
_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_TOKEN = re.compile(rf"""{_STRING}|(?P<word>[^\W\d]\w*)|\s+|.""", re.DOTALL)


class Source:
    """A text in one line, in which all names are names to Python.

    Raises:
        ConfigurationError: If there is nothing in it, too much, or what can not stand in an expression.
    """

    __slots__ = ("_marks", "_offset", "prepared", "text")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ConfigurationError(f'{text!r:.60} is no expression; give a text such as "lr < 0.1".')
        if not text.strip():
            raise ConfigurationError('the expression is empty; give one such as "lr < 0.1".')
        if len(text) > LONGEST:
            raise ConfigurationError(
                f"the expression has {len(text):,} characters; at most {LONGEST:,} are read."
            )
        self.text = text
        self._offset = len(text) - len(text.lstrip())
        self._marks: list[int] = []
        self.prepared = ""
        if _MARK in text:
            raise self.failure(text.index(_MARK) - self._offset, f"{_MARK!r} can not stand here")
        self.prepared = self._prepare()

    def _prepare(self) -> str:
        import keyword

        parts: list[str] = []
        length = 0
        for match in _TOKEN.finditer(self.text, self._offset):
            token = match[0]
            if token == "#":
                raise self.failure(length, "'#' can not stand here")
            if token.isspace():
                token = " " * len(token)
            elif match["word"] and keyword.iskeyword(token) and token not in _MEANT:
                self._marks.append(length)
                token = _MARK + token
            length += len(token)
            parts.append(token)
        prepared = "".join(parts).rstrip()
        single = re.search(
            r"(?<![=<>!:])=(?!=)", re.sub(_STRING, lambda match: " " * len(match[0]), prepared)
        )
        if single:
            raise self.failure(single.start(), "'=' is no comparison; write ==")
        return prepared

    @staticmethod
    def plain(text: str) -> str:
        """A name or a text of the parser as the user wrote it."""
        return text.replace(_MARK, "")

    def column(self, offset_bytes: int) -> int:
        """The column of a node in the prepared text, from what the parser says of it."""
        return len(self.prepared.encode()[:offset_bytes].decode("utf-8", "ignore"))

    def failure(self, column: int, why: str) -> ConfigurationError:
        """The error that says why the text can not be read at a column of the prepared one."""
        text = self.text
        shown = text if len(text) <= 80 else f"{text[:77]}…"
        return ConfigurationError(f"{shown!r}: {why}, at character {self.position(column)}.")

    def position(self, column: int) -> int:
        """The position in the user's text, counted from 1."""
        return column + self._offset - sum(mark < column for mark in self._marks) + 1
