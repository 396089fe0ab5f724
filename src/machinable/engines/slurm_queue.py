"""What Slurm says of the components of an execution, by the documents of its submissions."""

from __future__ import annotations

from machinable.engines.slurm_commands import Job, list_jobs, run_command
from machinable.errors import SchedulerError
from machinable.execution.submissions import Standing
from machinable.notices import notice

__all__ = ["cancel", "requeue", "standings"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

_RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED"})

#: How a job ended that Slurm knows to be over.
_REASONS = {
    "OUT_OF_MEMORY": "out_of_memory",
    "TIMEOUT": "time_limit",
    "DEADLINE": "time_limit",
    "NODE_FAIL": "node_failure",
    "BOOT_FAIL": "node_failure",
    "PREEMPTED": "preempted",
    "REVOKED": "preempted",
    "CANCELLED": "cancelled",
    "FAILED": "crash",
    "COMPLETED": "",
}


def standings(documents: list[dict[str, Any]]) -> dict[str, Standing]:
    """What Slurm says of each component of which the documents tell, by ID, by one call of squeue.

    Where that does not list a job any more, sacct is asked, if it answers; else the component is said to be gone. If
    Slurm does not answer at all, nothing is said.
    """
    wanted = dict(_tasks(documents))
    if not wanted:
        return {}
    ids = sorted({str(document["job"]) for _, document in wanted.values()})
    try:
        listed = list_jobs(ids, accounting=False)
    except SchedulerError as error:
        notice(f"the queue is not known at the moment: {error}", once=f"squeue {error}")
        return {}
    found: dict[str, Standing] = {}
    missing: set[str] = set()
    for component, (task, document) in wanted.items():
        # A restarted controller may begin to count anew, so that the ID alone says nothing.
        job = listed.get(task)
        if job is not None and job.name == document.get("name"):
            found[component] = _standing(job)
        else:
            missing.add(component)
    if missing:
        _ask_accounting(wanted, missing, found)
    return found


def _ask_accounting(
    wanted: dict[str, tuple[str, dict[str, Any]]], missing: set[str], found: dict[str, Standing]
) -> None:
    past: dict[str, Job] = {}
    try:
        past = list_jobs(sorted({str(wanted[each][1]["job"]) for each in missing}), accounting=True)
    except SchedulerError:
        pass  # no accounting on this cluster
    for component in missing:
        task, document = wanted[component]
        job = past.get(task)
        if job is not None and job.name == document.get("name"):
            found[component] = _standing(job)
        else:
            found[component] = Standing("gone", f"Slurm lists its job {task} no more", task, "vanished")


def _standing(job: Job) -> Standing:
    why = f" ({job.reason})" if job.reason and job.reason != job.state else ""
    if job.state in _RUNNING:
        return Standing("running", f"its job {job.id} is {job.state} (squeue)", job.id)
    if job.state in _REASONS:
        return Standing("gone", f"its job {job.id} ended as {job.state}{why}", job.id, _REASONS[job.state])
    return Standing("queued", f"its job {job.id} is {job.state}{why} (squeue)", job.id)


def _tasks(documents: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """For each component, what Slurm calls the task that runs it, and the document; a later submission counts."""
    for document in documents:
        for index, components in (document.get("tasks") or {}).items():
            for component in components:
                yield component, (f"{document['job']}_{index}", document)


def cancel(documents: list[dict[str, Any]], components: Collection[str] | None) -> list[str]:
    """Takes the jobs of components from Slurm, queued or running. Returns the IDs of those concerned.

    Raises:
        SchedulerError: If Slurm does not take them.
    """
    standing = {
        component: each
        for component, each in standings(documents).items()
        if each.kind != "gone" and (components is None or component in components)
    }
    whole = components is None
    tasks = sorted({each.job.partition("_")[0] if whole else each.job for each in standing.values()})
    if tasks:
        run_command(["scancel", *tasks])
    return list(standing)


def requeue(documents: list[dict[str, Any]], components: Collection[str]) -> list[str]:
    """Has Slurm end the running jobs of components and queue them again, as a preemption does. Returns their IDs."""
    jobs = {
        component: each.job
        for component, each in standings(documents).items()
        if each.kind == "running" and component in components
    }
    for job in sorted(set(jobs.values())):
        run_command(["scontrol", "requeue", job])
    return list(jobs)
