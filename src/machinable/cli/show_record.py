"""`machinable show`: all that is known of one execution or component."""

from __future__ import annotations

import os

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import place, say
from machinable.cli.show import settings
from machinable.cli.status import headline, run_line
from machinable.cli.stored import (
    as_json,
    component_row,
    component_rows,
    lookup,
    one_id,
    storage_of,
    table_of,
)
from machinable.cli.tree import tree_of
from machinable.component.lineage import provenance_of
from machinable.execution.stored import StoredExecution
from machinable.execution.tables import pairs_of
from machinable.identity.ids import component_id
from machinable.records.notes import read_notes
from machinable.records.record import META, Record
from machinable.upkeep.elsewhere import files_of
from machinable.wording import day, duration

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELP = """\
machinable show ID [--tree] [--json]

Shows all that is known of a component: configuration, inputs, attempts and files; of an execution: its runs and
components. The code is not needed for it.

Options:
  --tree            what went into it, and into that, as a tree: where it ran, by which code, and what uses it
  --json            print it as JSON; with --tree as a graph of nodes and links
  --storage URL     where the records are

Examples:
  machinable show 4fKq
  machinable show 4fKq --tree
  machinable show OY1p1o --json
"""

_FILES = 20


def run(words: list[str], options: Options) -> int:
    """Shows it."""
    flags = parse_flags("show", words, options, switches=("--json", "--tree"))
    found = lookup(storage_of(options), one_id("show", flags.words))
    if "--tree" in flags:
        _tree(found, as_data="--json" in flags)
        return 0
    if isinstance(found, StoredExecution):
        say(as_json(_execution_document(found)) if "--json" in flags else _execution(found))
    else:
        say(as_json(_document(found)) if "--json" in flags else _component(found))
    return 0


def _tree(found: Record | StoredExecution, *, as_data: bool) -> None:
    records = [found] if isinstance(found, Record) else [each.record for each in found.entries()]
    known = [record for record in records if record is not None]
    if as_data:
        graphs = [provenance_of(record) for record in known]
        say(as_json(graphs[0] if isinstance(found, Record) else graphs))
        return
    say("\n\n".join(map(tree_of, known)) or "no components")


def _execution_document(execution: StoredExecution) -> dict[str, Any]:
    return {
        **execution.document,
        "directory": execution.directory,
        "runs": execution.runs(),
        "components": component_rows(execution),
    }


def _execution(execution: StoredExecution) -> str:
    lines, rows = [headline(execution)], component_rows(execution)
    for run in execution.runs():
        lines.append(f"  run {run_line(run, rows)}")
        if run.get("command"):
            lines.append(f"    {' '.join(map(str, run['command']))}")
        code = run.get("code") or {}
        if code.get("hash"):
            commit = f", commit {code['commit'][:10]}" if code.get("commit") else ""
            lines.append(f"    code {code['hash'][:12]}{commit}")
    return "\n".join([*lines, *([table_of(rows)] if rows else ["no components"])])


def _document(record: Record) -> dict[str, Any]:
    state = record.state()
    return {
        **record.document,
        "directory": record.directory,
        "state": str(state.status),
        "evidence": state.evidence,
        "inputs": _inputs(record),
        "attempts": [{**attempt.started, "end": attempt.end} for attempt in record.attempts()],
        "notes": read_notes(record.meta),
        "files": _files(record),
    }


def _component(record: Record) -> str:
    document, row = record.document, component_row(record)
    rows = [
        ("ID", f"{record.id} ({document.get('nickname')})"),
        ("class", str(row["class"])),
        ("seed", str(row["seed"])),
        ("status", f"{row['state']}: {row['evidence']}"),
        ("directory", place(record.directory)),
    ]
    rows += [("trial", str(row["trial"]))] if row["trial"] is not None else []
    rows += settings("scope", document["request"].get("scope") or {})
    rows += settings("config", row["config"] or {})
    rows += [(f"input.{name}", id_) for name, id_ in _inputs(record).items()]
    for attempt in record.attempts():
        end = attempt.end or {}
        seconds = end.get("seconds")
        told = [str(end.get("kind", row["state"]))]
        told += [f"after {duration(seconds)}"] if seconds is not None else []
        told += [f"by {attempt.started['engine']}"] if attempt.started.get("engine") else []
        told += [f"in execution {attempt.started['execution']}"] if attempt.started.get("execution") else []
        started = attempt.started.get("time")
        when = f"{day(started)}, " if started is not None else ""
        rows.append((f"attempt {attempt.number}", when + " ".join(told)))
    files = _files(record)
    more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
    rows.append(("files", ", ".join(files[:_FILES]) + more if files else "none"))
    return "\n".join([str(row["module"]), *pairs_of(rows)])


def _inputs(record: Record) -> dict[str, str]:
    """The IDs of the declared inputs by name, as they were used, and of those that were observed."""
    attempt = record.state().attempt
    asked = {
        name: component_id(identity)
        for name, identity in (record.document["request"].get("uses") or {}).items()
    }
    if attempt is None:
        return asked
    observed = [id_ for id_ in (attempt.end or {}).get("observed", ()) if id_ not in asked.values()]
    return {
        **asked,
        **(attempt.started.get("uses") or {}),
        **{f"observed {number}": id_ for number, id_ in enumerate(observed, 1)},
    }


def _files(record: Record) -> list[str]:
    elsewhere = files_of(record.root, record.directory)
    if elsewhere is not None:
        return sorted(path for path in elsewhere if not path.startswith(META))
    found = []
    for directory, folders, names in os.walk(record.directory):
        folders[:] = sorted(folder for folder in folders if folder != META)
        found += [os.path.relpath(os.path.join(directory, name), record.directory) for name in sorted(names)]
    return found
