"""A fleet: the components of a run on their way through the nodes of a cluster, whichever library that is of."""

from __future__ import annotations

import time
from collections import deque
from itertools import count

from machinable.engines.depot import Depot
from machinable.engines.library import Order
from machinable.engines.task import Task
from machinable.notices import notice
from machinable.types import Status

__all__ = ["Fleet"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.component.component import Component
    from machinable.engines.library import Done, Library, Rules
    from machinable.engines.node import Answer
    from machinable.execution.run import Run
    from machinable.execution.schedule import Schedule, Wave

_LOOK_SECONDS = 1.0
_GRACE_SECONDS = 10.0
_SAY_AFTER_SECONDS = 3.0

#: How many tasks are on their way at a time: more would only be more to take back. And of relayed ones, each of
#: which keeps a file open here.
_MOST_UNDER_WAY = 2000
_FEW = 32
_MOST_RELAYED = 100

#: Components of a kind that has been quicker than this, in seconds, travel together for as long.
_TOGETHER_SECONDS = 0.05
_MOST_TOGETHER = 32
#: When those that travel with one that is slower after all are sent once more, in seconds.
_RESEND_SECONDS = 2.0


class _Load:
    """Components that are sent as one task."""

    __slots__ = ("is_resent", "options", "sent_at", "tasks", "unmet_since", "verdict")

    def __init__(self, tasks: list[Task], options: dict[str, Any]) -> None:
        self.tasks = tasks
        self.options = options
        self.sent_at = time.monotonic()
        self.unmet_since: float | None = None  # since when no node could run it
        self.verdict = ""  # why it was taken back
        self.is_resent = False


class Fleet:
    """The components of a run on their way through a cluster.

    Args:
        options_of: The library's options for a component, and how long it may run, in seconds.
        exits: Where it is noted how processes ended, in words, by identity.
        decide: Whether a component that did not finish is started again; see `machinable.execution.retries`.
    """

    def __init__(
        self,
        run: Run,
        library: Library,
        rules: Rules,
        options_of: Callable[[Component], tuple[dict[str, Any], float | None]],
        exits: dict[str, str],
        decide: Callable[..., bool],
    ) -> None:
        self._run = run
        self._library = library
        self._rules = rules
        self._options_of = options_of
        self._exits = exits
        self._decide = decide
        self._numbers = count(1)
        self._loads: dict[int, _Load] = {}
        self._waiting: deque[Task] = deque()
        self._ended = 0  # how many loads
        self._pace: dict[str, float] = {}  # the longest time of late, in seconds, by name of the module
        self._looked = 0.0
        self._depot = Depot(run, library)
        self.site = self._depot.site
        self.is_winding_up = False

    def close(self) -> None:
        """Removes what the run has put anywhere."""
        self._depot.close()

    def conduct(self, schedule: Schedule | Wave) -> None:
        """Sends the components as they can be taken, and returns when all have ended.

        Whatever interrupts it ends all tasks first.
        """
        try:
            self._conduct(schedule)
        except BaseException:
            self._wind_up()
            raise

    def _conduct(self, schedule: Schedule | Wave) -> None:
        while True:
            self._waiting.extend(map(Task, schedule.take()))
            for task in self._send():
                schedule.settle(task.component)
            if not self._loads and (self._run.stopping or (schedule.is_done and not self._waiting)):
                return
            for done in self._library.collect(self._patience(schedule)):
                for task in self._conclude(done):
                    schedule.settle(task.component)
            self._look_around()

    def _patience(self, schedule: Schedule | Wave) -> float:
        if not self._loads and schedule.wait_seconds is None:
            return 0.0  # what was settled at once may have freed others
        return min(
            _LOOK_SECONDS, schedule.wait_seconds if schedule.wait_seconds is not None else _LOOK_SECONDS
        )

    # --- sending

    def _send(self) -> list[Task]:
        """Sends what may be sent now. Returns what could not be, and has ended therefore."""
        orders: list[Order] = []
        over: list[Task] = []
        slots = self._library.slots() if self._waiting else 1
        few = 2 * slots + 2 if not self._library.can_grow else max(2 * slots + 2, _FEW)  # to be grown for
        # Few at first, and more as they come back: that shows what nodes need, and how long components take.
        most = _MOST_RELAYED if self._depot.relays else _MOST_UNDER_WAY
        while self._waiting and len(self._loads) < min(few + self._ended, most):
            if self._run.stopping:
                break
            order = self._order(len(self._waiting) // (2 * slots), over)
            if order is not None:
                orders.append(order)
        if orders:
            self._library.submit(orders)
        return over

    def _order(self, share: int, over: list[Task]) -> Order | None:
        """The next component to send, with those that travel with it."""
        first = self._waiting.popleft()
        name = first.component.module
        options, timeout_seconds = self._options_of(first.component)
        size = 1
        if not (first.is_alone or self._depot.relays or timeout_seconds is not None):
            pace = self._pace.get(name, _TOGETHER_SECONDS)
            size = max(1, min(_MOST_TOGETHER, share, int(_TOGETHER_SECONDS / max(pace, 1e-6))))
        lacking = None if self._library.can_grow else self._library.lacking(options)
        tasks: list[Task] = []
        work: list[tuple[bytes, int | None]] = []
        task: Task | None = first
        while task is not None:
            payload = self._prepared(task, lacking)
            if payload is None:
                over.append(task)
            else:
                tasks.append(task)
                work.append((payload, task.before if self._rules.guards or size > 1 else None))
            task = self._companion(name, options) if len(tasks) < size else None
        if not tasks:
            return None
        order = Order(next(self._numbers), name, work, options, timeout_seconds)
        order.code = self._depot.code
        if tasks[0].relay is not None:
            order.orders, order.inputs = tasks[0].relay.orders(), self._depot.inputs_of(tasks[0].component)
        self._loads[order.number] = _Load(tasks, options)
        return order

    def _companion(self, name: str, options: dict[str, Any]) -> Task | None:
        """The next one, if it may travel with one of that name and those options."""
        if not self._waiting:
            return None
        task = self._waiting[0]
        if task.is_alone or task.component.module != name or self._options_of(task.component)[0] != options:
            return None
        return self._waiting.popleft()

    def _prepared(self, task: Task, lacking: str | None) -> bytes | None:
        """The component as it travels; `None` if it can not."""
        identity = task.identity
        if lacking is not None:
            self._exits[identity] = lacking
            return None
        task.note_before()
        if self._depot.relays and task.relay is None:
            if not task.claim(self.site.storages):
                return None
            self._run.report_start(task.component)
        try:
            payload = task.pickled()
        except Exception as error:
            self._exits[identity] = f"it can not be pickled ({type(error).__name__}: {error})"
            self._run.unpicklable.setdefault(identity, error)
            task.give_up(self._exits[identity])
            return None
        self._run.held.add(identity)
        if not task.was_resent:
            task.attempts += 1
        task.flights += 1
        return payload

    # --- ends

    def _conclude(self, done: Done, *, last: bool = False) -> list[Task]:
        """Takes note of how a load ended. Returns what has ended with it, and is to be settled."""
        load = self._loads.pop(done.number, None)
        if load is None:
            return []
        self._ended += 1
        for task in load.tasks:
            task.flights -= 1
        if done.answers is None:
            return self._conclude_crash(load, done, last)
        over = []
        back = []
        for task, answer in zip(load.tasks, done.answers, strict=False):
            if answer.needs:
                self._depot.supply(answer.needs)
                task.attempts -= 1
                back.append(task)
            elif not task.is_over and not (task.flights and _is_running(answer)):
                self._note_pace(task, answer)
                if self._has_ended(task, answer, load.verdict, "", last):
                    over.append(task)
        for task in load.tasks[len(done.answers) :]:
            if not task.is_over and not task.flights:
                task.attempts -= 1
                back.append(task)
        self._put_back(back, last)
        return over

    def _conclude_crash(self, load: _Load, done: Done, last: bool) -> list[Task]:
        """The node or worker said nothing of any: the records tell which it was at."""
        over, back = [], []
        problem = load.verdict or done.problem
        begun = [task for task in load.tasks if not task.is_over and task.state(self._run) is not None]
        for task in load.tasks:
            if task.is_over or (task.flights and task not in begun):
                continue
            if len(load.tasks) > 1:
                task.is_alone = True
                if begun and task not in begun and done.kind != "cancelled":
                    task.attempts -= 1
                    back.append(task)
                    continue
                state = task.state(self._run)
                if state is not None and state.attempt is not None and state.attempt.end is not None:
                    self._run.held.discard(task.identity)
                    task.is_over = True
                    over.append(task)  # it ended before the crash
                    continue
            if self._has_ended(task, None, problem, done.kind, last, done.code):
                over.append(task)
        self._put_back(back, last)
        return over

    def _put_back(self, tasks: list[Task], last: bool) -> None:
        if last:
            for task in tasks:
                task.give_up("interrupted")
        else:
            self._waiting.extendleft(reversed(tasks))

    def _has_ended(
        self,
        task: Task,
        answer: Answer | None,
        problem: str,
        kind: str,
        last: bool,
        code: int | None = None,
    ) -> bool:
        """Takes note of how a component ended. If it is started again, it has not."""
        component = task.component
        is_good = task.conclude(self._run, answer, problem, kind, code)
        if task.why:
            self._exits[task.identity] = task.why
        if not (is_good or last or self._run.stopping or task.kind in _FINAL):
            default = task.kind != "exception" and task.attempts <= self._rules.retries
            if self._decide(component, task.attempts, task.kind, task.why, default=default):
                told = task.why or "it raised an exception"
                notice(f"{component.module} {component.id}: {told}; started again ({task.attempts})")
                component._core.exception = None
                task.forget()
                self._waiting.append(task)
                return False
        task.is_over = True
        self._run.held.discard(task.identity)
        return True

    def _note_pace(self, task: Task, answer: Answer) -> None:
        name = task.component.module
        self._pace[name] = max(answer.seconds, 0.9 * self._pace.get(name, 0.0))

    # --- those that wait for a node

    def _look_around(self) -> None:
        """Takes back what no node has been able to run for too long, and what waits behind a slow one."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        known: dict[str, str | None] = {}
        for number, load in self._loads.items():
            if len(load.tasks) > 1 and not load.is_resent and now - load.sent_at > _RESEND_SECONDS:
                self._resend(load)
            key = repr(load.options)
            if key not in known:
                known[key] = self._library.lacking(load.options)
            self._judge(number, load, known[key], now)

    def _resend(self, load: _Load) -> None:
        begun = [task.is_over or task.state(self._run) is not None for task in load.tasks]
        if not any(begun):
            return  # it has not got a worker yet
        load.is_resent = True
        for task, has_begun in zip(load.tasks, begun, strict=True):
            if not has_begun:
                task.is_alone = task.was_resent = True
                self._waiting.append(task)

    def _judge(self, number: int, load: _Load, lacking: str | None, now: float) -> None:
        if lacking is None:
            load.unmet_since = None
            return
        if load.unmet_since is None:
            load.unmet_since = now
        waited, limit = now - load.unmet_since, self._rules.resources_seconds
        if waited >= _SAY_AFTER_SECONDS:
            notice(f"waiting: {lacking}", once=f"lacking {self.site.run} {lacking}")
        if limit is not None and waited >= limit and not load.verdict:
            load.verdict = f"{lacking}; waited {limit:g} s (resources_timeout_seconds)"
            self._library.cancel([number], force=True)

    # --- the end

    def _wind_up(self) -> None:
        """Ends all tasks: interrupts them, and at the next Ctrl-C ends them at once."""
        self.is_winding_up = self._run.stopping = True
        said = False
        try:
            while self._loads:
                self._cancel(
                    force=False
                )  # again and again, since one that has just begun may not have heard it
                self._await_ends(1.0 if not said else _GRACE_SECONDS)
                if self._loads and not said:
                    said = True
                    notice(
                        f"waiting for {len(self._loads)} components to stop; Ctrl-C again ends them at once"
                    )
        finally:
            if self._loads:
                self._cancel(force=True)
                self._await_ends(_GRACE_SECONDS)
            for load in self._loads.values():
                for task in load.tasks:
                    task.give_up("interrupted")

    def _cancel(self, *, force: bool) -> None:
        self._library.cancel(list(self._loads), force=force)

    def _await_ends(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._loads and (left := end - time.monotonic()) > 0:
            for done in self._library.collect(left):
                for task in self._conclude(done, last=True):
                    if task.state(self._run) is not None:
                        self._run.report_end(task.component, reason=task.why if task.kind else None)


#: Ends of tasks after which nothing is started again: they were meant, or would be the same.
_FINAL = ("cancelled", "refused")


def _is_running(answer: Answer) -> bool:
    return answer.status == Status.RUNNING.value
