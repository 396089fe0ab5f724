"""`machinable code`: the code of an execution, as it was."""

from __future__ import annotations

import os

from machinable import snapshot
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.stored import as_json, component_row, lookup, one_id, storage_of
from machinable.errors import ConfigurationError, StorageError
from machinable.execution.stored import StoredExecution, find
from machinable.records.record import META, Record
from machinable.wording import counted

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELP = """\
machinable code ID --to DIR [--json]

Restores the code that the last run of an execution ran, or that a component of an execution ran, into a directory that
does not exist yet, or is empty. A component launched by itself has no snapshot: only executions take one.

Options:
  --to DIR          where to
  --json            print what was restored as JSON
  --storage URL     where the records are

Examples:
  machinable code OY1p1o --to ../as-it-was
  machinable code OY1p1o/4fKq --to ../code
"""

_NAMED = 5


def run(words: list[str], options: Options) -> int:
    """Restores the code."""
    flags = parse_flags("code", words, options, valued={"--to": "../as-it-was"}, switches=("--json",))
    text = one_id("code", flags.words)
    to = flags.get("--to")
    if to is None:
        raise ConfigurationError(
            f"Where to is missing. Name a directory: machinable code {text} --to ../as-it-was"
        )
    root = storage_of(options)
    code = _code_of(root, lookup(root, text))
    target = os.path.abspath(os.path.expanduser(to))
    if os.path.isdir(target) and os.listdir(target):
        raise ConfigurationError(
            f"{place(target)} is not empty. Name a directory that is, or that does not exist yet."
        )
    files = snapshot.restore(os.path.join(root, META, "code", f"{code['hash']}.zip"), target)
    left_out = code.get("left_out") or {}
    if "--json" in flags:
        kept = {key: code.get(key) for key in ("hash", "commit", "branch", "dirty")}
        say(as_json({**kept, "files": files, "directory": target, "left_out": left_out}))
        return 0
    say(f"restored {counted(files, 'file')} to {place(target)} ({_described(code)})")
    if left_out:
        names = [f"{name} ({reason})" for name, reason in list(left_out.items())[:_NAMED]]
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        note(f"machinable: these are not in the snapshot: {', '.join(names)}{more}")
    return 0


def _described(code: dict[str, Any]) -> str:
    parts = [f"snapshot {code['hash'][:12]}"]
    if code.get("commit"):
        branch = f" of {code['branch']}" if code.get("branch") else ""
        parts.append(f"commit {code['commit'][:10]}{branch}{' with changes' if code.get('dirty') else ''}")
    return ", ".join(parts)


def _code_of(root: str, found: Record | StoredExecution) -> dict[str, Any]:
    """What the run says about its code: the last one, or that which ran a component last."""
    if isinstance(found, StoredExecution):
        runs = found.runs()
        name = f"execution {found.id}"
    else:
        row = component_row(found)
        name = f"{row['module']} {found.id}"
        started = found.state().attempt
        token = started.started.get("run") if started is not None else None
        if row["execution"] is None:
            raise StorageError(
                f"{name} was launched by itself, and only executions take a snapshot of the code. To have one, run it "
                f"with: machinable execute {row['module']}"
            )
        execution = find(root, row["execution"])
        if not isinstance(execution, StoredExecution):
            raise StorageError(
                f"{name} was run by the execution {row['execution']}, which is not in {place(root)}."
            )
        runs = [each for each in execution.runs() if each.get("run") == token]
    code = runs[-1].get("code") if runs else None
    if not isinstance(code, dict) or not isinstance(code.get("hash"), str):
        raise StorageError(f"{name} has no snapshot: no run of it says which code it ran.")
    return code
