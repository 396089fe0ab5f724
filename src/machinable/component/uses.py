"""Inputs: from `uses` (module names, components, IDs) to the components that are meant."""

from __future__ import annotations

from contextvars import ContextVar

from machinable import context
from machinable.component.building import build
from machinable.component.loading import load_by_id
from machinable.errors import ConfigurationError
from machinable.modules.importing import has_module

__all__ = ["describe_uses", "named", "resolve_uses"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.component.core import Core

_resolving: ContextVar[tuple[str, ...]] = ContextVar("machinable_resolving", default=())


def resolve_uses(
    module: str, declared: Any, given: Any, core: Core, fallback: type[Component]
) -> dict[str, Component]:
    """The inputs by name: those that the class declares, each replaced by the one given under its name.

    Raises:
        ConfigurationError: If an input is none, or modules use each other in a circle.
    """
    targets = {**named(module, declared), **named(module, given)}
    chain = (*_resolving.get(), module)
    if module in _resolving.get():
        raise ConfigurationError(f"uses goes in a circle: {' → '.join(chain)}. Remove one of these inputs.")
    token = _resolving.set(chain)
    before = context.replace(core.context())
    try:
        return {name: _component(module, name, target, core, fallback) for name, target in targets.items()}
    finally:
        context.replace(before)
        _resolving.reset(token)


def named(module: str, uses: Any) -> dict[str, Any]:
    """Inputs by name; a list is named by its modules."""
    if uses is None:
        return {}
    if isinstance(uses, dict):
        for name in uses:
            if not isinstance(name, str) or not name.isidentifier():
                raise ConfigurationError(
                    f"{module}: {name!r} can not be the name of an input; use an identifier."
                )
        return dict(uses)
    items = uses if isinstance(uses, (list, tuple)) else [uses]
    return {_name_of(module, item): item for item in items}


def describe_uses(uses: Any) -> dict[str, Any]:
    """The declared inputs as plain JSON, for the shape of the class."""
    return {name: _describe(target) for name, target in named("", uses).items()}


def _describe(target: Any) -> Any:
    if isinstance(target, str):
        return target
    if isinstance(target, (list, tuple)):
        return [_describe(target[0]), *target[1:]]
    if isinstance(target, type):
        return f"{target.__module__}:{target.__qualname__}"
    return [target.module, target._resolution.update]


def _name_of(module: str, target: Any) -> str:
    if isinstance(target, (list, tuple)) and target:
        target = target[0]
    if isinstance(target, str):
        return target.partition(":")[0].rpartition(".")[2]
    name = getattr(target, "module", None) or getattr(target, "__name__", "")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{module}: uses holds {target!r}; give module names or components.")
    return name.rpartition(".")[2]


def _component(module: str, name: str, target: Any, core: Core, fallback: type[Component]) -> Component:
    if hasattr(target, "_core"):
        return target  # type: ignore[no-any-return]
    if isinstance(target, (list, tuple)) and target and isinstance(target[0], (str, type)):
        return build(target[0], list(target[1:]))
    if isinstance(target, type):
        return build(target, None)
    if not isinstance(target, str):
        raise ConfigurationError(
            f"{module}: the input {name!r} is {target!r}; give a module name, a component, an ID, or [module, version]."
        )
    if target.isalnum() and not has_module(core.project, target):
        found = load_by_id(core.storage, target, fallback)
        if found is not None:
            return found
    return build(target, None)
