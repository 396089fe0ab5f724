"""What commands say of records and executions in a storage, without importing the code that made them."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from machinable import context
from machinable.cli.options import Options
from machinable.cli.output import place
from machinable.cli.rows import rows_of
from machinable.cli.run import enter_options
from machinable.config.dotted import flat
from machinable.errors import ConfigurationError, StorageError
from machinable.execution.stored import Entry, StoredExecution, executions_in, find
from machinable.execution.tables import cell, one_line, text_of
from machinable.records.claim import log_name
from machinable.records.record import Record
from machinable.records.row import read_row
from machinable.wording import duration

__all__ = [
    "as_json",
    "by_state",
    "component_row",
    "component_rows",
    "configured_by",
    "directory_of",
    "entry_row",
    "lookup",
    "module_word",
    "one_id",
    "storage_of",
    "table_of",
    "took",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

NOT_STARTED = "it has not started"


def storage_of(options: Options) -> str:
    """The storage that the command line means. Raises StorageError if it is a file."""
    with ExitStack() as surroundings:
        enter_options(surroundings, options)
        root = context.current().directory()
    if os.path.isfile(root):
        raise StorageError(
            f"{place(root)} is a file, but a storage is a directory. Name another with --storage."
        )
    return root


def one_id(command: str, words: Sequence[str]) -> str:
    """The ID that a command takes. Raises ConfigurationError if there is none, or more."""
    if len(words) != 1:
        what = "no ID was given" if not words else f"{len(words)} were given: {' '.join(words)}"
        raise ConfigurationError(
            f"machinable {command} takes the ID of an execution or a component, but {what}. "
            "See what there is with: machinable ls"
        )
    return words[0]


def module_word(command: str, words: Sequence[str]) -> str | None:
    """The module that a command takes, by its dotted name. Raises ConfigurationError if there are several."""
    if len(words) > 1:
        raise ConfigurationError(
            f"machinable {command} takes the name of one module at most, not {' '.join(words)!r}."
        )
    return words[0].removesuffix(".py").replace("/", ".") if words else None


def directory_of(root: str, path: str) -> str:
    """The directory of the component at a path within the storage."""
    return os.path.join(root, *path.split("/"))


def lookup(root: str, text: str) -> Record | StoredExecution:
    """What has this ID, or begins so; what has this nickname; what lies in this directory of the storage.

    Raises:
        ConfigurationError: If there is nothing, or several.
    """
    found = find(root, _without_place(root, text))
    if found is None and "_" in text:
        found = _by_nickname(root, text)
    if found is None:
        raise ConfigurationError(
            f"There is no execution or component {text!r} in {place(root)}. "
            "See what there is with: machinable ls. Another storage is named by --storage."
        )
    return found


def _without_place(root: str, text: str) -> str:
    """`00000g/4fKq` for `./storage/00000g/4fKq/`, as commands print directories and shells complete them."""
    directory = os.path.abspath(text)
    if os.sep in text and directory.startswith(root.rstrip(os.sep) + os.sep) and os.path.isdir(directory):
        return os.path.relpath(directory, root).replace(os.sep, "/")
    return text


def _by_nickname(root: str, text: str) -> Record | StoredExecution | None:
    executions = [each for each in executions_in(root) if each.document.get("nickname") == text]
    paths = [row["path"] for row in rows_of(root) if row["nickname"] == text]
    records = [Record(directory_of(root, path), root) for path in paths]
    found: list[Record | StoredExecution] = [*executions, *records]
    if len(found) > 1:
        names = ", ".join(os.path.relpath(each.directory, root) for each in found)
        raise ConfigurationError(f"{len(found)} are called {text!r}: {names}. Give an ID.")
    return found[0] if found else None


def component_rows(execution: StoredExecution) -> list[dict[str, Any]]:
    """What is known of each component of an execution."""
    return [entry_row(entry) for entry in execution.entries()]


def entry_row(entry: Entry) -> dict[str, Any]:
    """The same as `component_row`; of a component that has not started, what there is."""
    if entry.record is not None:
        return component_row(entry.record)
    return {**dict.fromkeys(_KEYS), "id": entry.id, "module": entry.module} | {
        "state": "pending",
        "evidence": NOT_STARTED,
    }


_KEYS = (
    "id",
    "module",
    "class",
    "execution",
    "config",
    "trial",
    "seed",
    "nickname",
    "state",
    "evidence",
    "attempt",
    "engine",
    "host",
    "pid",
    "started",
    "ended",
    "seconds",
    "exception",
    "directory",
    "log",
)


def component_row(record: Record) -> dict[str, Any]:
    """What is known of a component, as plain data. A damaged record has the state `damaged`."""
    known, state = read_row(record)
    row = {key: known.get(key) for key in _KEYS}
    row.update(state=known["status"], directory=record.directory)
    row["config"] = None if state is None else record.document["request"]["config"]
    attempt = state.attempt if state is not None else None
    if attempt is not None:
        log = os.path.join(record.directory, log_name(attempt.number))
        row.update(
            attempt=attempt.number,
            pid=attempt.owner.get("pid"),
            log=log if os.path.exists(log) else None,
        )
    return row


def took(row: dict[str, Any]) -> str:
    """How long the last attempt took; of one that runs, how long it has."""
    seconds = row["seconds"]
    if seconds is None:
        if row["state"] != "running" or row["started"] is None:
            return ""
        seconds = time.time() - row["started"]
    return duration(seconds)


def configured_by(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The dotted names of the parameters that differ between components, and the parameters of each."""
    values = [flat(row["config"] or {}) for row in rows]
    known = [each for each, row in zip(values, rows, strict=True) if row["config"] is not None]
    keys = dict.fromkeys(key for each in known for key in each)
    return [key for key in keys if len({repr(each.get(key)) for each in known}) > 1], values


def table_of(rows: Sequence[dict[str, Any]], *, own: Sequence[str] = ("state", "evidence")) -> str:
    """Components as a table: ID, module and trial where they vary, parameters that do, time, and `own` columns."""
    keys, values = configured_by(rows)
    modules = len({row["module"] for row in rows}) > 1
    trials = len({row["trial"] for row in rows if row["config"] is not None}) > 1
    attempts = any((row["attempt"] or 1) > 1 for row in rows)
    header = [
        "id",
        *(["module"] if modules else []),
        *keys,
        *(["trial"] if trials else []),
        *(["attempt"] if attempts else []),
        "time",
        *("status" if name == "state" else name for name in own),
    ]
    body = [
        [
            row["id"],
            *([row["module"] or ""] if modules else []),
            *(cell(each.get(key)) for key in keys),
            *([cell(row["trial"])] if trials else []),
            *([cell(row["attempt"])] if attempts else []),
            took(row),
            *(one_line(str(row[name])) for name in own),
        ]
        for row, each in zip(rows, values, strict=True)
    ]
    return text_of(header, body)


def by_state(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many components are in each state."""
    states = [row["state"] for row in rows]
    return {state: states.count(state) for state in dict.fromkeys(states)}


def as_json(value: Any) -> str:
    """Data as JSON, on lines of their own."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2)
