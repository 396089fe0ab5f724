"""Options of a subcommand: `--name VALUE`, `--name=VALUE` and switches, anywhere among its words."""

from __future__ import annotations

from machinable.cli.options import EXAMPLE, VALUED, Options
from machinable.errors import ConfigurationError
from machinable.wording import nearest

__all__ = ["Flags", "parse_flags"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHORT = {"-f": "--follow", "-y": "--yes", "-h": "--help"}

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Flags:
    """What was found among the words of a subcommand.

    Attributes:
        values: The texts given for options, by option.
        switches: The switches given.
        words: What is left.
    """

    __slots__ = ("switches", "values", "words")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.switches: set[str] = set()
        self.words: list[str] = []

    def __contains__(self, switch: str) -> bool:
        return switch in self.switches

    def get(self, option: str) -> str | None:
        """The text given for an option, if any."""
        return self.values.get(option)

    def count(self, option: str) -> int | None:
        """The integer given for an option, if any. Raises ConfigurationError if it is not one of at least 1."""
        return self.number(option, 1)

    def number(self, option: str, least: int = 0) -> int | None:
        """The integer given for an option, if any. Raises ConfigurationError if it is not one of at least `least`."""
        text = self.values.get(option)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text) >= least):
            raise ConfigurationError(f"{option} is {text!r}, but an integer of at least {least} is needed.")
        return int(text)

    def age(self, option: str) -> float | None:
        """The duration given for an option, such as `30d`, in seconds. Raises ConfigurationError if it is none."""
        text = self.values.get(option)
        if text is None:
            return None
        number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = text[len(number) :].strip()
        if not (number.isascii() and number.isdecimal() and len(number) < 10 and unit in _SECONDS):
            # Not `m`: what is meant as six months must not be taken for six minutes.
            raise ConfigurationError(
                f"{option} is {text!r}, but a duration is needed, such as 45s, 15min, 12h, 30d or 8w."
            )
        return float(number) * _SECONDS[unit]


def parse_flags(
    command: str,
    words: Sequence[str],
    options: Options,
    *,
    valued: Mapping[str, str] | None = None,
    switches: Sequence[str] = (),
) -> Flags:
    """Takes the options out of the words of a subcommand. Those of machinable itself are noted in `options`.

    Args:
        valued: The options that take a value, each with an example of one.
        switches: Those that take none.
    Raises:
        ConfigurationError: If an option is unknown, given twice, or lacks its value.
    """
    takes = {option: EXAMPLE[option] for option in VALUED} | {
        option: f"{option} {example}" for option, example in (valued or {}).items()
    }
    knows = (*switches, "--traceback")
    found = Flags()
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not word.startswith("-"):
            found.words.append(word)
        elif name in takes:
            if not equals:
                value = left.pop(0) if left else ""
            if not value:
                raise ConfigurationError(f"{name} needs a value, for example {takes[name]}.")
            if name in found.values:
                raise ConfigurationError(f"{name} is given twice, as {found.values[name]} and as {value}.")
            found.values[name] = value
        elif name in knows and not equals:
            found.switches.add(name)
        else:
            raise ConfigurationError(_unknown(command, word, name, [*takes, *knows]))
    for option in VALUED:
        if option in found.values:
            setattr(options, option[2:], found.values[option])
    options.traceback = options.traceback or "--traceback" in found
    return found


def _unknown(command: str, word: str, name: str, known: list[str]) -> str:
    if name in known:
        return f"{name} takes no value, but {word!r} was given."
    near = nearest(name, known)
    if near is not None:
        return f"machinable {command} has no option {name!r}. Did you mean {near!r}?"
    return f"machinable {command} has no option {name!r}. Its options are {', '.join(sorted(known))}."
