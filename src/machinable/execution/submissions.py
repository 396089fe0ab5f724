"""What was handed to a scheduler: one immutable document for each submission, and what the scheduler says of it."""

from __future__ import annotations

import os
import time
from importlib import import_module

from machinable.records.documents import load_dated, publish_dated
from machinable.records.record import META
from machinable.store import owner

__all__ = ["Standing", "add_submission", "cancel_submitted", "requeue_submitted", "standings", "submissions"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

#: The module of each engine that submits, with `standings(documents)`, `cancel` and `requeue` (documents, IDs).
_SCHEDULERS = {"slurm": "machinable.engines.slurm_queue"}


class Standing:
    """What a scheduler says of a component.

    Attributes:
        kind: `queued`, `running`, or `gone` if nothing of it is left there.
        evidence: How that is known, in words.
        job: What the scheduler calls its job.
        reason: Of `gone`, where that is known: one of `machinable.execution.retries.KINDS`, or `cancelled`.
    """

    __slots__ = ("evidence", "job", "kind", "reason")

    def __init__(self, kind: str, evidence: str, job: str, reason: str = "") -> None:
        self.kind = kind
        self.evidence = evidence
        self.job = job
        self.reason = reason


def add_submission(directory: str, engine: str, run: str, **fields: Any) -> None:
    """Adds the document of a submission to an execution.

    Args:
        directory: Of the execution.
        run: The token of the run.
        fields: What the scheduler's own reader needs to find the jobs again.
    Raises:
        StorageError: If it can not be written.
    """
    moment = time.time()
    values = {"kind": "jobs", "engine": engine, "run": run, "time": moment, **fields}
    publish_dated(os.path.join(directory, META, "jobs"), values, moment, owner.token())


def submissions(directory: str) -> list[dict[str, Any]]:
    """The documents of all submissions of an execution, the oldest first. Raises StorageError if one is damaged."""
    return load_dated(os.path.join(directory, META, "jobs"))


def standings(documents: list[dict[str, Any]]) -> dict[str, Standing]:
    """What schedulers say of components, by ID: with one call of each scheduler. What they do not tell is left out."""
    found: dict[str, Standing] = {}
    for engine, module in _SCHEDULERS.items():
        own = [document for document in documents if document.get("engine") == engine]
        if own:
            found.update(import_module(module).standings(own))
    return found


def cancel_submitted(documents: list[dict[str, Any]], components: Collection[str] | None) -> list[str]:
    """Takes jobs out of their queues, and ends those that run. Returns the IDs of the components concerned.

    Args:
        components: The IDs of those that are meant; `None`: all.
    """
    cancelled: list[str] = []
    for engine, module in _SCHEDULERS.items():
        own = [document for document in documents if document.get("engine") == engine]
        if own:
            cancelled += import_module(module).cancel(own, components)
    return cancelled


def requeue_submitted(documents: list[dict[str, Any]], components: Collection[str]) -> list[str]:
    """Has schedulers end running jobs and queue them again. Returns the IDs of the components concerned."""
    requeued: list[str] = []
    for engine, module in _SCHEDULERS.items():
        own = [document for document in documents if document.get("engine") == engine]
        if own:
            requeued += import_module(module).requeue(own, components)
    return requeued
