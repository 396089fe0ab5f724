"""Executions that come with machinable, by short name."""

from __future__ import annotations

from importlib import import_module

from machinable.errors import ConfigurationError

__all__ = ["BUILT_IN", "argument_version", "find_engine"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.execution.execution import Execution

#: Module and class of each built-in engine, imported when it is asked for.
BUILT_IN = {
    "dry": ("machinable.engines.dry", "Dry"),
    "native": ("machinable.engines.native", "Native"),
    "multiprocess": ("machinable.engines.multiprocess", "Multiprocess"),
}


def find_engine(name: str) -> type[Execution] | None:
    """The engine of this short name, if there is one. `name:argument` is for its own class to read."""
    short, colon, argument = name.partition(":")
    if short not in BUILT_IN:
        return None
    module, attribute = BUILT_IN[short]
    cls: type[Execution] = getattr(import_module(module), attribute)
    if colon and not hasattr(cls, "from_argument"):
        raise ConfigurationError(f"The engine {short!r} takes no argument, but {argument!r} was given.")
    return cls


def argument_version(name: str, cls: type[Execution]) -> dict[str, Any]:
    """What the argument in `name:argument` sets in the configuration of the engine `cls` that `name` stands for.

    Raises:
        ConfigurationError: If the engine can not make anything of it.
    """
    short, colon, argument = name.partition(":")
    if not colon or short not in BUILT_IN or cls.__module__ != BUILT_IN[short][0]:
        return {}
    version: dict[str, Any] = cls.from_argument(argument)  # type: ignore[attr-defined]
    return version
