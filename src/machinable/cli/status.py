"""`machinable status`: the state of an execution or a component, and how it is known."""

from __future__ import annotations

import os

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import place, say
from machinable.cli.stored import (
    as_json,
    by_state,
    component_row,
    component_rows,
    lookup,
    one_id,
    storage_of,
    table_of,
    took,
)
from machinable.execution.reattach import Observer, coordinator_log
from machinable.execution.stored import StoredExecution
from machinable.execution.submissions import submissions
from machinable.execution.tables import pairs_of
from machinable.store import owner
from machinable.wording import counted, day

__all__ = ["HELP", "headline", "run", "run_line"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

HELP = """\
machinable status ID [--json]

Tells the state of each component of an execution, how that is known, and how many there are of each. ID is that of
an execution, of a component, or <execution>/<component>; its first characters will do.

States: pending, queued, running, finished, failed, interrupted, lost, blocked; damaged, where a record can not be read.

Options:
  --json            print it as JSON
  --storage URL     where the records are

Examples:
  machinable status OY1p1o
  machinable status OY1p1o/4fKq
  machinable status 4fKq0ZpT1xYc --json
"""


def run(words: list[str], options: Options) -> int:
    """Prints the state."""
    flags = parse_flags("status", words, options, switches=("--json",))
    found = lookup(storage_of(options), one_id("status", flags.words))
    if not isinstance(found, StoredExecution):
        row = component_row(found)
        say(as_json(row) if "--json" in flags else _component(row))
        return 0
    rows, runs = observed_rows(found), found.runs()
    if "--json" in flags:
        say(
            as_json(
                {
                    **{key: found.document.get(key) for key in ("id", "seed", "nickname", "timestamp")},
                    "directory": found.directory,
                    "counts": by_state(rows),
                    "runs": [run_row(each) for each in runs],
                    "components": rows,
                }
            )
        )
        return 0
    say(headline(found))
    if runs:
        say(f"  {'last run' if len(runs) > 1 else 'run'} {run_line(runs[-1], rows)}")
        log = coordinator_log(found.directory, str(runs[-1].get("run")))
        if os.path.exists(log):
            say(f"  its process writes to {place(log)}")
    if rows:
        say(table_of(rows))
    say(" · ".join(f"{count} {state}" for state, count in by_state(rows).items()) or "no components")
    return 0


def observed_rows(execution: StoredExecution) -> list[dict[str, Any]]:
    """What is known of each component of an execution, a scheduler's queue included."""
    rows = component_rows(execution)
    if submissions(execution.directory):
        observed = {each.entry.id: each for each in Observer(execution).observe()}
        for row in rows:
            if row["id"] in observed and row["state"] != "damaged":
                row.update(state=str(observed[row["id"]].status), evidence=observed[row["id"]].evidence)
    return rows


def headline(execution: StoredExecution) -> str:
    """The execution in one line."""
    document = execution.document
    return (
        f"execution {execution.id} ({document.get('nickname')}) · seed {document.get('seed')} · "
        f"{counted(len(execution.runs()), 'run')} · {place(execution.directory)}"
    )


def run_line(run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """A run in one line: when, by which engine, where, and whether its process lives."""
    row = run_row(run)
    if run.get("conducted") is False:
        return f"{day(row['time'])} by {row['engine']} on {row['host']} · left to the scheduler"
    process = {True: "is alive (process table)", False: _end_of(run, rows), None: "is on another machine"}
    return f"{day(row['time'])} by {row['engine']} on {row['host']} · its process {process[row['alive']]}"


def _end_of(run: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """How a process ended that is gone, as far as its components tell."""
    planned = {id_ for _, id_ in run.get("plan", ())}
    rows = [row for row in rows if row["id"] in planned]
    # How the process of a lost component ended is noted by the one that is asked about: that has lived on.
    lost = any(row["state"] == "lost" and "its process " not in row["evidence"] for row in rows)
    states = {row["state"] for row in rows}
    if lost or "running" in states:
        return "is gone without a word"
    if not states & {"pending", "queued"}:
        return "has ended"
    # Ctrl-C and --max-failures leave components behind that never started.
    stopped = states & {"interrupted", "failed", "lost"}
    return "has ended, before all of them had started" if stopped else "is gone without a word"


def run_row(run: dict[str, Any]) -> dict[str, Any]:
    """What is told of a run, as plain data."""
    engine = run.get("engine")
    return {
        "run": run.get("run"),
        "time": run.get("time", 0.0),
        "engine": engine.get("name") if isinstance(engine, dict) else None,
        "host": run.get("host"),
        "command": run.get("command"),
        "code": (run.get("code") or {}).get("hash"),
        "components": len(run.get("plan", ())),
        "alive": owner.token_is_alive(str(run.get("run"))),
    }


def _component(row: dict[str, Any]) -> str:
    lines = [f"{row['module'] or 'component'} {row['id']}: {row['state']}"]
    shown = {
        "known by": row["evidence"],
        "reason": row["exception"],
        "attempt": row["attempt"],
        "started": day(row["started"]) if row["started"] is not None else None,
        "took" if row["ended"] is not None else "for": took(row) or None,
        "execution": row["execution"],
        "engine": row["engine"],
        "directory": place(row["directory"]),
        "log": place(row["log"]) if row["log"] else None,
    }
    return "\n".join(lines + pairs_of([row for row in shown.items() if row[1] is not None]))
