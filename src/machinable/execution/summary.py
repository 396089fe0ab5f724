"""Components as a table: what varies between them, what they measured last, how long they took, how they ended."""

from __future__ import annotations

import os

from machinable.component.checkpoint import TABLE
from machinable.component.table import last_row
from machinable.config.dotted import ABSENT, flat
from machinable.errors import MachinableError
from machinable.execution.tables import cell, html_of, text_of
from machinable.records.record import State
from machinable.types import Status
from machinable.wording import duration

__all__ = ["component_rows", "html_table", "text_table", "varying"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from machinable.component.component import Component

SHOWN = 30

#: Of more components than these, the states are not all read to find those that failed.
_LOOKED_THROUGH = 1000
_BAD = (Status.FAILED, Status.LOST, Status.INTERRUPTED, Status.BLOCKED)
_DIGITS = 4
_OWN = ("id", "module", "trial", "time", "state")


def text_table(
    components: Sequence[Component],
    *,
    failed: Collection[str] | None = None,
    shown: int = SHOWN,
    columns: int | None = None,
) -> str:
    """The table as text.

    Args:
        failed: The identities of what failed, where known; of a long table these are shown first.
        columns: How wide it may be; measurements that do not fit are left out.
    """
    header, body = component_rows(components, failed=failed, shown=shown)
    text, left_out = text_of(header, body), 0
    first = _first_measurement(header, components)
    while (
        columns is not None and text and max(map(len, text.split("\n"))) > columns and first < len(header) - 2
    ):
        left_out += 1
        header, body = _without(header, -3), [_without(row, -3) for row in body]
        text = text_of(header, body)
    more = [f"… and {len(components) - len(body)} more"] if len(components) > len(body) else []
    if left_out:
        more.append(f"… and {left_out} more column{'s' if left_out > 1 else ''}, too wide for this terminal")
    return "\n".join([text, *more])


def html_table(
    components: Sequence[Component], *, failed: Collection[str] | None = None, shown: int = SHOWN
) -> str:
    """The table for a notebook."""
    if not components:
        return "<p>no components</p>"
    header, body = component_rows(components, failed=failed, shown=shown)
    more = f"<p>… and {len(components) - len(body)} more</p>" if len(components) > len(body) else ""
    return html_of(header, body) + more


def component_rows(
    components: Sequence[Component], *, failed: Collection[str] | None = None, shown: int = SHOWN
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: ID, module if it varies, trial if there are several, parameters, measurements, time, state.

    In the given order; of more than `shown`, those that failed come first.
    """
    keys, values = varying(components)
    chosen = _chosen(components, failed, shown)
    states = {index: _state_of(components[index]) for index in chosen}
    measured = {index: _measured(components[index]) for index in chosen}
    names = list(dict.fromkeys(name for row in measured.values() for name in row))
    modules = len({component.module for component in components}) > 1
    trials = any(component.trial.total > 1 for component in components)
    header = [
        "id",
        *(["module"] if modules else []),
        *(["trial"] if trials else []),
        *keys,
        *(f"{name} (record)" if name in keys or name in _OWN else name for name in names),
        "time",
        "state",
    ]
    body = []
    for index in chosen:
        component, state = components[index], states[index]
        body.append(
            [
                component.id,
                *([component.module] if modules else []),
                *([str(component.trial.number)] if trials else []),
                *(cell(values[index].get(key)) for key in keys),
                *(cell(measured[index].get(name), _DIGITS) for name in names),
                _time_of(state),
                str(_status_of(component, state, failed)),
            ]
        )
    return header, body


def varying(components: Sequence[Component]) -> tuple[list[str], list[dict[str, Any]]]:
    """The dotted names of the parameters that differ between components of a module, and the parameters of each."""
    seen: dict[int, dict[str, Any]] = {}  # trials of one entry of a plan share their resolution
    by_module: dict[str, list[dict[str, Any]]] = {}
    values = []
    for component in components:
        resolution = component._resolution
        if id(resolution) not in seen:
            seen[id(resolution)] = {**flat(resolution.identifying), **resolution.others}
            by_module.setdefault(component.module, []).append(seen[id(resolution)])
        values.append(seen[id(resolution)])
    keys: dict[str, None] = {}
    for members in by_module.values():
        for key in dict.fromkeys(key for each in members for key in each):
            if len({repr(each.get(key, ABSENT)) for each in members}) > 1:
                keys[key] = None
    return list(keys), values


def _chosen(components: Sequence[Component], failed: Collection[str] | None, shown: int) -> list[int]:
    """The positions of those to show."""
    if len(components) <= shown:
        return list(range(len(components)))
    if failed is not None:
        bad = [index for index, each in enumerate(components) if each._request.identity in failed]
    elif len(components) <= _LOOKED_THROUGH:
        bad = [index for index, each in enumerate(components) if _state_of(each).status in _BAD]
    else:
        bad = []
    bad = bad[:shown]
    others = (index for index in range(len(components)) if index not in set(bad))
    return [*bad, *(index for index, _ in zip(others, range(shown - len(bad)), strict=False))]


def _state_of(component: Component) -> State:
    try:
        return component._state()
    except (MachinableError, OSError) as error:
        return State(Status.PENDING, str(error))


def _status_of(component: Component, state: State, failed: Collection[str] | None) -> Status:
    """The state; of what did not even start because an input failed, that."""
    if state.status not in (Status.PENDING, Status.QUEUED):
        return state.status
    for used in component.uses.values():
        if used._request.identity in failed if failed is not None else _state_of(used).status in _BAD:
            return Status.BLOCKED
    return state.status


def _measured(component: Component) -> dict[str, Any]:
    directory = component.directory
    try:
        row = last_row(os.path.join(directory, TABLE)) if directory is not None else None
    except MachinableError:
        return {}
    return row or {}


def _time_of(state: State) -> str:
    seconds = state.end.get("seconds")
    if not isinstance(seconds, (int, float)):
        return ""
    return duration(seconds)


def _first_measurement(header: list[str], components: Sequence[Component]) -> int:
    keys, _ = varying(components)
    return 1 + ("module" in header) + ("trial" in header) + len(keys)


def _without(cells: list[str], position: int) -> list[str]:
    return [*cells[:position], *cells[position + 1 :]]
