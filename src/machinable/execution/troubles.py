"""What went wrong in a run, in words: the first failure at length, equal ones together."""

from __future__ import annotations

import os
import re

from machinable.config.dotted import flat
from machinable.errors import MachinableError
from machinable.execution.failures import log_of
from machinable.execution.tables import cell, one_line, place
from machinable.store.memory import is_memory
from machinable.wording import duration

__all__ = [
    "exception_of",
    "first_failure",
    "grouped_failures",
    "kind_of_failure",
    "later_failure",
    "retry_of",
    "title_of",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.execution.run import Run
    from machinable.types import Status

_FRAME = re.compile(r'  File ".*", line \d+')
_CODE = re.compile(r"exit code -?\d+|signal \d+|SIG[A-Z]+")

#: How many innermost frames have to be equal for two failures to be one.
_FRAMES = 3
_TAIL_LINES = 8

#: Tracebacks are read of so many failures; the others are grouped by their reasons.
_READ = 1000
_GROUPS = 8


def first_failure(
    component: Component, status: Status, reason: str | None, seconds: float | None, retry: str | None
) -> str:
    """The failure that is told at length: configuration, reason, place in the code, log, and how to run it again."""
    took = f" after {duration(seconds)}" if seconds is not None else ""
    lines = [f"{status}: {title_of(component)}{took}"]
    changed = _changed(component)
    if changed:
        lines.append(f"  {changed}")
    lines += [f"  {line}" for line in _tail(component)] or [f"  {one_line(reason or str(status))}"]
    log = log_of(component)
    if log is not None:
        lines.append(f"  log: {place(log)}")
    if retry is not None:
        lines.append(f"  retry: {retry}")
    return "\n".join(lines)


def later_failure(component: Component, status: Status, reason: str | None) -> str:
    """Any other failure, in one line."""
    changed = _changed(component, 60)
    reason = (reason or "").removeprefix(f"{status}: ")
    said = f": {one_line(reason, 100)}" if reason.strip() else ""
    return f"{status}: {title_of(component)}{f' ({changed})' if changed else ''}{said}"


def grouped_failures(run: Run) -> str:
    """All failures of a run: those with the same exception at the same place once, with an example of them."""
    groups: dict[tuple[str, ...], list[Component]] = {}
    reasons: dict[tuple[str, ...], str] = {}
    for position, (identity, reason) in enumerate(run.failures.items()):
        component = run.components[identity]
        key = kind_of_failure(component, reason, position < _READ)
        groups.setdefault(key, []).append(component)
        reasons.setdefault(key, reason)
    lines = [f"{len(run.failures)} of {len(run.components)} did not finish:"]
    ranked = sorted(groups.items(), key=lambda entry: -len(entry[1]))
    for key, members in ranked[:_GROUPS]:
        lines.append(f"  {len(members)} × {one_line(reasons[key])}")
        if key[0].startswith(("blocked", "not started")):
            continue
        changed = _changed(members[0], 80)
        example = "for example " if len(members) > 1 else ""
        lines.append(f"      {example}{title_of(members[0])}{f' ({changed})' if changed else ''}")
        lines += [f"      {line}" for line in _tail(members[0])[:-1]]
        log = log_of(members[0])
        if log is not None:
            lines.append(f"      log: {place(log)}")
    if len(ranked) > _GROUPS:
        lines.append(f"  … and {len(ranked) - _GROUPS} other kinds")
    return "\n".join(lines)


def title_of(component: Component) -> str:
    """Module and ID, and the trial where there are several."""
    trial = component.trial
    return f"{component.module} {component.id}" + (f" trial {trial.number}" if trial.total > 1 else "")


def _changed(component: Component, longest: int = 160) -> str:
    """What differs from the defaults."""
    try:
        update = flat(component._resolution.update)
    except MachinableError:
        return ""
    return one_line(", ".join(f"{key}={cell(value)}" for key, value in update.items()), longest)


def retry_of(component: Component) -> str | None:
    """The Python that runs it again, wherever that is typed; `None` where nothing outlives this process."""
    directory = component.directory
    if directory is None or is_memory(component._core.storage):
        return None
    return f"get.from_directory({os.path.abspath(directory)!r}).launch()"


def exception_of(component: Component) -> dict[str, Any]:
    """The exception that the record of the last attempt tells of: type, message and traceback."""
    try:
        found = component._state().end.get("exception")
    except (MachinableError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _tail(component: Component) -> list[str]:
    """The last lines of the traceback: the innermost frame of the user's code, and the exception."""
    traceback = str(exception_of(component).get("traceback") or "")
    lines = [_clean(line) for line in traceback.rstrip().split("\n")] if traceback else []
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    return lines[max(frames[-1] if frames else 0, len(lines) - _TAIL_LINES) :]


def _clean(line: str) -> str:
    start = len(line) - len(line.lstrip(" "))
    return " " * start + one_line(_short_path(line))


def _short_path(line: str) -> str:
    match = re.match(r'  File "(.*)", line', line)
    return line.replace(match[1], place(match[1]), 1) if match and os.path.isabs(match[1]) else line


def kind_of_failure(component: Component, reason: str, read: bool = True) -> tuple[str, ...]:
    """What equal failures have in common: the exception's type, and the innermost frames of the user's code."""
    exception = exception_of(component) if read else {}
    if exception:
        frames = [line.strip() for line in str(exception.get("traceback")).split("\n") if _FRAME.match(line)]
        return (str(exception.get("type")), *frames[-_FRAMES:])
    if reason.startswith(("blocked", "not started")):
        return (reason,)
    return (reason.partition(":")[0], *_CODE.findall(reason))
