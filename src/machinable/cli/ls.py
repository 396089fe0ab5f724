"""`machinable ls`: what is in the storage."""

from __future__ import annotations

from machinable.cli.flags import Flags, parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.rows import rows_of
from machinable.cli.stored import as_json, by_state, component_rows, directory_of, module_word, storage_of
from machinable.collection.csv import csv_of
from machinable.errors import ConfigurationError, StorageError
from machinable.execution.columns import Column, Names, cells
from machinable.execution.stored import executions_in
from machinable.execution.tables import cell, text_of
from machinable.records.row import DAMAGED
from machinable.upkeep.trashed import trash_of
from machinable.wording import day

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELP = """\
machinable ls [MODULE] [--where EXPR] [--sort KEY] [--columns a,b] [--json | --csv]

Lists the components in the storage, or those of one module, the newest last: with the parameters that differ between
them, the last values of their records, and their status. Those of executions have the execution's ID in front. Records
that can not be read are named on standard error.

An expression compares configuration (lr, optimizer.name), last values of the record (loss) and what is known of every
component (status, seed, trial, started, seconds, engine, host, …): == != < <= > >=, in, not in, and, or, not, brackets,
like(module, 'models.*'). Times compare with texts such as '2026-11-01'. config.x and record.x say which is meant.

Options:
  --where EXPR      only those for which it holds
  --sort KEY        sort by a parameter, a value of the record, or what is known of every component
  --descending      the other way round
  --limit N         the first N only
  --columns a,b     these columns, in this order
  --executions      list executions instead
  --trash           list what rm has moved to the trash instead
  --json            print all that is known of each as JSON
  --csv             print the table as CSV, with full precision
  --storage URL     which storage

Examples:
  machinable ls
  machinable ls train --where "lr < 0.1 and status == 'finished'" --sort accuracy --descending --limit 10
  machinable ls train --columns id,lr,loss --csv
  machinable ls --executions
"""

_RECORD_COLUMNS = 8  # of a record that has more, tables show none unless asked
_ID = Column("field", "path", "id")


def run(words: list[str], options: Options) -> int:
    """Prints the list."""
    flags = parse_flags(
        "ls",
        words,
        options,
        valued={"--where": '"lr < 0.1"', "--sort": "loss", "--limit": "10", "--columns": "id,lr,loss"},
        switches=("--descending", "--executions", "--trash", "--json", "--csv"),
    )
    module = module_word("ls", flags.words)
    limit = flags.count("--limit")
    if "--json" in flags and "--csv" in flags:
        raise ConfigurationError("--json and --csv do not go together. Leave one of them out.")
    for mode in ("--executions", "--trash"):
        if mode in flags:
            other = next((each for each in ("--where", "--sort", "--columns") if flags.get(each)), None)
            other = other or ("--csv" if "--csv" in flags else None) or (module and "a module")
            if other:
                raise ConfigurationError(f"{mode} and {other} do not go together. Leave one of them out.")
    root = storage_of(options)
    if "--trash" in flags:
        return _trash(root, flags)
    if "--executions" in flags:
        return _executions(root, flags, limit)
    rows = rows_of(
        root,
        flags.get("--where"),
        module=module,
        order=flags.get("--sort"),
        descending="--descending" in flags,
        limit=limit,
    )
    for row in rows:
        if row["status"] == DAMAGED:
            note(f"machinable: left out: {row['evidence']}")
    return _components(root, [row for row in rows if row["status"] != DAMAGED], module, flags)


def _components(root: str, rows: list[dict[str, Any]], module: str | None, flags: Flags) -> int:
    if "--json" in flags:
        if flags.get("--columns"):
            columns = _columns(rows, flags)
            say(as_json([{column.name: column.of(row) for column in columns} for row in rows]))
        else:
            say(as_json([{**row, "directory": directory_of(root, row["path"])} for row in rows]))
        return 0
    if not rows:
        what = f"no component of {module}" if module is not None else "no component"
        such = " for which that holds" if flags.get("--where") else ""
        note(f"machinable: there is {what}{such} in {place(root)}")
        return 0
    columns = _columns(rows, flags)
    if "--csv" in flags:
        say((csv_of(rows, columns) or "").removesuffix("\n"))
        return 0
    header, body = cells(rows, columns)
    say(text_of(header, body, right=("time",)))
    return 0


def _columns(rows: list[dict[str, Any]], flags: Flags) -> list[Column]:
    """The columns that were asked for; else what tells components apart, what they measured, and how it went."""
    names = Names(rows)
    asked = flags.get("--columns")
    if asked is not None:
        chosen = [name.strip() for name in asked.split(",") if name.strip()]
        if not rows:
            return []
        return [_ID if name == "id" else names.find(name) for name in dict.fromkeys(chosen)]
    columns = [_ID if column.name == "id" else column for column in names.chosen()]
    if sum(column.kind == "record" for column in columns) > _RECORD_COLUMNS and "--csv" not in flags:
        columns = [column for column in columns if column.kind != "record"]
        note("machinable: their records have many columns; --columns shows those that it names")
    return columns


def _executions(root: str, flags: Flags, limit: int | None) -> int:
    found: list[dict[str, Any]] = []
    for execution in executions_in(root):
        try:
            runs, rows = execution.runs(), component_rows(execution)
        except StorageError as error:
            note(f"machinable: left out: {error}")
            continue
        found.append(
            {
                **{key: execution.document.get(key) for key in ("id", "seed", "nickname", "timestamp")},
                "runs": len(runs),
                "last_run": runs[-1].get("time") if runs else None,
                "components": len(rows),
                "counts": by_state(rows),
                "directory": execution.directory,
            }
        )
    found.sort(key=lambda row: row["last_run"] or row["timestamp"] or 0.0, reverse="--descending" in flags)
    found = found[:limit]
    if "--json" in flags:
        say(as_json(found))
    elif not found:
        note(f"machinable: there is no execution in {place(root)}")
    else:
        body = [
            [
                str(row["id"]),
                cell(row["nickname"]),
                cell(row["seed"]),
                cell(row["runs"]),
                day(row["last_run"]) if row["last_run"] else "",
                " · ".join(f"{count} {state}" for state, count in row["counts"].items()),
            ]
            for row in found
        ]
        say(text_of(("id", "nickname", "seed", "runs", "last run", "components"), body))
    return 0


def _trash(root: str, flags: Flags) -> int:
    found = trash_of(root)
    if "--json" in flags:
        keys = ("id", "module", "origin", "time", "directory")
        say(as_json([{key: getattr(each, key) for key in keys} for each in found]))
    elif not found:
        note(f"machinable: there is nothing in the trash of {place(root)}")
    else:
        body = [
            [each.id, each.module or "", each.origin or "", day(each.time) if each.time else ""]
            for each in found
        ]
        say(text_of(("id", "module", "was", "removed"), body))
    return 0
