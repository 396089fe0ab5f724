"""A record as one row of plain data: what was asked for, how it went, and what it measured last."""

from __future__ import annotations

import os

from machinable.config.dotted import flat
from machinable.errors import RemovedRecord, StorageError
from machinable.records.attempt import exception_line
from machinable.records.lineage import inputs_of
from machinable.records.measurements import MEASUREMENTS, last_row

__all__ = ["DAMAGED", "KEYS", "path_of", "read_row", "row_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.records.record import Record, State

#: The status of a row whose record can not be read.
DAMAGED = "damaged"

KEYS = (
    "path",
    "id",
    "module",
    "class",
    "nickname",
    "seed",
    "trial",
    "counter",
    "execution",
    "status",
    "evidence",
    "timestamp",
    "started",
    "ended",
    "seconds",
    "attempts",
    "engine",
    "host",
    "exception",
    "config",
    "others",
    "scope",
    "uses",
    "observed",
    "record",
    "code",
)


_NOTHING: dict[str, Any] = {"config": {}, "others": [], "scope": {}, "uses": {}, "observed": [], "record": {}}


def row_of(record: Record) -> dict[str, Any]:
    """What is known of a component, as plain data, without importing the code that made it.

    Returns:
        All of `KEYS`. `path` is relative to the storage, with `/`; `config` has the values in force by dotted name,
        those that do not identify included, whose names are in `others`; `record` the last value of each column in the
        last row of the table. Of what can not be read, the `status` is `"damaged"`, and `evidence` says why.
    Raises:
        RemovedRecord: If only a tombstone is left of it.
    """
    return read_row(record)[0]


def read_row(record: Record) -> tuple[dict[str, Any], State | None]:
    """The row as `row_of` gives it, and the state that it tells of; `None` if the record is damaged."""
    row: dict[str, Any] = dict.fromkeys(KEYS)
    row.update(
        path=path_of(record), id=record.id, config={}, others=[], scope={}, uses={}, observed=[], record={}
    )
    try:
        document = record.document
        request = document["request"]
        row.update(
            module=request["module"],
            nickname=document.get("nickname"),
            seed=document.get("seed"),
            trial=request.get("trial"),
            counter=request.get("counter"),
            timestamp=document.get("timestamp"),
            config=flat(request["config"]),
            scope=flat(request.get("scope") or {}),
        )
        row["class"] = request["class"]
        if not (isinstance(row["module"], str) and isinstance(row["class"], str)):
            raise KeyError("module")
        state = record.state()
        _add_state(row, record, state)
    except RemovedRecord:
        raise
    except (StorageError, OSError) as error:
        return _damaged(row, str(error)), None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        told = f"{record.meta} holds what no record has ({type(error).__name__}: {error}). Restore it, or move it away."
        return _damaged(row, told), None
    try:
        row["record"] = last_row(record.directory + os.sep + MEASUREMENTS) or {}
    except StorageError as error:  # the table alone is damaged: the state is known, and the files are there
        row["evidence"] += f"; {error}"
    return row, state


def _damaged(row: dict[str, Any], evidence: str) -> dict[str, Any]:
    """The row of a record that can not be read: which it is, and why."""
    known = {key: row[key] for key in ("module", "class", "nickname") if isinstance(row[key], str)}
    return {**dict.fromkeys(KEYS), **_NOTHING, **known, "path": row["path"], "id": row["id"]} | {
        "status": DAMAGED,
        "evidence": evidence,
    }


def path_of(record: Record) -> str:
    """Where a record lies: its directory relative to the storage, with `/`."""
    root = record.root + os.sep
    if record.directory.startswith(root):
        return record.directory[len(root) :].replace(os.sep, "/")
    return os.path.relpath(record.directory, record.root).replace(os.sep, "/")


def _add_state(row: dict[str, Any], record: Record, state: State) -> None:
    row.update(status=str(state.status), evidence=state.evidence, attempts=0)
    attempt = state.attempt
    for found in inputs_of(record, state):
        if found.name is None:
            row["observed"].append(found.id)
        else:
            row["uses"][found.name] = found.id
    if attempt is None:
        return
    started, end = attempt.started, state.end
    row["others"] = list(started.get("values") or ())
    row["config"].update(started.get("values") or {})
    row.update(
        execution=started.get("execution"),
        started=started.get("time"),
        ended=end.get("time"),
        seconds=end.get("seconds"),
        attempts=attempt.number,
        engine=started.get("engine"),
        host=attempt.owner.get("host"),
        exception=exception_line(end),
        code=started.get("code"),
    )
