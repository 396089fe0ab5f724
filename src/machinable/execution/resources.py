"""What a component needs, in one vocabulary for all engines, and in the words of the engine besides."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.wording import nearest

__all__ = ["VOCABULARY", "Resources", "merged", "parse_resources", "resources_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from machinable.component.component import Component
    from machinable.execution.execution import Execution

#: The names that every engine understands, and what their values are.
VOCABULARY = {
    "cpus": "a whole number of at least 1",
    "gpus": "a number of at least 0",
    "memory_gib": "a number above 0",
    "time_minutes": "a number above 0",
    "nodes": "a whole number of at least 1",
}

#: Whose sections are left out by other engines.
_ENGINES = ("native", "multiprocess", "ray", "slurm", "dask", "mpi")


class Resources:
    """What one component needs. What was not said is `None`: the engine's default.

    Attributes:
        cpus: Cores, on each node.
        gpus: GPUs, on each node; engines that can share one take fractions.
        memory_gib: Memory on each node, in GiB.
        time_minutes: How long it may run, in minutes.
        nodes: Machines.
        native: Options of the engine itself, as they were given.
    """

    __slots__ = ("cpus", "gpus", "memory_gib", "native", "nodes", "time_minutes")

    def __init__(
        self,
        cpus: int | None = None,
        gpus: float | None = None,
        memory_gib: float | None = None,
        time_minutes: float | None = None,
        nodes: int | None = None,
        native: dict[str, Any] | None = None,
    ) -> None:
        self.cpus = cpus
        self.gpus = gpus
        self.memory_gib = memory_gib
        self.time_minutes = time_minutes
        self.nodes = nodes
        self.native = native if native is not None else {}

    def key(self) -> tuple[Any, ...]:
        """What components have in common that need the same."""
        return (
            *(getattr(self, name) for name in VOCABULARY),
            *sorted((name, repr(value)) for name, value in self.native.items()),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resources) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        said = {name: getattr(self, name) for name in VOCABULARY if getattr(self, name) is not None}
        return (
            f"Resources({', '.join(f'{name}={value!r}' for name, value in {**said, **self.native}.items())})"
        )


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Several sets of resources, the later over the earlier; the sections of engines are merged name by name."""
    result: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            before = result.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                result[name] = {**before, **value}
            else:
                result[name] = value
    return result


def resources_of(
    execution: Execution,
    component: Component,
    engine: str,
    native: Collection[str] | None = (),
    *,
    lenient: bool = False,
) -> Resources:
    """What a component of an execution needs, checked: `Execution.resources_for`, as `parse_resources` reads it.

    Raises:
        ConfigurationError: If it does not make sense.
    """
    return parse_resources(
        execution.resources_for(component), engine, native, lenient=lenient, of=component.module
    )


def parse_resources(
    given: Mapping[str, Any],
    engine: str,
    native: Collection[str] | None = (),
    *,
    lenient: bool = False,
    of: str = "",
) -> Resources:
    """Checks resources.

        parse_resources({"cpus": 4, "slurm": {"partition": "gpu"}}, "slurm", {"partition"})

    A dict under the name of an engine holds options of that engine, and is left out by the others, so that a plan
    runs on several.

    Args:
        engine: The engine's name.
        native: The options that the engine has besides the vocabulary; `None`: any.
        lenient: Whether names that are not known are left out, unless they look like a slip of the pen.
        of: Whose resources these are, for messages.
    Raises:
        ConfigurationError: If a name is not known, or a value is of no use.
    """
    start = f"{of}: resources" if of else "resources"
    resources = Resources()
    for name, value in given.items():
        if name in VOCABULARY:
            if value is not None:
                setattr(resources, name, _checked(start, name, value))
        elif name == engine:
            continue
        elif native is None or name in native:
            resources.native[name] = value
        elif isinstance(value, dict):
            near = nearest(str(name), [engine, *_ENGINES])
            if near is not None and name not in _ENGINES:
                raise ConfigurationError(f"{start}: there is no engine {name!r}. Did you mean {near!r}?")
        elif not lenient or nearest(str(name), VOCABULARY) is not None:
            _known(start, name, engine, native)
    _read_section(resources, given.get(engine, {}), engine, native, f"{start}[{engine!r}]")
    return resources


def _read_section(
    resources: Resources, section: Any, engine: str, native: Collection[str] | None, start: str
) -> None:
    """Reads the options under the engine's own name, which stand above the others."""
    if not isinstance(section, dict):
        raise ConfigurationError(f"{start} is {section!r}, but a dict with options of {engine} is needed.")
    for name, value in section.items():
        if name in VOCABULARY:
            setattr(resources, name, None if value is None else _checked(start, name, value))
        else:
            _known(start, name, engine, native)
            resources.native[name] = value


def _known(start: str, name: Any, engine: str, native: Collection[str] | None) -> None:
    if native is None or name in native:
        return
    near = nearest(str(name), [*VOCABULARY, *native])
    hint = f"Did you mean {near!r}?" if near else f"All engines know {', '.join(VOCABULARY)}."
    raise ConfigurationError(f"{start}: {engine} has no option {name!r}. {hint}")


def _checked(start: str, name: str, value: Any) -> Any:
    whole = name in ("cpus", "nodes")
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not good or not (value >= 0 if name == "gpus" else value > 0) or value == float("inf"):
        raise ConfigurationError(f"{start}: {name} is {value!r}, but {VOCABULARY[name]} is needed.")
    return value
