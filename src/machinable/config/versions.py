"""Versions: what a user may pass to say how a configuration differs from its defaults."""

from __future__ import annotations

from collections.abc import Mapping

from machinable.config.messages import thawed
from machinable.errors import ConfigurationError
from machinable.identity.canonical import shown

__all__ = ["Sourced", "normalise", "parse_call"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Sourced(dict[str, "Any"]):
    """Changes that know where they came from, for messages: `Sourced({"lr": "abc"}, "command line: lr=abc")`."""

    __slots__ = ("source",)

    def __init__(self, changes: Mapping[str, Any], source: str) -> None:
        super().__init__(changes)
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return Sourced, (dict(self), self.source)


def normalise(version: Any) -> list[Any]:
    """The version as a flat list of its layers: dicts, and strings `~name`, `~name(args)` (or with `@`).

    Raises:
        ConfigurationError: If it is anything else, or a call in it can not be read.
    """
    if version is None:
        return []
    if type(version) is dict:
        return [version]
    layers: list[Any] = []
    _flatten(version, layers, ())
    return layers


def _flatten(version: Any, layers: list[Any], parents: tuple[int, ...]) -> None:
    if isinstance(version, str):
        layers.append(_checked(version))
    elif isinstance(version, Mapping):
        layers.append(version if isinstance(version, dict) else dict(thawed(version)))
    elif isinstance(version, (list, tuple)):
        if id(version) in parents:
            raise ConfigurationError("A version contains itself. Use a list without a cycle.")
        for part in version:
            _flatten(part, layers, (*parents, id(version)))
    elif version is not None:
        raise ConfigurationError(
            f"A version is {shown(version)} ({type(version).__name__}). "
            "Use a dict of changes, '~name' for a method version_name, or a list of these."
        )


def _checked(text: str) -> str:
    if text[:1] not in ("~", "@"):
        near = f"'~{text}'" if text.isidentifier() else "'~name'"
        raise ConfigurationError(
            f"The version {shown(text)} is text that does not start with ~ or @. "
            f"Use {near} for a method of the class, or a dict of changes."
        )
    parse_call(text[1:])
    return text


def parse_call(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The name and the arguments of `name`, `name()` or `name(1, 'text', key=[2, 3])`. Nothing is evaluated.

    Raises:
        ConfigurationError: If it is no such call, or an argument is not a literal.
    """
    name, bracket, rest = text.partition("(")
    name = name.strip()
    if not name.isidentifier():
        raise ConfigurationError(
            f"{shown(text)} is not a name, or a name with arguments such as small(3, 'text')."
        )
    if not bracket:
        return name, (), {}
    if not rest.rstrip().endswith(")"):
        raise ConfigurationError(f"{shown(text)} has no closing bracket at its end. Write {name}(...).")
    arguments = rest.rstrip()[:-1].strip()
    if not arguments:
        return name, (), {}
    return name, *_literals(text, arguments)


def _literals(text: str, arguments: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    import ast

    try:
        call = ast.parse(f"_({arguments}\n)", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError("more than one pair of brackets")
        if any(isinstance(part, ast.Starred) for part in call.args) or any(
            not key.arg for key in call.keywords
        ):
            raise ValueError("starred arguments")
        positional = tuple(ast.literal_eval(part) for part in call.args)
        named = {str(key.arg): ast.literal_eval(key.value) for key in call.keywords}
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigurationError(
            f"The arguments of {shown(text)} can not be read. Use literals: numbers, text in quotes, lists, "
            "dicts, True, False, None."
        ) from error
    return positional, named
