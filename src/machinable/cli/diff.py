"""`machinable diff`: what two components, or two executions, differ in."""

from __future__ import annotations

from machinable.cli.differences import component_lines, execution_lines
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import say
from machinable.cli.stored import as_json, lookup, storage_of
from machinable.comparison import compare_components, compare_executions
from machinable.errors import ConfigurationError
from machinable.execution.stored import StoredExecution

__all__ = ["HELP", "run"]

HELP = """\
machinable diff A B [--lines N] [--json]

Tells what two components differ in: configuration, scope, inputs and seed; the code, with the lines that differ, where
both were run by an execution; Python and packages; the last values of their records, and their files. Of two
executions: which components only one of them has, and their code and packages. What is not told is the same.

Options:
  --lines N         how many lines of differences of the code are shown, 60 if nothing is said
  --json            print it as JSON
  --storage URL     where the records are

Examples:
  machinable diff 4fKq 9sLm
  machinable diff OY1p1o 00000g
  machinable diff OY1p1o/4fKq OY1p1o/9sLm --json
"""

_LINES = 60


def run(words: list[str], options: Options) -> int:
    """Prints the differences."""
    flags = parse_flags("diff", words, options, valued={"--lines": "200"}, switches=("--json",))
    if len(flags.words) != 2:
        raise ConfigurationError(
            f"machinable diff takes two IDs, but {len(flags.words)} were given. For example: machinable diff 4fKq 9sLm"
        )
    most = flags.count("--lines") or _LINES
    root = storage_of(options)
    a, b = (lookup(root, word) for word in flags.words)
    if isinstance(a, StoredExecution) != isinstance(b, StoredExecution):
        execution, component = (a, b) if isinstance(a, StoredExecution) else (b, a)
        raise ConfigurationError(
            f"{execution.id} is an execution and {component.id} a component. Give two of a kind."
        )
    if isinstance(a, StoredExecution) and isinstance(b, StoredExecution):
        document = compare_executions(a, b, most_lines=most)
        lines = execution_lines
    else:
        assert not isinstance(a, StoredExecution) and not isinstance(b, StoredExecution)
        document = compare_components(a, b, most_lines=most)
        lines = component_lines
    ends = {
        side: {key: each.document.get(key) for key in ("id", "nickname")}
        for side, each in (("a", a), ("b", b))
    }
    if "--json" in flags:
        say(as_json({**ends, **document}))
        return 0
    say(
        "\n".join(
            [
                f"a  {ends['a']['id']} ({ends['a']['nickname']})",
                f"b  {ends['b']['id']} ({ends['b']['nickname']})",
            ]
        )
    )
    say("\n".join(lines(document)))
    return 0
