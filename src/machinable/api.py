"""`get`: from a name and a version to the one object that is meant."""

from __future__ import annotations

import os
import sys

from machinable import collection, context, index
from machinable.component.acquire import check_code
from machinable.component.building import construct
from machinable.component.component import Component
from machinable.component.loading import load_record
from machinable.component.lookup import find_counter
from machinable.config.dotted import flat
from machinable.config.schema import schema_of
from machinable.config.versions import normalise
from machinable.engines import argument_version, engine_names, find_engine
from machinable.engines.plugins import load_plugin
from machinable.errors import ConfigurationError, MachinableError, ProjectError, StorageError
from machinable.execution.execution import Execution
from machinable.execution.loading import LoadedExecution, load_by_id
from machinable.identity.canonical import plain
from machinable.interface import Index, Interface, Project, Scope, Storage
from machinable.modules.importing import find_class, has_module, name_of
from machinable.notices import notice
from machinable.records.changes import storage_of
from machinable.records.elsewhere import directory_at
from machinable.records.mirror.place import shown
from machinable.records.record import META, Record
from machinable.types import Status
from machinable.wording import nearest

__all__ = ["Component", "Execution", "Index", "Interface", "Project", "Scope", "Storage", "get"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from machinable.collection import Collection
    from machinable.interface import Version

_classes: dict[tuple[str, str], type[Interface]] = {}

_CONTEXTS: dict[str, type[Interface]] = {
    "scope": Scope,
    "storage": Storage,
    "project": Project,
    "index": Index,
}


class Get:
    """Gives the component (or execution, scope, storage) that a name and a version ask for.

        train = get("train", {"lr": 0.1})
        train.launch()

    Args:
        target: A module of the project (`"train"`, `"models.train"`, `"train:Second"`), an engine (`"native"`),
            `"scope"` or `"storage"`, or a class.
        version: What differs from the defaults of `Config`: a dict (keys may be dotted), `"~name"`, or a list of
            those, merged left to right.
        uses: Inputs by name, in place of those that the class declares.
        seed: In place of the derived one; part of the identity.
    Returns:
        The newest record that matches, or a fresh component.
    Raises:
        ProjectError: If there is no such module, it can not be imported, or it holds no interface, or several.
        ConfigurationError: If the version does not fit.
        StorageError: If the record is damaged.
    """

    def __call__(
        self,
        target: str | type[Interface],
        version: Version = None,
        *,
        uses: Any = None,
        seed: int | None = None,
    ) -> Any:
        try:
            component = self._make(target, version, uses, seed)
            if isinstance(component, Component):
                component._record  # noqa: B018 — looked for now, so that damage is told here
        except MachinableError as error:
            raise error.with_traceback(None)  # noqa: B904 — the line says it all; the way there is ours
        return component

    def _make(
        self, target: str | type[Interface], version: Version, uses: Any = None, seed: int | None = None
    ) -> Any:
        if isinstance(target, (list, tuple)) and target:
            target, version = target[0], [*target[1:], version] if version is not None else list(target[1:])
        elif isinstance(target, os.PathLike):
            target = os.fspath(target)
        cls = self.class_of(target)
        if issubclass(cls, Component):
            return construct(cls, version, uses=uses, seed=seed)
        if uses is not None:
            raise ConfigurationError(f"{target} is not a component, so it can not have inputs (uses).")
        if issubclass(cls, Execution):
            given = argument_version(target, cls) if isinstance(target, str) else {}
            return cls([given, version] if given and version is not None else version or given, seed=seed)
        if seed is not None:
            raise ConfigurationError(f"{target} is not a component, so it can not have a seed.")
        return cls(version if version is not None else {})

    def class_of(self, target: str | type[Interface]) -> type[Interface]:
        """The class that a name means, without configuring it. Raises ProjectError as `get` does."""
        if isinstance(target, type):
            if not issubclass(target, Interface):
                raise ProjectError(
                    f"{target.__name__} is not a component; derive it from machinable.Component."
                )
            return target
        if not isinstance(target, str) or not target:
            raise ProjectError(f"{target!r} is not a name of a module; give for instance get('train').")
        root = context.current().root()
        known = _classes.get((root, target))
        # A class that was replaced in its module (run again in a notebook, reloaded) is looked for anew.
        if known is not None:
            present: object = getattr(sys.modules.get(known.__module__), known.__name__, None)
            if present is known:
                return known
        found = _classes[root, target] = self._find(root, target)
        return found

    def _find(self, root: str, target: str) -> type[Interface]:
        if not has_module(root, target):
            engine = find_engine(target)
            if engine is not None:
                return engine
            if target in _CONTEXTS:
                return _CONTEXTS[target]
        try:
            return find_class(root, target, Interface)
        except ProjectError as error:
            if has_module(root, target):
                raise
            plugin = load_plugin(target)
            if plugin is not None:
                return plugin
            near = nearest(target, [*engine_names(), *_CONTEXTS])
            if near is None:
                raise
            raise ProjectError(
                f"{error} If an engine or a context is meant: did you mean {near!r}?"
            ) from None

    def new(
        self,
        target: str | type[Interface],
        version: Version = None,
        *,
        uses: Any = None,
        seed: int | None = None,
    ) -> Any:
        """A fresh component with a directory and a seed of its own, even if there is a result for the request."""
        component = self._make(target, version, uses, seed)
        return find_counter(component) if isinstance(component, Component) else component

    def all(self, target: str | type[Interface] | None = None, version: Version = None) -> Collection:
        """Every record of a module whose configuration has the given values; in any scope, with any seed or trial.

        Damaged records are named in a note, and left out.
        """
        surroundings = context.current()
        cls = self.class_of(target) if target is not None else None
        wanted = _wanted(version)
        root = surroundings.directory()
        found = index.open_index(root, surroundings.index)
        found.refresh()
        module = class_name = None
        if cls is not None:
            module, class_name = name_of(surroundings.root(), cls), cls.__qualname__
            if wanted and not schema_of(cls).free:
                _check_keys(
                    target, wanted, [*schema_of(cls).fields, *_parameters(found.names(module, class_name))]
                )
        for row in found.damaged(module):
            notice(f"left out: {row['evidence']}")

        def search(expression: str | None = None) -> Sequence[dict[str, Any]]:
            return found.select(expression, module=module, class_name=class_name, config=wanted)

        return collection.Collection.of(search, root, search)

    def cached(
        self,
        target: str | type[Interface],
        version: Version = None,
        *,
        uses: Any = None,
        seed: int | None = None,
    ) -> Component | None:
        """The component, if it is finished; else `None`."""
        return self._finished(target, version, uses, seed)[1]

    def cached_or_fail(
        self,
        target: str | type[Interface],
        version: Version = None,
        *,
        uses: Any = None,
        seed: int | None = None,
    ) -> Component:
        """The component, which has to be finished. Raises StorageError if it is not."""
        asked, found = self._finished(target, version, uses, seed)
        if found is None:
            raise StorageError(
                f"{asked.module} {asked.id} is not finished ({asked.status}: {asked.status_evidence}) in "
                f"{shown(asked._core.storage)}. Run it with .launch()."
            )
        return found

    def _finished(
        self, target: str | type[Interface], version: Version, uses: Any, seed: int | None
    ) -> tuple[Component, Component | None]:
        """The component that is asked for, and again, if it is finished."""
        component = self(target, version, uses=uses, seed=seed)
        if not isinstance(component, Component):
            raise ConfigurationError(f"{target} is not a component, so it has no results.")
        state = component._state()
        if state.status is not Status.FINISHED:
            return component, None
        check_code(component, state)
        return component, component

    def by_id(self, component_id: str) -> Component | LoadedExecution | None:
        """The component or execution with this ID, or with the only one that begins so; `None` if there is none.

        `"<execution>/<component>"` names a component of an execution. An execution comes with those of its components
        that have a record by now.

        Raises:
            ConfigurationError: If several IDs begin so.
        """
        if not isinstance(component_id, str) or not component_id:
            raise ConfigurationError(
                f"{component_id!r} is not an ID; give its first characters, such as '3fK'."
            )
        return load_by_id(context.current().directory(), component_id)

    def from_directory(self, path: str | os.PathLike[str]) -> Component:
        """The component whose record lies at `path`, which may be a URL. Raises StorageError if there is none."""
        directory = directory_at(os.fspath(path)) or os.path.abspath(os.path.expanduser(os.fspath(path)))
        found = os.path.exists(os.path.join(directory, META, "component.json"))
        record = Record.find(directory, storage_of(directory)) if found else None
        if record is None:
            raise StorageError(
                f"{shown(directory)} is not the directory of a component (it holds no {META}/component.json)."
            )
        return load_record(record, Component)


def _wanted(version: Version) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for layer in normalise(version):
        if not isinstance(layer, dict):
            raise ConfigurationError(f"get.all takes values to look for, not {layer!r}.")
        wanted.update({key: plain(value, key) for key, value in flat(layer).items()})
    return wanted


def _parameters(names: list[str]) -> list[str]:
    """The parameters among the names of an index."""
    return [name.removeprefix("config.") for name in names if name.startswith("config.")]


def _check_keys(target: Any, wanted: dict[str, Any], known: list[str]) -> None:
    for key in wanted:
        if key not in known and not any(path.startswith(f"{key}.") for path in known):
            near = nearest(key, known)
            hint = f"Did you mean {near!r}?" if near else f"They have: {', '.join(dict.fromkeys(known))}."
            raise ConfigurationError(f"No {target} has or had a configuration key {key!r}. {hint}")


get = Get()
