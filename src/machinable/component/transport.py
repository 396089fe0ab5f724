"""How a component travels to another process: as its request, under a kilobyte."""

from __future__ import annotations

import os
from contextvars import ContextVar

from machinable import context
from machinable.component.building import build
from machinable.component.launching import Ticket
from machinable.errors import ProjectError
from machinable.identity.request import Request
from machinable.modules.importing import travels_by_value
from machinable.records.mirror.place import store_at
from machinable.store.location import locate

__all__ = ["reduce_component", "relocated"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.component.trial import Trial


#: Where projects and storages lie for this process, by the paths that the sender of components knows.
relocated: ContextVar[dict[str, str]] = ContextVar("machinable_relocated", default={})  # noqa: B039 — never changed


class ByValue:
    """A class that other processes can not import (from a notebook, or a script's main module), as bytes."""

    __slots__ = ("data", "name")

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name  # qualified, which is part of the identity

    def __reduce__(self) -> tuple[Any, ...]:
        return ByValue, (self.data, self.name)

    def load(self) -> type:
        """The class. It is one's own code: the bytes come from the process that launched the component."""
        import cloudpickle

        loaded: type | None = _loaded.get(self.data)
        if loaded is None:
            loaded = _loaded[self.data] = cloudpickle.loads(self.data)
            loaded.__qualname__ = self.name  # cloudpickle leaves out what stands before the last dot
        return loaded


_loaded: dict[bytes, type] = {}
_dumped: dict[type, bytes] = {}


def reduce_component(component: Component) -> tuple[Any, ...]:
    """What pickle stores of a component. Raises what cloudpickle raises for a class that can not travel."""
    core, cls = component._core, type(component)
    target: Any = f"{core.name}:{cls.__qualname__}"
    if travels_by_value(cls):
        if cls not in _dumped:
            import cloudpickle

            _dumped[cls] = cloudpickle.dumps(cls)
        target = ByValue(_dumped[cls], cls.__qualname__)
    request = component._request
    store = store_at(core.storage)
    storage, home = core.storage, core.home
    if store is not None:  # each machine has a mirror of its own
        storage, home = store.url, os.path.relpath(home, storage)
    return _rebuild, (
        (core.project, storage, core.scope),
        home,
        core.name,
        target,
        component._resolution.update,
        dict(component.uses.items()),
        (core.seed, core.trial, core.global_seed, request.counter, core.pinned, core.fresh),
        core.looked and store is not None,
        request.identity,
        core.ticket,
        core.derived_from,
    )


def _rebuild(
    surroundings: tuple[str, str, dict[str, Any]],
    home: str,
    name: str,
    target: str | ByValue,
    update: dict[str, Any],
    uses: dict[str, Component],
    numbers: tuple[int | None, Trial | None, int | None, int, bool, bool],
    looked: bool,
    identity: str,
    ticket: Ticket | None,
    derived_from: str | None,
) -> Component:
    moved = relocated.get()
    if "://" in surroundings[1]:
        root = locate(surroundings[1])
        surroundings = (moved.get(surroundings[0], surroundings[0]), root, surroundings[2])
        home = os.path.normpath(os.path.join(root, home))
    elif moved:
        project, storage, scope = surroundings
        inside = os.path.relpath(home, storage)
        surroundings = (moved.get(project, project), moved.get(storage, storage), scope)
        home = os.path.normpath(os.path.join(surroundings[1], inside))
    before = context.replace(context.Context(*surroundings))
    try:
        seed, trial, global_seed, counter, pinned, fresh = numbers
        component = build(
            target.load() if isinstance(target, ByValue) else target, update, uses=uses, seed=seed
        )
        core = component._core
        core.name, core.home, core.trial, core.ticket = name, home, trial, ticket
        core.global_seed, core.pinned, core.fresh = global_seed, pinned, fresh
        core.derived_from = derived_from
        core.looked = looked  # a moment ago; the claim itself tells whether there is a record by now
        request = component._request
        core.request = request.with_counter(counter) if counter else request
        _verify(core.request, identity, name)
        return component
    finally:
        context.replace(before)


def _verify(request: Request, identity: str, name: str) -> None:
    if request.identity != identity:
        raise ProjectError(
            f"{name} changed between the launch and its start in this process: its configuration now has other "
            "defaults. Launch it again."
        )
