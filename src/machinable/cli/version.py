"""`machinable version`."""

from __future__ import annotations

from machinable.cli.options import Options
from machinable.cli.output import say
from machinable.errors import ConfigurationError
from machinable.version import __version__

__all__ = ["HELP", "run"]

HELP = """\
machinable version

Prints the version of machinable.

Example:
  machinable version
"""


def run(words: list[str], options: Options) -> int:
    """Prints the version."""
    if words:
        raise ConfigurationError(
            f"machinable version takes no arguments, but {words[0]!r} was given. "
            "To run a module of that name: machinable get version …"
        )
    say(f"machinable {__version__}")
    return 0
