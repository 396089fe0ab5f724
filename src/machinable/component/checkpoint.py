"""Checkpoints: published by rename, the last two kept; and the iterations that make and use them."""

from __future__ import annotations

import os
import time
from itertools import count

from machinable.component.signals import Terminated, postponed_termination
from machinable.component.table import truncate_copy
from machinable.errors import DamagedRecord
from machinable.notices import notice
from machinable.records.documents import encode, load
from machinable.store.files import create, remove_tree

__all__ = ["TABLE", "iterate", "last_attempt_saved", "prepare", "restore", "save"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.records.claim import Claim

_KEPT = 2
_NAME = "checkpoint.json"
TABLE = "record.jsonl"


def prepare(component: Component, claim: Claim) -> None:
    """Brings the table of a resumed component back to the row of its last checkpoint: to none, if it has none."""
    group = component._core.group
    if claim.number == 1 or (group is not None and not group.is_first):
        return
    path = os.path.join(claim.directory, TABLE)
    if os.path.exists(path):
        found = latest(component, claim)
        truncate_copy(path, int(found[1]["rows"]) if found is not None else 0, claim.temporary())


def restore(component: Component) -> int:
    """Calls `on_restore` with the last checkpoint, if there is one. Returns the iteration to go on with."""
    claim = component._core.claim
    found = latest(component, claim) if claim is not None and claim.number > 1 else None
    group = component._core.group
    if group is not None:
        found = group.agree(found)
    if found is None:
        return 0
    directory, document = found
    component.on_restore(directory)  # type: ignore[attr-defined]
    return int(document["iteration"])


def latest(component: Component, claim: Claim) -> tuple[str, dict[str, Any]] | None:
    """The last readable checkpoint of the attempts that count, with its document; `None` if it starts afresh."""
    if component._core.resumed_from is None or not hasattr(component, "on_restore"):
        return None
    base = os.path.join(claim.meta, "checkpoints")
    invalidated = component._state().invalidated
    for iteration in reversed(_iterations(base)):
        directory = os.path.join(base, str(iteration))
        try:
            document = load(os.path.join(directory, _NAME))
            attempt, _, _ = (int(document[key]) for key in ("attempt", "iteration", "rows"))
        except (FileNotFoundError, DamagedRecord, KeyError, TypeError, ValueError) as error:
            notice(f"the checkpoint {directory} can not be used ({error}); the one before it is taken")
            continue
        if attempt > invalidated:
            return directory, document
    return None


def last_attempt_saved(component: Component) -> bool:
    """Whether the last attempt of a component has published a checkpoint that the next one can go on from."""
    record = component._record
    attempt = component._state().attempt
    if record is None or attempt is None or not hasattr(component, "on_restore"):
        return False
    base = os.path.join(record.meta, "checkpoints")
    for iteration in reversed(_iterations(base)):
        try:
            if load(os.path.join(base, str(iteration), _NAME)).get("attempt") == attempt.number:
                return True
        except (OSError, DamagedRecord):
            continue
    return False


def iterate(component: Component, first: int) -> None:
    """Calls `on_execute_iteration(i)` until it returns or raises StopIteration; saves rows and checkpoints."""
    step = component.on_execute_iteration  # type: ignore[attr-defined]
    group = component._core.group
    saves = hasattr(component, "on_save")
    last = time.monotonic()
    with postponed_termination(saves) as termination:
        for iteration in count(first):
            try:
                stop = step(iteration)
            except StopIteration:
                stop = StopIteration
            table = component._core.table
            if table is not None and table.row:
                table.save()
            if stop is StopIteration or isinstance(stop, StopIteration):
                return
            ends = termination.requested
            due = ends or (saves and time.monotonic() - last >= component.checkpoint_seconds)
            if group is not None and saves:
                due, ends = group.agree((due, ends))
            if due:
                save(component, iteration + 1)
                last = time.monotonic()
            if ends:
                raise Terminated


def save(component: Component, iteration: int, *, together: bool = True) -> None:
    """Publishes a checkpoint, where the component defines `on_save`.

    Args:
        iteration: The one to go on with.
        together: Whether all ranks of a component come here, so that each adds its part; else rank 0 alone.
    Raises:
        Superseded: If another owner took over.
    """
    claim = component._core.claim
    if claim is None or not hasattr(component, "on_save"):
        return
    group = component._core.group
    if group is not None and not group.is_first:
        if together:
            component.on_save(group.agree(None))
            group.meet()
        return
    base = os.path.join(claim.meta, "checkpoints")
    prepared = claim.temporary()
    os.makedirs(base, exist_ok=True)
    os.mkdir(prepared)
    try:
        if group is not None and together:
            group.agree(prepared)
        component.on_save(prepared)
        if group is not None and together:
            group.meet()
        document = {
            "attempt": claim.number,
            "iteration": iteration,
            "rows": len(component.record),
            "time": time.time(),
        }
        os.close(create(os.path.join(prepared, _NAME), encode(document)))
        claim.check()
        target = os.path.join(base, str(iteration))
        if os.path.lexists(target):  # of an attempt that was resumed from an earlier one
            os.rename(target, claim.temporary())
        os.rename(prepared, target)
    finally:
        remove_tree(prepared)
    present = _iterations(base)
    # Later ones are damaged, or of before an invalidation: else this attempt would have gone on from them.
    kept = [number for number in present if number <= iteration][-_KEPT:]
    for number in present:
        if number not in kept:
            remove_tree(os.path.join(base, str(number)))
    claim.publish_checkpoint(iteration, kept)


def _iterations(base: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(base) if name.isdecimal())
    except FileNotFoundError:
        return []
