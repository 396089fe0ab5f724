"""What nodes of a cluster may need of the coordinator: the code, and the records of inputs; shared when asked for."""

from __future__ import annotations

import os
import sys

from machinable import snapshot
from machinable.engines.parcel import pack
from machinable.engines.place import Marker, Site, working_directory
from machinable.notices import notice
from machinable.store.remote import store_of

__all__ = ["Depot"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.engines.library import Library
    from machinable.execution.run import Run


class Depot:
    """What the nodes need for a run.

    Attributes:
        site: What they are told of it.
        code: The zip of the snapshot, shared, once a node has asked for it.
        relays: Whether records come back through the cluster, since a node has said that it does not see the storage.
    """

    def __init__(self, run: Run, library: Library) -> None:
        core = next(iter(run.components.values()))._core
        self._library = library
        self._snapshot = snapshot.take(core.project, core.storage)
        self._marker = Marker(core.storage) if store_of(core.storage) is None else None
        self._inputs: dict[str, tuple[int, str, Any]] = {}
        self.code: Any = None
        self.relays = False
        self.site = Site(
            run.token,
            core.project,
            self._snapshot.hash,
            _storages(core.storage, list(run.components.values())),
            self._marker.name if self._marker is not None else None,
            working_directory(),
            sys.argv,
        )

    def supply(self, needs: tuple[str, ...]) -> None:
        """Has the tasks from now on bring along what a node lacks."""
        if "code" in needs and self.code is None:
            with open(self._snapshot.path, "rb") as file:
                self.code = self._library.share(file.read())
        if "storage" in needs and not self.relays:
            self.relays = True
            notice(
                f"nodes do not see {self.site.storages[0]}: records come back through the cluster when they end",
                once=f"relay {self.site.run}",
            )

    def inputs_of(self, component: Component) -> list[tuple[int, str, Any]]:
        """The records of a component's inputs, and of theirs, shared. See `Order.inputs`."""
        found = []
        for used in _inputs_of(component):
            record = used._record
            if record is None:
                continue
            if record.directory not in self._inputs:
                storage = used._core.storage
                self._inputs[record.directory] = (
                    self.site.storages.index(storage),
                    os.path.relpath(record.directory, storage),
                    self._library.share(pack(record.directory, checkpoints=0)),
                )
            found.append(self._inputs[record.directory])
        return found

    def close(self) -> None:
        """Removes what the run has put anywhere."""
        if self._marker is not None:
            self._marker.remove()
        if self.code is not None or self.relays:
            self._library.clear(self.site.run)


def _storages(first: str, components: list[Component]) -> list[str]:
    storages = [first]
    for component in components:
        for each in (component, *_inputs_of(component)):
            if each._core.storage not in storages:
                storages.append(each._core.storage)
    return storages


def _inputs_of(component: Component) -> list[Component]:
    found: dict[str, Component] = {}
    waiting = list(component.uses.values()) if component.uses else []
    while waiting:
        used = waiting.pop()
        if used._request.identity not in found:
            found[used._request.identity] = used
            waiting.extend(used.uses.values() if used.uses else ())
    return list(found.values())
