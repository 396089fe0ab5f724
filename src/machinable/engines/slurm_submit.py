"""Submitting components to Slurm: arrays, scripts, and the documents by which they are found again."""

from __future__ import annotations

import math
import os
import pickle
import sys
import time

from machinable import snapshot
from machinable.engines import slurm_queue
from machinable.engines.slurm_commands import Cluster, cluster, run_command
from machinable.engines.slurm_script import Batch, Node, options_of, plan_batches, script_of, spec_of
from machinable.engines.slurm_task import Payload
from machinable.errors import ConfigurationError, SchedulerError
from machinable.execution.submissions import add_submission, submissions
from machinable.records.record import META
from machinable.store import owner
from machinable.types import Status

__all__ = ["Submitter"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from machinable.component.component import Component
    from machinable.execution.resources import Resources
    from machinable.execution.run import Run

#: A script that is larger is refused by Slurm at its default setting (max_script_size), in bytes; and room to spare.
_SCRIPT_BYTES = 3_000_000

_PAUSE_SECONDS = 0.1

_PROGRAM = "from machinable.engines.slurm_task import main; main()"

_OUTPUT = "slurm-%A_%a.out"


class Submitter:
    """Submits the components of one execution.

    Args:
        id: Of the execution.
        directory: Of the execution; `None` to preview only.
        config: The configuration of the engine.
        needs_of: What a component needs.
    """

    def __init__(
        self, id: str, directory: str | None, config: Any, needs_of: Callable[[Component], Resources]
    ) -> None:
        self._id = id
        self._directory = directory or ""
        self._config = config
        self._needs_of = needs_of
        self._cluster: Cluster | None = None
        self._jobs: dict[str, str] = {}  # that have been submitted, by the component's ID

    def preview(self, components: Sequence[Component]) -> list[str]:
        """The scripts that would be submitted for components, inputs before their users; without what is encoded."""
        try:
            size = cluster().array_size
        except SchedulerError:
            size = Cluster("", 1001).array_size  # Slurm's default; this machine has none
        nodes = self._nodes(components)
        batches = plan_batches(nodes, array_size=size, pack=self._config.pack)
        names = {id(batch): f"<job {number}>" for number, batch in enumerate(batches, 1)}
        modules = {component._request.identity: component for component in components}
        scripts = []
        for number, batch in enumerate(batches, 1):
            members = [modules[node.identity] for task in batch.tasks for node in task.nodes]
            told = f"<{len(members)} components: {', '.join(sorted({each.module for each in members}))}>"
            after = _dependency(batch, names)
            place = os.path.join(members[0]._core.storage, self._id, META)
            scripts.append(f"# job {number}\n{self._script(batch, f'job-{number}', place, after, told)}")
        return scripts

    def await_ends(self, seconds: float) -> None:
        """Waits until Slurm has nothing of the execution any more, but no longer than that."""
        end = time.monotonic() + seconds
        pause = _PAUSE_SECONDS
        while any(
            each.kind != "gone" for each in slurm_queue.standings(submissions(self._directory)).values()
        ):
            if time.monotonic() > end:
                return
            time.sleep(pause)
            pause *= 2

    def without_submitted(self, components: list[Component]) -> list[Component]:
        """Those that no job of an earlier run has: one whose coordinator was killed, or that nobody waited for."""
        found = slurm_queue.standings(submissions(self._directory))
        present = {id_ for id_, each in found.items() if each.kind != "gone"}
        self._jobs = {id_: each.job for id_, each in found.items() if id_ in present}
        # One that has ended since the run was planned has left the queue, and its record says so.
        return [
            component
            for component in components
            if component.id not in present and component._state().status is not Status.FINISHED
        ]

    def submit(self, run: Run, components: list[Component]) -> None:
        """Submits components, in an order in which those that others wait for come first. Raises SchedulerError."""
        if not components:
            return
        self._cluster = self._cluster or cluster()
        by_identity = {component._request.identity: component for component in components}
        jobs = {
            used._request.identity: self._jobs[used.id]
            for component in components
            for used in component.uses.values()
            if used.id in self._jobs and used._request.identity not in by_identity
            # Slurm refuses to wait for what it has forgotten.
            if used._state().status is not Status.FINISHED
        }
        nodes = self._nodes(components, jobs)
        batches = plan_batches(nodes, array_size=self._cluster.array_size, pack=self._config.pack, known=jobs)
        numbers: dict[int, str] = {}
        for number, batch in enumerate(batches):
            self._submit_batch(run, batch, number, numbers, by_identity)

    def _submit_batch(
        self, run: Run, batch: Batch, number: int, numbers: dict[int, str], components: dict[str, Component]
    ) -> None:
        first = components[batch.tasks[0].nodes[0].identity]
        code = snapshot.take(first._core.project, first._core.storage)
        tasks = {task.index: [components[node.identity] for node in task.nodes] for task in batch.tasks}
        place = os.path.join(self._directory, META)
        payload = Payload(
            first._core.project,
            (code.path, code.hash),
            run.token,
            os.path.join(place, "jobs", _OUTPUT),
            {index: [_pickled(component) for component in members] for index, members in tasks.items()},
        )
        name = f"machinable-{self._id}-{number}-{owner.token().rpartition('-')[2]}"
        os.makedirs(os.path.join(place, "jobs"), exist_ok=True)
        script = self._script(batch, name, place, _dependency(batch, numbers), payload.encoded())
        if len(script) > _SCRIPT_BYTES:
            raise ConfigurationError(
                f"slurm: a script of {len(batch.tasks)} jobs has {len(script)} bytes, and Slurm takes about "
                f"{_SCRIPT_BYTES}. Move classes out of notebooks and scripts into modules, or run fewer at a time."
            )
        answer = run_command(["sbatch", "--parsable"], script).strip()
        job, _, there = answer.splitlines()[-1].partition(";")
        numbers[id(batch)] = job
        for index, members in tasks.items():
            self._jobs.update({component.id: f"{job}_{index}" for component in members})
        assert self._cluster is not None
        add_submission(
            self._directory,
            "slurm",
            run.token,
            cluster=there or self._cluster.name,
            job=job,
            name=name,
            tasks={str(index): [each.id for each in members] for index, members in tasks.items()},
        )

    def _nodes(self, components: Sequence[Component], jobs: Iterable[str] = ()) -> list[Node]:
        present = {component._request.identity for component in components}.union(jobs)
        nodes = []
        for component in components:
            inputs = [used._request.identity for used in component.uses.values()] if component.uses else []
            needed = [each for each in inputs if each in present]
            nodes.append(Node(component._request.identity, self._needs_of(component), needed))
        return nodes

    def _script(self, batch: Batch, name: str, place: str, after: str, payload: str) -> str:
        config = self._config
        output = os.path.join(place, "jobs", _OUTPUT)
        needed = options_of(batch.resources)
        seconds = config.signal_seconds
        minutes = batch.resources.time_minutes
        if minutes is not None:
            seconds = min(seconds, max(math.ceil(minutes) * 30, 1))
        options = {
            "job-name": name,
            "array": spec_of([task.index for task in batch.tasks], config.throttle),
            "output": output,
            "open-mode": "append",
            **needed,
            "signal": f"B:USR1@{seconds}",
            "requeue": bool(config.requeue),
            "no-requeue": not config.requeue,
            "dependency": after or None,
            "kill-on-invalid-dep": "yes" if after else None,
        }
        python = [config.python or sys.executable, "-P", "-c", _PROGRAM]
        return script_of(options, config.setup, python, payload)


def _pickled(component: Component) -> bytes:
    try:
        return pickle.dumps(component)
    except Exception as error:
        raise ConfigurationError(
            f"{component.module} {component.id} can not be sent to a job ({type(error).__name__}: {error})."
        ) from error


def _dependency(batch: Batch, numbers: dict[int, str]) -> str:
    """What a batch waits for, as sbatch takes it: all of it, `kind:job` or `kind:job_index`."""
    parts = []
    for kind, each, index in batch.after:
        job = each if isinstance(each, str) else numbers[id(each)]
        parts.append(f"{kind}:{job}" if index is None else f"{kind}:{job}_{index}")
    return ",".join(dict.fromkeys(parts))
