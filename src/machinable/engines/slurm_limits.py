"""What a cluster can never run, told before anything is submitted."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.wording import nearest

__all__ = ["refuse_impossible"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.engines.slurm_commands import Limits
    from machinable.execution.resources import Resources


def refuse_impossible(needed: Resources, known: dict[str, Limits]) -> None:
    """Raises ConfigurationError for what no node of the partition has."""
    asked = needed.native.get("partition")
    names = str(asked).split(",") if asked else [name for name, each in known.items() if each.is_default]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"Did you mean {near!r}?" if near else f"There are {', '.join(known)}."
            raise ConfigurationError(f"slurm: there is no partition {name!r}. {hint}")
    if not names:
        return
    problems = [_problem(needed, name, known[name]) for name in names]
    if all(problems):
        raise ConfigurationError(f"slurm: {problems[0]}")


def _problem(needed: Resources, name: str, has: Limits) -> str:
    memory = (needed.memory_gib or 0) * 1024
    if (needed.cpus or 0) > has.cpus:
        return f"cpus is {needed.cpus}, but the largest node of partition {name} has {has.cpus}."
    if memory > has.memory_mib:
        return (
            f"memory_gib is {needed.memory_gib:g}, but the largest node of partition {name} has "
            f"{has.memory_mib / 1024:.1f}."
        )
    if (needed.gpus or 0) > (has.gpus or 0):
        return f"gpus is {needed.gpus:g}, but no node of partition {name} has more than {has.gpus or 0}."
    if (needed.nodes or 0) > has.nodes:
        return f"nodes is {needed.nodes}, but partition {name} has {has.nodes}."
    if needed.time_minutes is not None and has.minutes is not None and needed.time_minutes > has.minutes:
        return f"time_minutes is {needed.time_minutes:g}, but partition {name} allows {has.minutes:g}."
    return ""
