"""What stands before the first target: options of machinable itself."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.wording import nearest

__all__ = ["EXAMPLE", "SWITCHES", "VALUED", "Options", "parse_options"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

VALUED = ("--storage", "--project")
SWITCHES = ("--traceback", "--help", "--version")
EXAMPLE = {"--storage": "--storage ~/results", "--project": "--project ~/code"}


class Options:
    """What stands before the first target, and is for machinable itself.

    Attributes:
        words: The whole command line, to be shown to the user.
        shown: The tracebacks that were shown already.
    """

    __slots__ = ("help", "project", "shown", "storage", "traceback", "version", "words")

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = list(words)
        self.shown: set[str] = set()
        self.storage: str | None = None
        self.project: str | None = None
        self.traceback = False
        self.help = False
        self.version = False


def parse_options(words: Sequence[str], options: Options) -> list[str]:
    """Notes the options of machinable itself in `options`, and returns the words after them.

    Raises:
        ConfigurationError: If an option is unknown, or lacks its value.
    """
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in VALUED:
            if not equals:
                value = rest.pop(0) if rest else ""
            if not value:
                raise ConfigurationError(f"{name} needs a value, for example {EXAMPLE[name]}.")
            setattr(options, name[2:], value)
        elif word in ("--help", "-h"):
            options.help = True
        elif word in SWITCHES:
            setattr(options, word[2:], True)
        else:
            raise ConfigurationError(_unknown_option(word, name))
    return rest


def _unknown_option(word: str, name: str) -> str:
    if word == "--":
        return "-- stands for nothing here. Write: machinable TARGET key=value --method."
    near = nearest(name, [*VALUED, *SWITCHES])
    if near:
        return f"machinable has no option {name!r}. Did you mean {near!r}?"
    if not word.startswith("--"):
        return f"machinable has no option {word!r}. Its options are {', '.join((*VALUED, *SWITCHES))}."
    return f"machinable has no option {name!r}. If it is a method, put it after the target: machinable TARGET {name}."
