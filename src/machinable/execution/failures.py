"""The error at the end of a run that failed: what, why, and where the logs are."""

from __future__ import annotations

import os

from machinable.errors import ExecutionFailed, MachinableError
from machinable.execution.tables import one_line
from machinable.records.claim import log_name

__all__ = ["execution_failed", "log_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.execution.run import Run

#: How many failures the message lists; `failures` has them all.
_LISTED = 10

#: How many characters of a reason it shows.
_LONGEST = 300

#: What the reason of a component begins with that did not raise an exception.
_KINDS = ("interrupted", "lost", "blocked", "not started", "not dispatched")


def execution_failed(run: Run) -> ExecutionFailed:
    """Lists the failures of a run. The cause is the first component's own exception."""
    failures: list[tuple[str, str, str]] = []
    counts: dict[str, int] = {}
    lines: list[str] = []
    cause: BaseException | None = None
    for identity, reason in run.failures.items():
        component = run.components[identity]
        failures.append((component.module, component._request.id, reason))
        kind = _kind_of(reason)
        counts[kind] = counts.get(kind, 0) + 1
        if len(lines) < _LISTED:
            log = log_of(component)
            lines.append(
                f"  {component.module} {component.id}: {one_line(reason, _LONGEST)}"
                + (f" · log: {log}" if log else "")
            )
        if cause is None:
            cause = component._core.exception or run.unpicklable.get(identity) or run.unpicklable.get("")
    if len(failures) > _LISTED:
        lines.append(f"  … and {len(failures) - _LISTED} more")
    what = "failed" if list(counts) == ["failed"] else "did not finish"
    if what != "failed":
        what += f" ({', '.join(f'{count} {kind}' for kind, count in counts.items())})"
    head = f"{len(failures)} of {len(run.components)} components {what}; launching again resumes them:"
    error = ExecutionFailed("\n".join([head, *lines]), tuple(failures))
    error.__cause__ = cause
    return error


def _kind_of(reason: str) -> str:
    kind = reason.partition(":")[0]
    return kind if kind in _KINDS else "failed"


def log_of(component: Component) -> str | None:
    """The path of the last attempt's log, if it has one."""
    try:
        record = component._record
        attempt = record.state().attempt if record is not None else None
    except MachinableError:
        return None
    if record is None or attempt is None:
        return None
    path = os.path.join(record.directory, log_name(attempt.number))
    return path if os.path.exists(path) else None
