"""Jobs: components on their way through processes. Started, timed, started again, and ended in order."""

from __future__ import annotations

import pickle
import signal
import time
from collections import deque
from itertools import count

from machinable.component.launching import Ticket
from machinable.engines.child import Report
from machinable.engines.children import wait_for_any
from machinable.errors import MachinableError
from machinable.execution.preempting import was_preempted
from machinable.notices import notice
from machinable.records import clock
from machinable.records.notes import add_note
from machinable.types import Status
from machinable.wording import process_end

__all__ = ["Jobs", "Rules"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.component.component import Component
    from machinable.engines.children import Ended, Nursery
    from machinable.execution.run import Run
    from machinable.execution.schedule import Schedule, Wave

#: How long a process that took too long may take to end after SIGTERM, before it gets SIGKILL, in seconds.
GRACE_SECONDS = 10.0
#: How long a process may take until its component begins to run, where there is a limit of time, in seconds. Code
#: that is slow to import, on a busy machine and a slow file system, needs no more than this.
BEGIN_SECONDS = 600.0
#: How long processes that Ctrl-C has reached as well, as from a terminal, are left to themselves, in seconds.
_LAST_WORDS_SECONDS = 0.2
_ASK_AGAIN_SECONDS = 1.0

_ENDED = (Status.FINISHED, Status.FAILED, Status.INTERRUPTED)


class Rules:
    """What holds for every job.

    Args:
        slots: How many processes there are at a time.
        timeout_seconds: How long a component may run; `None`: as long as it takes.
        retries: How often a component is started again whose process crashed, was killed or took too long.
        retry_exceptions: Whether one that raised is started again, too.
        memory_limit_gib: The limit that the processes have, for messages.
    """

    __slots__ = ("memory_limit_gib", "retries", "retry_exceptions", "slots", "timeout_seconds")

    def __init__(
        self,
        slots: int,
        timeout_seconds: float | None,
        retries: int,
        retry_exceptions: bool,
        memory_limit_gib: float | None,
    ) -> None:
        self.slots = slots
        self.timeout_seconds = timeout_seconds
        self.retries = retries
        self.retry_exceptions = retry_exceptions
        self.memory_limit_gib = memory_limit_gib


class _Job:
    """A component on its way through processes."""

    __slots__ = ("attempts", "before", "begins_by", "component", "deadline", "has_begun", "stage")

    def __init__(self, component: Component) -> None:
        self.component = component
        self.attempts = 0  # how often it was started
        self.before = 0  # the number of the last attempt that its process did not make
        self.has_begun = False  # as far as that was looked at
        self.deadline: float | None = None  # when to look at it, by the monotonic clock
        self.begins_by = 0.0  # when it has to have begun
        self.stage = 0  # 1: it took too long and got SIGTERM; 2: SIGKILL as well


class Jobs:
    """The components of a run on their way through the processes of a nursery.

    Args:
        exits: Where it is noted how processes ended, in words, by identity.
        decide: Whether a component that did not finish is started again; see `machinable.execution.retries`.
    """

    def __init__(
        self,
        run: Run,
        nursery: Nursery,
        rules: Rules,
        exits: dict[str, str],
        decide: Callable[..., bool] = lambda *_, default: default,
    ) -> None:
        self._run = run
        self._nursery = nursery
        self._rules = rules
        self._exits = exits
        self._decide = decide
        self._numbers = count(1)
        self._jobs: dict[int, _Job] = {}
        self.is_winding_up = False

    def conduct(self, schedule: Schedule | Wave) -> None:
        """Starts the components as they can be taken, as many at a time as there are slots, until all have ended.

        Whatever interrupts it ends all processes first.
        """
        try:
            self._schedule(schedule)
        except BaseException as error:
            self._wind_up(interrupted=isinstance(error, KeyboardInterrupt))
            raise

    def _schedule(self, schedule: Schedule | Wave) -> None:
        waiting: deque[_Job] = deque()
        while True:
            waiting.extend(map(_Job, schedule.take()))
            while waiting and len(self._jobs) < self._rules.slots and not self._run.stopping:
                job = waiting.popleft()
                if not self._start(job):
                    schedule.settle(job.component)
            if not self._jobs and (self._run.stopping or (schedule.is_done and not waiting)):
                return
            wait_for_any(self._nursery.descriptors(), self._patience(schedule))
            for ended in self._nursery.collect():
                job = self._jobs.pop(ended.job)
                if self._conclude(job, ended):
                    waiting.appendleft(job)
                else:
                    schedule.settle(job.component)
            self._enforce_timeout()

    def _patience(self, schedule: Schedule | Wave) -> float | None:
        """How long to wait for an end before there is something else to do, in seconds."""
        now = time.monotonic()
        times = [job.deadline - now for job in self._jobs.values() if job.deadline is not None]
        if (soon := schedule.wait_seconds) is not None:
            times.append(soon)
        if not self._jobs and not times:
            return 0.0  # what was settled at once may have freed others
        return max(0.0, min(times)) if times else None

    def _start(self, job: _Job) -> bool:
        """Starts a process with the component. Returns whether that was possible."""
        component, run = job.component, self._run
        identity = component._request.identity
        try:
            payload = self._pickled(job)
        except Exception as error:
            self._exits[identity] = f"it can not be pickled ({type(error).__name__}: {error})"
            run.unpicklable.setdefault(identity, error)
            return False
        job.attempts += 1
        job.stage = 0
        if self._rules.timeout_seconds is not None:
            self._set_deadline(job, self._rules.timeout_seconds)
        run.held.add(identity)
        run.report_start(component)
        number = next(self._numbers)
        self._jobs[number] = job
        self._nursery.start(number, payload)
        return True

    @staticmethod
    def _set_deadline(job: _Job, timeout_seconds: float) -> None:
        """It can not have run too long before its process has lived as long. Then its own start is looked up."""
        now = time.monotonic()
        job.has_begun = False
        job.before = _attempt_of(job.component)[0]
        job.deadline, job.begins_by = now + min(timeout_seconds, BEGIN_SECONDS), now + BEGIN_SECONDS

    @staticmethod
    def _pickled(job: _Job) -> bytes:
        core = job.component._core
        ticket = core.ticket
        if job.attempts and ticket is not None:
            # A failure that it has met already is not its outcome this time.
            core.ticket = Ticket(ticket.engine, ticket.execution, ticket.run, clock.now(core.storage))
        try:
            return pickle.dumps(job.component)
        finally:
            core.ticket = ticket

    # --- ends

    def _conclude(self, job: _Job, ended: Ended, *, last: bool = False) -> bool:
        """Takes note of how a process ended. Returns whether the component is to be started again."""
        component, identity = job.component, job.component._request.identity
        report = Report.decoded(ended.report)
        if report is None and self._is_finished(component):  # killed with its last breath
            report = Report(Status.FINISHED.value)
        if report is not None and report.status == Status.FINISHED:
            job.stage = 0  # just in time
        why = self._why(job, ended, report)
        if why is not None:
            self._exits[identity] = why
        if report is None or not report.status or job.stage:
            self._note(job, ended, report)
        crashed = report is None or bool(job.stage)
        failed = report is not None and report.status == Status.FAILED
        if (crashed or failed) and not last and self._starts_again(job, report, why):
            notice(
                f"{component.module} {component.id}: {why or 'it raised an exception'}; "
                f"started again ({job.attempts} of {self._rules.retries})"
            )
            return True
        interrupted = report is not None and report.status == Status.INTERRUPTED and not job.stage
        if interrupted and not last and not self._run.stopping and self._is_preempted(component):
            notice(f"{component.module} {component.id}: preempted; started again")
            job.attempts -= 1  # it is none that failed
            return True
        core = component._core
        if report is not None and report.status == Status.FINISHED:
            core.outcome, core.reused = Status.FINISHED, report.reused
        elif failed and report is not None and not job.stage:
            core.exception = report.load_exception()
        self._run.held.discard(identity)
        if report is None or report.status in _ENDED:
            self._run.report_end(component, reason=why if report is None or job.stage else None)
        return False

    def _starts_again(self, job: _Job, report: Report | None, why: str | None) -> bool:
        if job.attempts > self._rules.retries or self._run.stopping:
            return False
        raised = report is not None and not job.stage
        kind = "exception" if raised else "time_limit" if job.stage else "crash"
        if raised and report is not None and isinstance(report.load_exception(), MemoryError):
            kind = "out_of_memory"
        default = self._rules.retry_exceptions if raised else True
        return self._decide(
            job.component, job.attempts, kind, why or "it raised an exception", default=default
        )

    @staticmethod
    def _is_preempted(component: Component) -> bool:
        try:
            return was_preempted(component)
        except MachinableError:
            return False  # told where the run settles

    @staticmethod
    def _is_finished(component: Component) -> bool:
        try:
            return component._state().status is Status.FINISHED
        except MachinableError:
            return False  # told where the run settles

    def _why(self, job: _Job, ended: Ended, report: Report | None) -> str | None:
        if job.stage:
            if job.has_begun:
                text = f"it ran longer than {self._rules.timeout_seconds:g} s (timeout_seconds) and was "
            else:
                text = f"it did not begin within {BEGIN_SECONDS:g} s of its process's start, and was "
            return text + (
                "terminated" if job.stage == 1 else "killed, because it did not stop when asked to"
            )
        if report is None:
            text = "its process was lost" if ended.code is None else process_end(ended.code)
            text = ended.words or text
            if self._rules.memory_limit_gib is not None:
                text += f", with a limit of {self._rules.memory_limit_gib:g} GiB of address space"
            return text
        return report.error or None

    def _note(self, job: _Job, ended: Ended, report: Report | None) -> None:
        """Adds to the record how the process ended, which its owner could not tell."""
        component = job.component
        try:
            record = component._record
            state = component._state()
            if record is None or state.attempt is None or not self._run.is_own(state):
                return
            if state.attempt.end is not None and not job.stage:
                return
            fields: dict[str, Any] = {"attempt": state.attempt.number}
            if ended.code is not None and report is None:
                if ended.code < 0:
                    fields["signal"] = _name_of(-ended.code)
                else:
                    fields["code"] = ended.code
                if ended.rank is not None:
                    fields["rank"] = ended.rank
            if job.stage and job.has_begun:
                fields["timeout_seconds"] = self._rules.timeout_seconds
            add_note(record.meta, "exit", **fields)
        except MachinableError as error:
            notice(f"{component.module} {component.id}: how its process ended could not be noted: {error}")

    def _enforce_timeout(self) -> None:
        now = time.monotonic()
        for number, job in self._jobs.items():
            if job.deadline is None or now < job.deadline or not self._is_overdue(job, now):
                continue
            job.stage += 1
            job.deadline = now + GRACE_SECONDS if job.stage == 1 else None
            self._nursery.send(number, signal.SIGTERM if job.stage == 1 else signal.SIGKILL)

    def _is_overdue(self, job: _Job, now: float) -> bool:
        """Whether it ran too long, or did not get to run. If not, its deadline is set anew."""
        timeout = self._rules.timeout_seconds
        if job.stage or timeout is None:
            return True
        if not job.has_begun:
            number, began = _attempt_of(job.component)
            if number > job.before:
                job.has_begun = True
                # The clock that dates attempts may have been set meanwhile: it is not to make the limit longer twice.
                job.deadline = now + min(max(began + timeout - time.time(), 0.0), timeout)
            else:
                job.deadline = min(now + timeout, max(job.begins_by, now))
                return now >= job.begins_by
        return job.deadline is not None and now >= job.deadline

    def _wind_up(self, *, interrupted: bool) -> None:
        """Ends all processes: asks them to, and at the next Ctrl-C does not ask any more."""
        self.is_winding_up = self._run.stopping = True
        try:
            # From a terminal, Ctrl-C has reached them as well. The kernel may give two signals in a row to another
            # thread than the main one, which then sleeps on, so SIGTERM waits for a moment, and comes again.
            if interrupted:
                self._await_ends(_LAST_WORDS_SECONDS)
            asked = 0
            began = time.monotonic()
            while self._jobs and (interrupted or time.monotonic() - began < GRACE_SECONDS):
                if asked == 1:
                    notice(
                        f"waiting for {len(self._jobs)} components to stop; Ctrl-C again ends them at once"
                    )
                self._nursery.stop()
                asked += 1
                self._await_ends(_ASK_AGAIN_SECONDS)
        except KeyboardInterrupt:
            self._await_ends(_LAST_WORDS_SECONDS)
            raise
        finally:
            if self._jobs:
                self._nursery.stop(signal.SIGKILL)
                self._await_ends(GRACE_SECONDS)

    def _await_ends(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._jobs and (left := end - time.monotonic()) > 0:
            wait_for_any(self._nursery.descriptors(), left)
            for ended in self._nursery.collect():
                job = self._jobs.pop(ended.job, None)
                if job is not None:
                    self._conclude(job, ended, last=True)


def _attempt_of(component: Component) -> tuple[int, float]:
    """The number of the component's last attempt and when it began, in seconds since the epoch; 0 if there is none."""
    try:
        attempt = component._state().attempt
    except (MachinableError, OSError):
        return 0, 0.0
    return (attempt.number, float(attempt.started.get("time") or 0.0)) if attempt is not None else (0, 0.0)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
