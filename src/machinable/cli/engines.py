"""`machinable engines`: what can run components here, and what the others lack."""

from __future__ import annotations

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import say
from machinable.cli.stored import as_json
from machinable.engines.availability import availabilities
from machinable.errors import ConfigurationError
from machinable.execution.tables import text_of

__all__ = ["HELP", "run"]

HELP = """\
machinable engines [--json]

Lists what can run components: what is available on this machine, what is missing for the others, and how to install
it. Engines of other packages (entry points in the group machinable.engines) are among them.

Options:
  --json            print it as JSON

Examples:
  machinable engines
  machinable train lr=0.1 native:2 --launch
"""


def run(words: list[str], options: Options) -> int:
    """Prints the engines."""
    flags = parse_flags("engines", words, options, switches=("--json",))
    if flags.words:
        raise ConfigurationError(f"machinable engines takes no names, but {flags.words[0]!r} was given.")
    found = availabilities()
    if "--json" in flags:
        say(as_json([each.row() for each in found]))
        return 0
    rows = [
        [
            each.name,
            "yes" if not each.missing else "no",
            each.about if not each.missing else _lacks(each.missing),
        ]
        for each in found
    ]
    say(text_of(["engine", "here", ""], rows))
    for each in found:
        if each.missing and each.install:
            say(f"{each.name}: {each.install}")
    return 0


def _lacks(missing: list[str]) -> str:
    return f"needs {', '.join(missing)}"
