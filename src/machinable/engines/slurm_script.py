"""From components to job arrays: which go together, what they wait for, and the script that is submitted."""

from __future__ import annotations

import math
import shlex

from machinable.errors import ConfigurationError

__all__ = ["OPTIONS", "Batch", "Node", "Task", "options_of", "plan_batches", "script_of", "spec_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from machinable.execution.resources import Resources

_OPTIONS = """
account acctg_freq batch bb bbf begin chdir clusters cluster_constraint comment constraint container
contiguous core_spec cores_per_socket cpu_freq cpus_per_gpu cpus_per_task deadline delay_boot
distribution exclude exclusive export extra_node_info get_user_env gpu_bind gpu_freq gpus_per_node
gpus_per_socket gpus_per_task gres gres_flags hint ignore_pbs licenses mail_type mail_user mcs_label mem
mem_bind mem_per_cpu mem_per_gpu mincpus network nice nodefile nodelist ntasks ntasks_per_core
ntasks_per_gpu ntasks_per_node ntasks_per_socket overcommit oversubscribe partition power prefer priority
profile propagate qos reboot reservation sockets_per_node spread_job switches thread_spec
threads_per_core time time_min tmp use_min_nodes wait_all_nodes wckey
"""

#: The options of sbatch that are passed on as they are. What machinable sets itself is not among them.
OPTIONS = frozenset(_OPTIONS.split())

#: How many arrays wait for the same one element by element, before the rest waits for all of it to end.
_ALIGNED = 4

#: How many arrays there are at most that wait for single tasks by name, and for how many tasks each.
_SETS, _NAMED = 4, 64


class Node:
    """A component to be placed.

    Attributes:
        identity: Of the component.
        resources: What it needs.
        inputs: The identities of its inputs that are not finished.
    """

    __slots__ = ("identity", "inputs", "resources")

    def __init__(self, identity: str, resources: Resources, inputs: Sequence[str] = ()) -> None:
        self.identity = identity
        self.resources = resources
        self.inputs = tuple(inputs)


class Task:
    """An element of a job array: the components that one job runs, one after the other."""

    __slots__ = ("index", "nodes")

    def __init__(self, index: int, nodes: list[Node]) -> None:
        self.index = index
        self.nodes = nodes


class Batch:
    """A job array.

    Attributes:
        resources: What each of its tasks needs.
        tasks: Its elements.
        after: What it waits for: (kind of dependency, batch or job, index of a task or `None`).
    """

    __slots__ = ("after", "resources", "tasks")

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.tasks: list[Task] = []
        self.after: list[tuple[str, Batch | str, int | None]] = []


def plan_batches(
    nodes: Sequence[Node],
    *,
    array_size: int = 1001,
    pack: int = 1,
    known: Mapping[str, str] | None = None,
) -> list[Batch]:
    """The arrays for components, inputs before their users.

    Users wait for single tasks (`afterok`) where few different ones are waited for, element by element (`aftercorr`)
    where tasks correspond to each other, and else for whole arrays to end (`afterany`): then each looks itself whether
    its inputs are there.

    Args:
        nodes: Inputs before their users.
        array_size: The site's limit: the number of tasks, and above all indices.
        pack: How many components a task runs.
        known: Jobs that were submitted before, by the identity of the component that they run.
    """
    known = known or {}
    depth: dict[str, int] = {}
    groups: dict[tuple[int, Any], list[Node]] = {}
    for node in nodes:
        level = max((depth[each] + 1 for each in node.inputs if each in depth), default=0)
        depth[node.identity] = level
        groups.setdefault((level, node.resources.key()), []).append(node)
    placed: dict[str, tuple[Batch, int]] = {}
    batches: list[Batch] = []
    for _, members in sorted(groups.items(), key=lambda item: item[0][0]):
        for batch in _arrays(_packed(members, pack), placed, known, array_size, pack):
            batches.append(batch)
            for task in batch.tasks:
                placed.update({node.identity: (batch, task.index) for node in task.nodes})
    return batches


def _packed(nodes: list[Node], pack: int) -> list[list[Node]]:
    return [nodes[start : start + pack] for start in range(0, len(nodes), pack)]


def _arrays(
    packs: list[list[Node]],
    placed: Mapping[str, tuple[Batch, int]],
    known: Mapping[str, str],
    array_size: int,
    size: int,
) -> list[Batch]:
    """The arrays for packs of one level that need the same."""
    needs = [
        frozenset(placed[each] for node in pack for each in node.inputs if each in placed) for pack in packs
    ]
    sets = {need for need in needs if need}
    by_name = len(sets) <= _SETS and all(len(need) <= _NAMED for need in sets)
    groups: dict[tuple[Any, ...], list[tuple[int | None, list[Node]]]] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for pack, need in zip(packs, needs, strict=True):
        jobs = frozenset(known[each] for node in pack for each in node.inputs if each in known)
        waited = frozenset(batch for batch, _ in need)
        indices = {index for _, index in need}
        key: tuple[Any, ...] = ("afterany", waited, jobs, 0)
        own: int | None = None
        if size == 1 and need and not jobs:
            if by_name:
                key = ("afterok", need, jobs, 0)
            elif len(indices) == 1:
                (index,) = indices
                turn = seen[waited, index] = seen.get((waited, index), 0) + 1
                if turn <= _ALIGNED:
                    key, own = ("aftercorr", waited, jobs, turn), index
        groups.setdefault(key, []).append((own, pack))
    batches = []
    for (kind, waited, jobs, _), members in groups.items():
        for start in range(0, len(members), array_size):
            batch = Batch(members[0][1][0].resources)
            for number, (own, pack) in enumerate(members[start : start + array_size]):
                batch.tasks.append(Task(number if own is None else own, pack))
            if kind == "afterok":
                batch.after = [
                    (kind, each, slot) for each, slot in sorted(waited, key=lambda entry: entry[1])
                ]
            else:
                batch.after = [(kind, each, None) for each in waited]
            batch.after += [("afterany", job, None) for job in sorted(jobs)]
            batches.append(batch)
    return batches


def spec_of(indices: Sequence[int], throttle: int | None = None) -> str:
    """Indices as `--array` takes them: `0-4,7%2`."""
    parts: list[list[int]] = []
    for index in sorted(indices):
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
    return f"{text}%{throttle}" if throttle else text


def options_of(resources: Resources) -> dict[str, Any]:
    """What a job needs as options of sbatch. Raises ConfigurationError for parts of GPUs."""
    options: dict[str, Any] = {}
    if resources.nodes is not None:
        options["nodes"] = resources.nodes
    if resources.cpus is not None:
        options["cpus-per-task"] = resources.cpus
    if resources.gpus:
        if resources.gpus != int(resources.gpus):
            raise ConfigurationError(
                f"resources: gpus is {resources.gpus!r}, but Slurm gives out whole GPUs."
            )
        options["gpus-per-node"] = int(resources.gpus)
    if resources.memory_gib is not None:
        options["mem"] = f"{math.ceil(resources.memory_gib * 1024)}M"
    if resources.time_minutes is not None:
        options["time"] = max(1, math.ceil(resources.time_minutes))
    for name, value in resources.native.items():
        options[name.replace("_", "-")] = value
    return options


def script_of(
    options: Mapping[str, Any],
    setup: Sequence[str],
    python: Sequence[str],
    payload: str,
) -> str:
    """The script that sbatch gets.

    Args:
        options: Of sbatch: `True` stands for an option without a value; `None` and `False` leave it out.
        setup: Lines of shell that come first, such as `module load cuda`.
        python: The command that runs components.
        payload: What it reads from standard input: text without a line `END`.
    """
    lines = ["#!/bin/bash"]
    for name, value in options.items():
        if value is True:
            lines.append(f"#SBATCH --{name}")
        elif value is not None and value is not False:
            lines.append(f"#SBATCH --{name}={_shown(value)}")
    lines += ["", *setup, f"exec {' '.join(map(shlex.quote, python))} <<'END'", payload, "END", ""]
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if "\n" in text:
        raise ConfigurationError(f"{text!r} can not be an option of sbatch, because it has several lines.")
    return shlex.quote(text) if any(character in " \t\"'" for character in text) else text
