"""From a target (a module name or a class) to a component that is configured, and not looked up yet."""

from __future__ import annotations

from machinable import context
from machinable.errors import ProjectError
from machinable.interface import Interface
from machinable.modules.importing import find_class

__all__ = ["build", "construct"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component


def build(target: str | type, version: Any, **arguments: Any) -> Component:
    """The component that `target` and `version` ask for in the present context.

    Raises:
        ProjectError: If there is no such module, or it holds no component.
        ConfigurationError: If the version does not fit.
    """
    cls = find_class(context.current().root(), target, Interface) if isinstance(target, str) else target
    if not hasattr(cls, "dispatch") or not hasattr(cls, "save_file"):
        raise ProjectError(f"{target} is not a component ({cls.__name__} is a {cls.__mro__[1].__name__}).")
    component: Component = construct(cls, version, **arguments)
    return component


def construct(cls: type[Any], version: Any, **arguments: Any) -> Any:
    """An object of an interface class. Raises ProjectError if its own `__init__` is in the way."""
    try:
        made = cls(version, **arguments)
    except TypeError as error:
        trace = error.__traceback__
        if trace is None or trace.tb_next is not None or not _has_own_init(cls):
            raise
        raise ProjectError(f"{_OWN_INIT.format(cls.__name__)} ({error}).") from None
    if not hasattr(made, "_view"):
        raise ProjectError(f"{_OWN_INIT.format(cls.__name__)}, or does not call that of its base class.")
    return made


_OWN_INIT = (
    "{} has an __init__ of its own, which is not needed (prepare things in on_create) and does not fit"
)


def _has_own_init(cls: type) -> bool:
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    return owner.__module__.partition(".")[0] != "machinable"
