"""From a record back to a component object, whether or not its code is still there."""

from __future__ import annotations

import os
import sys

from machinable import context
from machinable.errors import ConfigurationError, MachinableError, StorageError
from machinable.identity.ids import component_id, is_component_id
from machinable.identity.request import Request
from machinable.interface import Interface
from machinable.modules.importing import find_class
from machinable.modules.naming import SESSION
from machinable.records.listing import records_in
from machinable.records.record import Record

__all__ = ["load_by_id", "load_record"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from machinable.component.component import Component


def load_by_id(root: str, text: str, fallback: type[Component]) -> Component | None:
    """The component of this ID, or of the only ID that begins so; `None` if there is none.

    Raises:
        ConfigurationError: If several IDs begin so.
        StorageError: If the record is damaged.
    """
    if is_component_id(text):
        record = Record.find(os.path.join(root, text), root)
        if record is not None:
            return load_record(record, fallback)
    found = list(records_in(root, text))
    if len(found) > 1:
        names = ", ".join(os.path.relpath(record.directory, root) for record in found[:5])
        raise ConfigurationError(
            f"{len(found)} components have an ID that begins with {text!r}: {names}. Give more digits."
        )
    return load_record(found[0], fallback) if found else None


def load_record(record: Record, fallback: type[Component]) -> Component:
    """The component of a record, as it was asked for then. Its class, or `fallback` where that can not be imported."""
    document = record.document
    try:
        request = Request.from_document(document["request"])
        timestamp = float(document["timestamp"])
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{record.meta}{os.sep}component.json lacks {error}. Restore the file, or move the record away."
        ) from error
    surroundings = context.current()
    inside = context.Context(surroundings.root(), record.root, request.scope)
    before = context.replace(inside)
    try:
        cls = _class_of(request, inside.root(), fallback)
        component = cls.__new__(cls)
        component._adopt(inside, request, record, timestamp)
        component.uses = _Inputs(record, request.uses, fallback)
        layers = [request.config, _other_values(record)]
        try:
            component._configure(layers, require=False)
        except ConfigurationError:  # the class has other fields by now: show what the record says
            bare = fallback.__new__(fallback)
            bare._configure(layers, require=False)
            component._layers, component._resolution, component._view = (
                bare._layers,
                bare._resolution,
                bare._view,
            )
    finally:
        context.replace(before)
    return component


def _class_of(request: Request, root: str, fallback: type[Component]) -> type[Component]:
    if request.module == SESSION:
        cls = _typed_class(request.class_name)
    else:
        try:
            cls = find_class(root, f"{request.module}:{request.class_name}", Interface)
        except MachinableError:
            return fallback
    return cls if isinstance(cls, type) and issubclass(cls, fallback) else fallback


def _typed_class(name: str) -> Any:
    """What has this name in the notebook or interpreter that runs here, if anything."""
    found: Any = sys.modules.get("__main__")
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _other_values(record: Record) -> dict[str, Any]:
    try:
        attempt = record.state().attempt
    except OSError:
        return {}
    values = attempt.started.get("values") if attempt is not None else None
    return values if isinstance(values, dict) else {}


class _Inputs(dict):  # type: ignore[type-arg]
    """The inputs of a loaded component, each looked for when it is asked for."""

    def __init__(self, record: Record, identities: dict[str, str], fallback: type[Component]) -> None:
        super().__init__()
        self._record, self._identities, self._fallback = record, identities, fallback

    def __missing__(self, name: str) -> Component:
        if name not in self._identities:
            raise KeyError(name)
        root = self._record.root
        asked = component_id(self._identities[name])
        attempt = self._record.state().attempt
        actual = attempt.started.get("uses", {}).get(name) if attempt is not None else None
        homes = dict.fromkeys(
            (os.path.dirname(self._record.directory), root)
        )  # of one plan, or asked for by `get`
        for directory in (os.path.join(home, id_) for id_ in (asked, actual) if id_ for home in homes):
            record = Record.find(directory, root)
            if record is not None:
                component = self[name] = load_record(record, self._fallback)
                return component
        raise StorageError(
            f"The input {name!r} of {self._record.directory} ({asked}) is not in this storage."
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._identities)

    def __len__(self) -> int:
        return len(self._identities)

    def __contains__(self, name: object) -> bool:
        return name in self._identities

    def keys(self) -> Any:
        return self._identities.keys()

    def values(self) -> Any:
        return [self[name] for name in self._identities]

    def items(self) -> Any:
        return [(name, self[name]) for name in self._identities]
