"""The way to a claim: reuse what is finished, wait for or leave what others run, take over what nobody runs."""

from __future__ import annotations

import os
import time

from machinable.component.lookup import find_record, next_counter
from machinable.component.shapes import shape_of
from machinable.component.waiting import is_free, takeover_seconds, wait_for_end
from machinable.errors import DamagedRecord, ProjectError, StorageError
from machinable.identity.canonical import encode_text
from machinable.identity.nickname import nickname
from machinable.modules.source import fingerprint
from machinable.notices import front, notice
from machinable.records import clock
from machinable.records.claim import Claim
from machinable.records.claiming import claim_new, send_unsent, take_over, warn_of_races
from machinable.records.documents import FORMAT
from machinable.records.environment import remember_environment
from machinable.records.record import META, Record, State
from machinable.records.shapes import class_key, forget_storage, remember_shape
from machinable.records.sweep import is_first_use, sweep_record, sweep_storage
from machinable.records.trash import bury
from machinable.store.files import failure
from machinable.types import Status
from machinable.wording import day

__all__ = ["acquire", "check_code", "reuse"]

#: Between two looks at a record that another launcher moves to the trash, in seconds.
_PAUSE_SECONDS = 0.01

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component


def reuse(component: Component) -> bool:
    """Whether a finished result is there, which the launch then gives back; warns if its code has changed since."""
    core = component._core
    if core.fresh or (core.looked and core.record is None):
        return False
    record = core.record or find_record(component)
    if record is None:
        return False
    core.record = record
    state = record.state()
    if state.unsent and not send_unsent(record, state):
        state = record.state()
    core.outcome = None
    if state.status is not Status.FINISHED:
        return False
    check_code(component, state)
    core.reused = True
    return True


def check_code(component: Component, state: State) -> None:
    """Tells, in one line, that a result was computed by code that has changed since.

    Raises:
        ProjectError: Instead, if `[tool.machinable] code_changed` is "error".
    """
    attempt = state.attempt
    then = attempt.started.get("code") if attempt is not None else None
    if then is None or attempt is None:
        return
    core = component._core
    now = fingerprint(core.project, type(component))
    policy = core.settings.get("code_changed", "warn")
    if now is None or now == then or policy == "off":
        return
    when = day(float(state.end.get("time", 0.0)))
    again = ".invalidate() and .launch(), or keep both with get.new()"
    if front.rerun is not None:
        again = front.rerun(component)
    text = (
        f"{component.module} {component.id}: its code has changed since it finished on {when}. "
        f"The result is from the older code; run it again with {again}."
    )
    if policy == "error":
        raise ProjectError(text)
    notice(text, once=f"code {core.storage} {core.name} {then}")


def acquire(component: Component, *, wait: bool) -> Claim | State:
    """Claims the component, or returns the state that leaves nothing to claim.

    Args:
        wait: Wait for another owner that runs it. Otherwise a state that says `running` is returned.
    """
    core = component._core
    ticket = core.ticket
    began = ticket.began if ticket is not None else clock.now(core.storage)
    if ticket is None or ticket.pid == os.getpid():  # in other processes: whoever sent it there has told
        warn_of_races(core.storage)
    waited = False
    while True:
        # Where none was found a moment ago, the claim itself tells whether there is one by now.
        record = (
            core.record if core.record is not None or core.fresh or core.looked else find_record(component)
        )
        if record is None:
            claim = _claim_new(component)
            if claim is not None:
                return claim
            if core.fresh:
                core.request = next_counter(core, component._request)
            else:
                core.looked = False
                _clear_damage(component)
            continue
        core.record = record
        state = record.state()
        if state.unsent:
            send_unsent(record, state)
            continue
        if state.status is Status.FINISHED:
            check_code(component, state)
            core.reused = True
            return state
        if state.status is Status.FAILED and (waited or _ended_after(state, began)):
            core.reused = False
            return state
        takeover = takeover_seconds(core.settings)
        if not is_free(record, state, takeover):
            if not wait:
                return state
            wait_for_end(record, component.module, takeover)
            waited = True
            continue
        claim = take_over(record, state, _started(component, state))
        if claim is not None:
            core.resumed_from = _resumed_from(state)
            core.reused = False
            if state.attempt is not None and state.attempt.damage is not None:
                notice(
                    f"{state.attempt.path} was cut by a crash, the end of attempt {state.attempt.number} is unknown; "
                    f"{component.module} runs once more."
                )
            sweep_record(record.meta, record.root)
            return claim
        if not os.path.isdir(record.meta):
            core.record = None


def _ended_after(state: State, began: float) -> bool:
    """Whether a failed attempt ended after this launch began, and is therefore its outcome as well."""
    attempt = state.attempt
    return attempt is not None and attempt.modified > began


def _resumed_from(state: State) -> int | None:
    attempt = state.attempt
    return attempt.number if attempt is not None and attempt.number > state.invalidated else None


def _claim_new(component: Component) -> Claim | None:
    core, request = component._core, component._request
    root = core.storage
    if is_first_use(root):
        _create_storage(root)
        sweep_storage(root)
    shape = shape_of(type(component))
    try:
        remember_shape(root, class_key(request.module, request.class_name), shape)
    except FileNotFoundError:  # the storage was removed while this process lived
        forget_storage(root)
        remember_shape(root, class_key(request.module, request.class_name), shape)
    except OSError as error:
        raise failure(error, root) from error
    seed = core.seed if core.seed is not None else request.derived_seed
    id_ = request.id
    more = f',"trial":{encode_text(core.trial.document())}' if core.trial is not None else ""
    if core.derived_from is not None:
        more += f',"derived_from":"{core.derived_from}"'
    # Written out, because its largest part, the request, was encoded for the identity already.
    document = (
        f'{{"format":{FORMAT},"kind":"component","id":"{id_}","identity":"{request.identity}",'
        f'"request":{request.canonical().decode()},"shape":{shape.text},"seed":{seed},'
        f'"nickname":"{nickname(id_)}","timestamp":{core.asked_at!r}{more}}}\n'
    )
    directory = core.path_of(id_)
    claim = claim_new(root, directory, document.encode(), _started(component, None))
    if claim is not None:
        core.record = Record(directory, root)
        core.seed_in_force = seed
        core.fresh = core.reused = False
        core.resumed_from = None
    return claim


def _create_storage(root: str) -> None:
    try:
        os.makedirs(os.path.join(root, META), exist_ok=True)
    except OSError as error:
        raise failure(error, root, "create the storage") from error


def _started(component: Component, state: State | None) -> dict[str, Any]:
    """What the line that starts an attempt says besides its owner."""
    core, ticket = component._core, component._core.ticket
    return {
        "engine": ticket.engine if ticket is not None else None,
        "execution": ticket.execution if ticket is not None else None,
        "run": ticket.run if ticket is not None else None,
        "values": component._resolution.others,
        "code": fingerprint(core.project, type(component)),
        "environment": remember_environment(core.storage),
        "resumed_from": _resumed_from(state) if state is not None else None,
        "uses": {name: used.id for name, used in component.uses.items()},
    }


def _clear_damage(component: Component) -> None:
    """Moves a record to the trash that a crash has cut, unless somebody still runs it."""
    core = component._core
    directory = core.path_of(component._request.id)
    try:
        Record.find(directory, core.storage)
        return
    except DamagedRecord as error:
        if not error.recoverable:
            raise
        damage = error
    try:
        state = Record(directory, core.storage).state()
    except (OSError, StorageError):
        state = State(Status.LOST, "its attempts can not be read", owner_is_gone=True)
    if state.status in (Status.RUNNING, Status.LOST) and not state.is_free(takeover_seconds(core.settings)):
        if state.attempt is None or state.attempt.damage is None:
            # Meanwhile another launcher may have buried it: then what runs is the fresh record, and no error.
            Record.find(directory, core.storage)
            return
        notice(f"{damage} It is run anew once it is certain that nobody runs it.", once=f"wait {directory}")
        time.sleep(1.0)
        return
    trash = bury(core.storage, directory)
    if trash is None:
        time.sleep(_PAUSE_SECONDS)  # another launcher buries it
    else:
        what = str(damage).partition(". ")[0]
        notice(f"{what}. The record was moved to {trash}; {component.module} runs anew.")
