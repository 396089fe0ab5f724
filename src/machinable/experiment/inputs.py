"""The inputs of planned components: other components of the plan, or what `get` would give."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from machinable.component.component import Component
from machinable.component.core import Core
from machinable.component.uses import named, resolve_uses
from machinable.errors import ConfigurationError, ProjectError
from machinable.experiment.planned import Spec
from machinable.modules.importing import has_module
from machinable.wording import listed, nearest

__all__ = ["connect", "key_of", "wanted_inputs"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from typing import Any

    Called = Mapping[str, Mapping[Spec, None]]  # the components of the plan, by what it calls them


def wanted_inputs(module: str, cls: type[Component], given: Any) -> dict[str, Any]:
    """What is asked for, by name: what the class declares, each replaced by the one given under its name."""
    return {**named(module, cls.uses), **named(module, given)}


def key_of(wanted: Mapping[str, Any]) -> Hashable:
    """What is equal for components that ask for the same inputs."""
    return tuple(sorted((name, _key(target)) for name, target in wanted.items()))


def _key(target: Any) -> str:
    if isinstance(target, str):
        return target
    if isinstance(target, Component):
        return f"component {target.identity}"
    return f"{type(target).__name__} {id(target) if isinstance(target, type) else repr(target)}"


def connect(specs: Iterable[Spec], called: Called, core: Core) -> None:
    """Finds the inputs of all components of the plan.

    Raises:
        ConfigurationError: If an input could be several components, has too few trials, can not be found, or if
            components use each other in a circle.
        ProjectError: If the module of an input can not be imported.
    """
    found: dict[int, dict[str, Spec | Component]] = {}  # versions of one entry share what they ask for
    sources: dict[Spec, None] = {}
    for spec in specs:
        if not spec.wanted:
            continue
        inputs = found.get(id(spec.wanted))
        if inputs is None:
            inputs = found[id(spec.wanted)] = {
                name: _find(spec, name, target, called, core) for name, target in spec.wanted.items()
            }
        spec.inputs = inputs
        for name, source in inputs.items():
            if isinstance(source, Spec):
                sources[source] = None
                if source.total != 1 and source.total < spec.total:
                    raise ConfigurationError(
                        f"{spec} has {spec.total} trials, but its input {name!r}, {source} of the plan, has "
                        f"{source.total}. Give it as many trials, or a single one."
                    )
    _refuse_circles(sources)


def _find(spec: Spec, name: str, target: Any, called: Called, core: Core) -> Spec | Component:
    if isinstance(target, str):
        several = called.get(target, {})
        if len(several) == 1:
            return next(iter(several))
        if several:
            raise ConfigurationError(
                f"{spec.label}: the input {name!r} could be any of {len(several)} components that the plan calls "
                f"{target!r}: {listed(map(str, several), 4)}. Plan one of them with a name of its own (name=...)."
            )
    try:
        return resolve_uses(spec.name, None, {name: target}, core, Component)[name]
    except ProjectError as error:
        if not isinstance(target, str) or has_module(core.project, target):
            raise
        near = nearest(target, called)
        if near is None:
            raise ProjectError(f"{spec.label}: the input {name!r} can not be found. {error}") from error
        raise ConfigurationError(
            f"{spec.label}: the input {name!r} is {target!r}, which is neither a component of the plan nor a module "
            f"of the project. Did you mean {near!r}?"
        ) from error


def _refuse_circles(sources: Iterable[Spec]) -> None:
    # Only what is itself an input can be part of a circle.
    graph: TopologicalSorter[Spec] = TopologicalSorter()
    for spec in sources:
        graph.add(spec, *(source for source in spec.inputs.values() if isinstance(source, Spec)))
    try:
        graph.prepare()
    except CycleError as error:
        chain = " → ".join(spec.label for spec in reversed(error.args[1]))
        raise ConfigurationError(
            f"The plan uses its components in a circle: {chain}. Remove one of these inputs."
        ) from None
