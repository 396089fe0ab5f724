"""`machinable ls`: what is in the storage."""

from __future__ import annotations

import os

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.stored import as_json, component_row, storage_of, table_of
from machinable.errors import ConfigurationError
from machinable.records.listing import records_in
from machinable.wording import day

__all__ = ["HELP", "run"]

HELP = """\
machinable ls [MODULE] [--json]

Lists the components in the storage, or those of one module, the newest last: with the parameters that differ between
them. Those of executions have the execution's ID in front. Records that can not be read are named on standard error.

Options:
  --json            print all that is known of each as JSON
  --storage URL     which storage

Examples:
  machinable ls
  machinable ls train
  machinable ls train --json
"""


def run(words: list[str], options: Options) -> int:
    """Prints the list."""
    flags = parse_flags("ls", words, options, switches=("--json",))
    if len(flags.words) > 1:
        raise ConfigurationError(
            f"machinable ls takes the name of one module at most, not {' '.join(flags.words)!r}."
        )
    root = storage_of(options)
    module = flags.words[0].removesuffix(".py").replace("/", ".") if flags.words else None
    rows = [component_row(record) for record in records_in(root)]
    for row in rows:
        if row["state"] == "damaged":
            note(f"machinable: left out: {row['evidence']}")
    rows = [row for row in rows if row["state"] != "damaged"]
    rows = [row for row in rows if module is None or row["module"] == module]
    rows.sort(key=lambda row: row["started"] or 0.0)
    if "--json" in flags:
        say(as_json(rows))
        return 0
    if not rows:
        what = f"no component of {module}" if module is not None else "no component"
        note(f"machinable: there is {what} in {place(root)}")
        return 0
    for row in rows:
        row["id"] = os.path.relpath(row["directory"], root).replace(os.sep, "/")
        row["when"] = day(row["started"]) if row["started"] is not None else ""
    say(table_of(rows, own=("when", "state")))
    return 0
