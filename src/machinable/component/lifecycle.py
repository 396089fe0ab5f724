"""The one life cycle: claim the component, run its hooks in order, publish how it ended."""

from __future__ import annotations

import os
import threading
import time
from contextlib import nullcontext

from machinable import context
from machinable.component import checkpoint
from machinable.component.acquire import acquire
from machinable.component.capture import capture, write_to_log
from machinable.component.heartbeat import beating
from machinable.component.launching import running
from machinable.component.seeding import seeded
from machinable.component.signals import Terminated, end_main_thread, interruptible
from machinable.component.terminal import share
from machinable.component.tracebacks import describe, user_traceback
from machinable.errors import ComponentException, ConfigurationError, Superseded
from machinable.modules.residence import activated
from machinable.records import clock
from machinable.records.documents import encode
from machinable.records.notes import is_cancelled
from machinable.records.record import Record, State
from machinable.store.files import open_appending, remove_file
from machinable.types import Status

__all__ = ["call", "dispatch", "dispatch_claimed", "live", "refuse_self", "shared_failure"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.component.component import Component
    from machinable.records.claim import Claim


def refuse_self(component: Component, chain: tuple[Component, ...]) -> None:
    """Raises ConfigurationError if the component runs already, further up in this very chain of launches."""
    if any(above._request.identity == component._request.identity for above in chain):
        names = " → ".join(f"{above.module} {above.id}" for above in (*chain, component))
        raise ConfigurationError(
            f"A component can not launch itself: {names}. Give the inner one another version."
        )


def dispatch(component: Component) -> Status:
    """See `Component.dispatch`."""
    core = component._core
    chain = running.get()
    if chain:
        refuse_self(component, chain)
    ticket = core.ticket
    outcome = acquire(component, wait=ticket is None)
    if core.group is not None:
        core.group.announce(core, None if isinstance(outcome, State) else outcome)
    if isinstance(outcome, State):
        if ticket is None and outcome.status is Status.FAILED:
            raise shared_failure(outcome)
        return outcome.status
    try:
        return _conduct(component, outcome, chain)
    finally:
        outcome.close()  # left open by an interruption before the run, it would keep the next launch waiting


def dispatch_claimed(component: Component, claim: Claim, resumed_from: int | None) -> Status:
    """Runs a component of an execution that a coordinator has claimed for this process.

    Args:
        claim: Of the copy of its record that this process has.
        resumed_from: The attempt that it goes on from, if it does.
    """
    core = component._core
    core.record = Record(claim.directory, claim.root)
    core.fresh = core.reused = False
    core.resumed_from = resumed_from
    try:
        return _conduct(component, claim, running.get())
    finally:
        claim.close()


def _conduct(component: Component, claim: Claim, chain: tuple[Component, ...]) -> Status:
    """Runs the claimed component, and says how it ended to whoever listens."""
    core, ticket = component._core, component._core.ticket
    listener = ticket.listener if ticket is not None and ticket.pid == os.getpid() else None
    if listener is not None:
        listener.report_start(component)
    try:
        _run(component, claim, chain)
    except (KeyboardInterrupt, Superseded):
        raise
    except BaseException as exception:
        core.exception = exception
        core.outcome = Status.FAILED
        if ticket is None or not isinstance(exception, (Exception, SystemExit)):
            raise
        if listener is not None:
            listener.report_end(component)
        return Status.FAILED
    core.outcome = Status.FINISHED
    if listener is not None:
        listener.report_end(component)
    return Status.FINISHED


def shared_failure(state: State) -> ComponentException:
    """What a launch raises for a failure of an attempt that another owner made."""
    exception = state.end.get("exception") or {}
    text = str(exception.get("traceback") or exception.get("message") or state.evidence)
    return ComponentException(text.rstrip())


def _run(component: Component, claim: Claim, chain: tuple[Component, ...]) -> None:
    """Runs the claimed component, and ends the attempt with what came of it."""
    core, ticket = component._core, component._core.ticket
    owned = (
        ticket is not None
        and ticket.pid != os.getpid()
        and threading.current_thread() is threading.main_thread()
    )
    if owned and ticket is not None and ticket.live:
        share()
    core.claim, core.outcome, core.exception = claim, None, None
    core.table, core.rng, core.observed = None, None, {}
    directory = None if owned else _working_directory()
    before = context.replace(core.context())
    token = running.set((*chain, component))
    kind = "interrupted"
    fields: dict[str, Any] = {}
    try:
        with (
            activated(core.project),
            interruptible(lambda: _last_words(claim)),
        ):
            try:
                log = capture(
                    lambda: open_appending(claim.log_path),
                    process_owned=owned,
                    discard_log=lambda: remove_file(claim.log_path),
                )
                with log, beating(_beat(component, claim)):
                    live(component, claim, restore=not owned)
                kind = "finished"
            except Superseded:
                kind = ""
                raise
            except KeyboardInterrupt as exception:
                fields = {"reason": "SIGTERM" if isinstance(exception, Terminated) else "Ctrl-C"}
                raise
            except BaseException as exception:
                kind, fields = "failed", {"exception": describe(exception)}
                raise
            finally:
                try:
                    if core.table is not None:
                        core.table.close()
                    if kind:
                        with beating(claim.beat) if claim.is_remote else nullcontext():
                            claim.end(kind, observed=list(core.observed), **fields)
                finally:
                    claim.close()
    finally:
        core.claim = None
        running.reset(token)
        context.replace(before)
        if directory is not None and _working_directory() != directory:
            os.chdir(directory)  # the next component starts where this one did


def live(component: Component, claim: Claim, restore: bool) -> None:
    """The hooks, in the order of the life cycle."""
    group = component._core.group
    try:
        with seeded(restore=restore):
            try:
                checkpoint.prepare(component, claim)
                component.on_before_dispatch()
                component.on_seeding()
                try:
                    returned: object = component()  # type: ignore[func-returns-value]  # users may return anything
                    _check_has_run(component, returned)
                except SystemExit as end:
                    if end.code not in (None, 0):
                        raise
                if group is not None:
                    group.conclude()
                component.on_success()
            except Superseded:
                raise
            except BaseException as exception:
                _tell(component, exception)
                raise
            component.on_finish(True)
            component.on_after_dispatch(True)
            if group is not None:
                group.meet()
    except Superseded:
        raise
    except BaseException as exception:
        write_to_log(user_traceback(exception))
        raise


def _check_has_run(component: Component, returned: object) -> None:
    """Raises ConfigurationError for a `__call__` with `async` or `yield`: calling it runs none of its lines."""
    if returned is None:
        return
    kind = type(returned).__name__
    if kind in ("coroutine", "generator", "async_generator"):
        if kind != "async_generator":
            returned.close()  # type: ignore[attr-defined]
        word = "yield" if "generator" in kind else "async"
        raise ConfigurationError(
            f"{component.module}: __call__ has run nothing, because of {word!r} in it (it returned a {kind}). "
            + (
                "Use asyncio.run(...) inside of a plain __call__."
                if word == "async"
                else "Leave out the yield."
            )
        )


def _tell(component: Component, exception: BaseException) -> None:
    """The hooks of a failure. What they raise themselves is added to the failure as a note."""
    hooks: list[tuple[str, Callable[..., None], object]] = [
        ("on_failure", component.on_failure, exception),
        ("on_finish", component.on_finish, False),
        ("on_after_dispatch", component.on_after_dispatch, False),
    ]
    for name, hook, argument in hooks:
        try:
            hook(argument)
        except Exception as error:
            exception.add_note(f"Besides, {name} raised {type(error).__name__}: {error}")


def call(component: Component) -> None:
    """The default `__call__`: `on_create`, then `on_execute` or the iterations, then `on_destroy`."""
    component.on_create()
    first = checkpoint.restore(component)
    if hasattr(component, "on_execute_iteration"):
        checkpoint.iterate(component, first)
    else:
        try:
            component.on_execute()
        except Terminated:
            checkpoint.save(component, first, together=False)
            raise
    component.on_destroy()


def _beat(component: Component, claim: Claim) -> Callable[[], None]:
    since = clock.now(claim.root)
    asked = False

    def beat() -> None:
        nonlocal asked
        claim.beat()
        if not asked and is_cancelled(claim.meta, since):
            asked = end_main_thread()  # somebody on another machine wants it to stop
        component.on_heartbeat()

    return beat


def _last_words(claim: Claim) -> None:
    claim.write_last_words(
        encode({"kind": "interrupted", "time": time.time(), "reason": "Ctrl-C, twice"}, versioned=False)
    )


def _working_directory() -> str | None:
    """The working directory, which belongs to the whole process: `None` where a thread had better leave it alone."""
    if threading.current_thread() is not threading.main_thread():
        return None
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
