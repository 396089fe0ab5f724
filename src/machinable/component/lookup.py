"""From a request to the record that answers it: the exact one, its newest counter, or one of an earlier shape."""

from __future__ import annotations

from machinable import context
from machinable.component.shapes import find_by_shape
from machinable.errors import DamagedRecord, RemovedRecord, StorageError
from machinable.records.elsewhere import exists, trust
from machinable.records.record import Record

__all__ = ["find_counter", "find_exact", "find_record", "next_counter"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from machinable.component.component import Component
    from machinable.component.core import Core
    from machinable.identity.request import Request

    AnyComponent = TypeVar("AnyComponent", bound=Component)


def find_record(component: Component) -> Record | None:
    """The record of a component. Where newer counters of the same request exist, the newest is taken.

    Raises:
        StorageError: If the record is damaged otherwise than by a crash, or belongs to another identity.
    """
    core, request = component._core, component._request
    try:
        record = find_exact(core, request)
    except RemovedRecord:
        return _find_newer(core, request, None)
    if record is None:
        record = None if core.pinned else find_by_shape(component)
        core.looked = record is None
        return record
    # An execution that dispatches it has looked for newer ones when it began.
    return record if core.pinned or core.ticket is not None else _find_newer(core, request, record)


def _find_newer(core: Core, request: Request, record: Record | None) -> Record | None:
    """The record with the highest counter; where none is left, the request becomes the first that has no name."""
    newer = request.with_counter(request.counter + 1)
    while exists(core.storage, core.path_of(newer.id)):
        try:
            found = find_exact(core, newer)
        except RemovedRecord:
            found = None
        if found is not None:
            core.request, record = newer, found
        newer = newer.with_counter(newer.counter + 1)
    if record is None:
        core.request, core.looked = newer, True
    return record


def find_exact(core: Core, request: Request) -> Record | None:
    """The record of exactly this request. One that a crash has cut counts as none: the next launch clears it away."""
    if core.ticket is not None:
        trust(core.storage, core.path_of(request.id))
    try:
        record = Record.find(core.path_of(request.id), core.storage)
    except DamagedRecord as error:
        if error.recoverable:
            return None
        raise
    if record is not None and record.document.get("identity") != request.identity:
        raise StorageError(
            f"{record.directory} belongs to another component (identity {record.document.get('identity')}, asked for "
            f"{request.identity}). Use another storage for one of them."
        )
    return record


def find_counter(component: AnyComponent) -> AnyComponent:
    """A fresh component with the request of `component` and the first counter that nobody has."""
    core = component._core
    before = context.replace(core.context())
    try:
        fresh = type(component)(component._layers, uses=component.uses or None, seed=core.seed)
    finally:
        context.replace(before)
    fresh._core.home, fresh._core.trial = core.home, core.trial
    fresh._core.request = next_counter(core, component._request.with_counter(0))
    fresh._core.pinned = fresh._core.fresh = True
    return fresh


def next_counter(core: Core, request: Request) -> Request:
    """The request with the first counter from its own on that has no record."""
    while exists(core.storage, core.path_of(request.id)):
        request = request.with_counter(request.counter + 1)
    return request
