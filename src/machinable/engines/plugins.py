"""Engines of other packages: those that the entry points `machinable.engines` of what is installed name."""

from __future__ import annotations

from machinable.errors import ConfigurationError

__all__ = ["GROUP", "load_plugin", "plugin_names"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from machinable.execution.execution import Execution

GROUP = "machinable.engines"

_found: dict[str, EntryPoint] | None = None


def plugin_names() -> list[str]:
    """The names of the engines that other packages bring along."""
    return sorted(_entry_points())


def load_plugin(name: str) -> type[Execution] | None:
    """The engine of this short name from another package; `None` if there is none. `name:argument` is left to it.

    Raises:
        ConfigurationError: If it can not be loaded, or takes no argument.
    """
    short, colon, argument = name.partition(":")
    entry = _entry_points().get(short)
    if entry is None:
        return None
    try:
        cls: type[Execution] = entry.load()
    except Exception as error:
        raise ConfigurationError(
            f"The engine {short!r} ({entry.value}) can not be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(cls, type):
        raise ConfigurationError(f"The engine {short!r} ({entry.value}) is no class.")
    if colon and not hasattr(cls, "from_argument"):
        raise ConfigurationError(f"The engine {short!r} takes no argument, but {argument!r} was given.")
    return cls


def _entry_points() -> dict[str, EntryPoint]:
    global _found
    if _found is None:
        from importlib.metadata import entry_points

        _found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return _found
