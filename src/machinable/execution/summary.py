"""Components as a table: what varies between them, what they measured last, how long they took, how they ended."""

from __future__ import annotations

import os

from machinable.component.checkpoint import TABLE
from machinable.component.table import last_row
from machinable.config.dotted import flat
from machinable.errors import MachinableError
from machinable.execution.columns import Names, cells
from machinable.execution.tables import html_of, text_of
from machinable.identity.ids import component_id
from machinable.records.record import State
from machinable.types import Status

__all__ = ["component_rows", "html_of_rows", "html_table", "outline", "text_of_rows", "text_table"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from machinable.component.component import Component
    from machinable.execution.columns import Column

    Row = dict[str, Any]

SHOWN = 30

#: Of more components than these, the states are not all read to find those that failed.
_LOOKED_THROUGH = 1000
_BAD = (Status.FAILED, Status.LOST, Status.INTERRUPTED, Status.BLOCKED)


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
    rows, chosen = _rows_of(components, failed, shown)
    return text_of_rows(rows, chosen=chosen, width=columns)


def html_table(
    components: Sequence[Component], *, failed: Collection[str] | None = None, shown: int = SHOWN
) -> str:
    """The table for a notebook."""
    rows, chosen = _rows_of(components, failed, shown)
    return html_of_rows(rows, chosen=chosen)


def component_rows(
    components: Sequence[Component], *, failed: Collection[str] | None = None, shown: int = SHOWN
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: ID, module if it varies, trial if there are several, parameters, measurements, time, status.

    In the given order; of more than `shown`, those that failed come first.
    """
    rows, chosen = _rows_of(components, failed, shown)
    return cells([rows[index] for index in chosen], _columns(rows))


def text_of_rows(
    rows: Sequence[Row], *, chosen: Sequence[int] | None = None, width: int | None = None
) -> str:
    """The same of rows (see `records/row.py`).

    Args:
        chosen: The positions of those to show; by default the first, or those that failed.
        width: How wide it may be; measurements that do not fit are left out.
    """
    if not rows:
        return ""
    shown = [rows[index] for index in (_chosen(rows) if chosen is None else chosen)]
    columns, left_out = _columns(rows), 0
    text = text_of(*cells(shown, columns))
    while width is not None and max(map(len, text.split("\n"))) > width:
        measured = [position for position, column in enumerate(columns) if column.kind == "record"]
        if not measured:
            break
        left_out += 1
        del columns[measured[-1]]
        text = text_of(*cells(shown, columns))
    more = [f"… and {len(rows) - len(shown)} more"] if len(rows) > len(shown) else []
    if left_out:
        more.append(f"… and {left_out} more column{'s' if left_out > 1 else ''}, too wide for this terminal")
    return "\n".join([text, *more])


def html_of_rows(rows: Sequence[Row], *, chosen: Sequence[int] | None = None) -> str:
    """The same for a notebook."""
    if not rows:
        return "<p>no components</p>"
    shown = [rows[index] for index in (_chosen(rows) if chosen is None else chosen)]
    more = f"<p>… and {len(rows) - len(shown)} more</p>" if len(rows) > len(shown) else ""
    return html_of(*cells(shown, _columns(rows))) + more


def outline(component: Component, known: dict[int, Row] | None = None) -> Row:
    """What is known of a component without a look at its record, as a row.

    Args:
        known: What was found for the resolutions of others, which trials of one entry of a plan share.
    """
    request, resolution = component._request, component._resolution
    configured = (known or {}).get(id(resolution))
    if configured is None:
        others = resolution.others
        configured = {"config": {**flat(resolution.identifying), **others}, "others": list(others)}
        if known is not None:
            known[id(resolution)] = configured
    return {
        "module": request.module,
        "class": request.class_name,
        "trial": request.trial,
        "seed": request.seed,
        "scope": flat(request.scope),
        "uses": {name: component_id(identity) for name, identity in request.uses.items()},
        **configured,
    }


def _columns(rows: Sequence[Row]) -> list[Column]:
    """Those of a table for people: without a date, for which there is seldom room."""
    return [column for column in Names(rows).chosen() if (column.kind, column.key) != ("field", "started")]


def _rows_of(
    components: Sequence[Component], failed: Collection[str] | None, shown: int
) -> tuple[list[Row], list[int]]:
    """A row of each, and the positions of those to show, which alone are complete."""
    known: dict[int, Row] = {}
    rows = [outline(component, known) for component in components]
    if len(components) <= shown:
        chosen = list(range(len(components)))
    else:
        if failed is not None:
            bad = [index for index, each in enumerate(components) if each._request.identity in failed]
        elif len(components) <= _LOOKED_THROUGH:
            bad = [index for index, each in enumerate(components) if _state_of(each).status in _BAD]
        else:
            bad = []
        chosen = _bad_first(bad, len(components), shown)
    for index in chosen:
        component = components[index]
        state = _state_of(component)
        seconds = state.end.get("seconds")
        rows[index].update(
            id=component.id,
            record=_measured(component),
            seconds=seconds if isinstance(seconds, (int, float)) else None,
            status=str(_status_of(component, state, failed)),
        )
    return rows, chosen


def _chosen(rows: Sequence[Row], shown: int = SHOWN) -> list[int]:
    if len(rows) <= shown:
        return list(range(len(rows)))
    return _bad_first([i for i, row in enumerate(rows) if row.get("status") in _BAD], len(rows), shown)


def _bad_first(bad: list[int], total: int, shown: int) -> list[int]:
    bad = bad[:shown]
    known = set(bad)
    others = (index for index in range(total) if index not in known)
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


def _measured(component: Component) -> Row:
    directory = component.directory
    try:
        row = last_row(os.path.join(directory, TABLE)) if directory is not None else None
    except MachinableError:
        return {}
    return row or {}
