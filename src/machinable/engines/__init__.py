"""Executions that come with machinable, by short name."""

from __future__ import annotations

from importlib import import_module

from machinable.engines.plugins import load_plugin, plugin_names
from machinable.errors import ConfigurationError

__all__ = ["BUILT_IN", "argument_version", "engine_names", "find_engine"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.execution.execution import Execution

#: Module and class of each built-in engine, imported when it is asked for.
BUILT_IN = {
    "dry": ("machinable.engines.dry", "Dry"),
    "native": ("machinable.engines.native", "Native"),
    "multiprocess": ("machinable.engines.multiprocess", "Multiprocess"),
    "slurm": ("machinable.engines.slurm", "Slurm"),
    "mpi": ("machinable.engines.mpi", "Mpi"),
    "dask": ("machinable.engines.dask", "Dask"),
    "ray": ("machinable.engines.ray", "Ray"),
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


def engine_names() -> list[str]:
    """The short names of all engines, those of other packages included."""
    return [*BUILT_IN, *(name for name in plugin_names() if name not in BUILT_IN)]


def argument_version(name: str, cls: type[Execution]) -> dict[str, Any]:
    """What the argument in `name:argument` sets in the configuration of the engine `cls` that `name` stands for.

    Raises:
        ConfigurationError: If the engine can not make anything of it.
    """
    short, colon, argument = name.partition(":")
    if not colon:
        return {}
    own = BUILT_IN[short][0] == cls.__module__ if short in BUILT_IN else load_plugin(name) is cls
    if not own:
        return {}
    version: dict[str, Any] = cls.from_argument(argument)  # type: ignore[attr-defined]
    return version
