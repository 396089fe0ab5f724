"""The words of a command line as what they mean: targets with their versions and values, and calls of methods.

machinable [options] [get] TARGET… [@version] [key=value]… [--method | --method(args)]…
"""

from __future__ import annotations

import shlex

from machinable.cli.methods import COMMON
from machinable.cli.options import SWITCHES, VALUED
from machinable.config.versions import parse_call
from machinable.errors import ConfigurationError

__all__ = ["Call", "Invocation", "Target", "Value", "parse"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Value:
    """One `key=text`, not yet read: what the text means depends on the type of the field."""

    __slots__ = ("key", "text")

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        self.text = text

    def __repr__(self) -> str:
        return f"{self.key}={self.text}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and (self.key, self.text) == (other.key, other.text)

    __hash__ = None  # type: ignore[assignment]


class Target:
    """A component or a context, with the versions and values that follow it.

    Attributes:
        name: As typed: `mnist_data`, `pkg/mod.py`, `mod:Class`, `native:2`, `scope`.
        version: `"~name(args)"` or a `Value` each, in the order given.
        uses: The inputs given by `uses.NAME=TARGET`.
        after: The `key=value` in front of it, if any: it may be a part of that value which the shell split off.
    """

    __slots__ = ("after", "name", "uses", "version")

    def __init__(self, name: str, after: str | None = None) -> None:
        self.name = name
        self.version: list[str | Value] = []
        self.uses: dict[str, str] = {}
        self.after = after

    def words(self) -> list[str]:
        """The target as it can be typed."""
        return [
            self.name,
            *map(str, self.version),
            *(f"uses.{key}={text}" for key, text in self.uses.items()),
        ]

    def given(self, key: str) -> str | None:
        """The text given for a key already, if any."""
        for entry in self.version:
            if isinstance(entry, Value) and entry.key == key:
                return entry.text
        return self.uses.get(key[5:]) if key.startswith("uses.") else None


class Call:
    """A method to be called on each component: `--summary` or `--plot("loss", 3)`."""

    __slots__ = ("args", "kwargs", "name", "token")

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], token: str) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.token = token  # as typed


class Invocation:
    """All that stands after the options."""

    __slots__ = ("calls", "help", "targets")

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.calls: list[Call] = []
        self.help = False


def parse(words: Sequence[str]) -> Invocation:
    """The targets and calls of a command line, its options taken off.

    Raises:
        ConfigurationError: One line on the first word that has no meaning.
    """
    found = Invocation()
    target: Target | None = None
    before: str | None = None  # the word in front, if it was a key=value
    for number, word in enumerate(words):
        value: str | None = None
        if word.partition("=")[0] in (*VALUED, *SWITCHES) and word != "--help":
            raise ConfigurationError(_misplaced(words, number))
        if word.startswith("-"):
            _dashed(word, found)
        elif word[:1] in ("~", "@") and not word.startswith("~/"):
            _version(word, target)
        elif "=" in word:
            _value(word, target)
            value = word
        elif not word.strip():
            raise ConfigurationError(
                f"An argument is empty ({word!r}). Give a target, a key=value or a --method."
            )
        else:
            target = Target(word, before)
            found.targets.append(target)
        before = value
    return found


def _misplaced(words: Sequence[str], number: int) -> str:
    """What to say to an option of machinable that stands among the targets: the line with it in front."""
    option = [words[number]]
    if words[number] in VALUED:
        option = [*words[number : number + 2], "VALUE"][:2]
    rest = [*words[:number], *words[number + len(option) :]]
    return (
        f"{words[number].partition('=')[0]} is an option of machinable, and stands before the first target: "
        f"{shlex.join(['machinable', *option, *rest])}"
    )


def _dashed(word: str, found: Invocation) -> None:
    """Adds a `--method`, or notes `--help`."""
    if word in ("--help", "-h"):
        found.help = True
        return
    call = word[2:]
    if not word.startswith("--") or not (call[:1].isalpha() or call[:1] == "_"):
        raise ConfigurationError(
            f"{word!r} has no meaning. Methods have two dashes, such as --launch; values a key, such as lr=-1."
        )
    bare = call.partition("(")[0].rstrip()
    if "=" in bare:
        method = bare.partition("=")[0]
        if method.replace("-", "_") in COMMON:
            raise ConfigurationError(f"--{method} takes no value, but {word!r} was given. Write: --{method}")
        raise ConfigurationError(
            f"{word!r} is neither a method nor a value. Write '--{method}(…)' to call a method with arguments, "
            f"{word[2:]} to set a configuration key."
        )
    try:
        # Shells and habit favour dashes, and no method can have one in its name.
        name, args, kwargs = parse_call(bare.replace("-", "_") + call[len(bare) :])
    except ConfigurationError as error:
        raise ConfigurationError(f"{word}: {error}") from error
    found.calls.append(Call(name, args, kwargs, word))


def _version(word: str, target: Target | None) -> None:
    """Adds a `@version` or `~version`."""
    if target is None:
        raise ConfigurationError(
            f"The version {word!r} stands before any target. "
            f"Write it after the one it is for: machinable TARGET {word}."
        )
    if len(word) == 1:
        raise ConfigurationError(f"{word!r} names no version. Write {word}NAME for a method version_NAME.")
    try:
        parse_call(word[1:])
    except ConfigurationError as error:
        raise ConfigurationError(f"{word}: {error}") from error
    target.version.append(word)


def _value(word: str, target: Target | None) -> None:
    """Adds a `key=value` or `uses.NAME=TARGET`."""
    key, _, text = word.partition("=")
    if not key:
        raise ConfigurationError(f"{word!r} has no key. Write key=value, without spaces around the '='.")
    if key != key.strip() or not all(key.split(".")):
        raise ConfigurationError(f"{key!r} in {word!r} is not a key. Write key=value, or group.key=value.")
    if target is None:
        hint = f"machinable --{key} …" if f"--{key}" in VALUED else f"machinable TARGET {shlex.quote(word)}"
        raise ConfigurationError(
            f"The value {word!r} stands before any target. Write it after the one it is for: {hint}."
        )
    earlier = target.given(key)
    if earlier is not None:
        raise ConfigurationError(
            f"{target.name}: {key} is given twice, as {key}={earlier} and as {word}. Leave one of them out."
        )
    if key.startswith("uses.") and target.name != "scope":
        if not text:
            raise ConfigurationError(f"{word!r} names no input. Write {key}=MODULE or {key}=ID.")
        target.uses[key[5:]] = text
    else:
        target.version.append(Value(key, text))
