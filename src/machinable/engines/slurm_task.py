"""What happens in a job of Slurm: the components of one task run one after the other, with the snapshot's code."""

from __future__ import annotations

import base64
import os
import pickle
import signal
import sys
import time
import zlib

from machinable.component.checkpoint import last_attempt_saved
from machinable.component.signals import terminate
from machinable.component.transport import relocated
from machinable.component.waiting import takeover_seconds, wait_for_end
from machinable.engines import child
from machinable.engines.slurm_code import Code
from machinable.engines.slurm_commands import run_command, state_of_own_job
from machinable.errors import MachinableError, SchedulerError
from machinable.modules.residence import activated
from machinable.notices import notice
from machinable.records.notes import add_note
from machinable.types import Status

__all__ = ["Payload", "main"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

    from machinable.component.component import Component

_LINE_CHARACTERS = 120

#: How long Slurm may take to end a job that it has queued again, in seconds.
_END_SECONDS = 120.0
_PAUSE_SECONDS = 0.05

_BLOCKED_CODE = 3


class Payload:
    """What the jobs of an array need to know: it is part of their script, and of no file in the storage.

    Attributes:
        project: The root of the project, as the components know it.
        code: The path of the snapshot's zip, and the name of its content.
        run: The token of the run.
        output: Where Slurm writes the output of jobs, as sbatch takes it.
        tasks: By index of the array, the pickled components.
    """

    __slots__ = ("code", "output", "project", "run", "tasks")

    def __init__(
        self, project: str, code: tuple[str, str], run: str, output: str, tasks: dict[int, list[bytes]]
    ) -> None:
        self.project = project
        self.code = code
        self.run = run
        self.output = output
        self.tasks = tasks

    def __reduce__(self) -> tuple[Any, ...]:
        return Payload, (self.project, self.code, self.run, self.output, self.tasks)

    def encoded(self) -> str:
        """As text of short lines."""
        text = base64.b64encode(zlib.compress(pickle.dumps(self), 9)).decode()
        return "\n".join(
            text[start : start + _LINE_CHARACTERS] for start in range(0, len(text), _LINE_CHARACTERS)
        )

    @staticmethod
    def decoded(text: str) -> Payload:
        """From that text."""
        payload: Payload = pickle.loads(zlib.decompress(base64.b64decode(text)))
        return payload


class _Signals:
    """The signals of Slurm: SIGUSR1 says that the time is nearly up, SIGTERM that the job is to end."""

    def __init__(self) -> None:
        self.component: Component | None = None  # that runs
        self.time_is_up = False
        signal.signal(signal.SIGUSR1, self._on_time)
        # Also before and after a component runs, so that nothing is left on the node.
        signal.signal(signal.SIGTERM, terminate)

    def _on_time(self, number: int, frame: FrameType | None) -> None:
        # What can not go on from a checkpoint had better use all of its time.
        if not self.time_is_up and hasattr(self.component, "on_save"):
            self.time_is_up = True
            terminate(number, frame)


def main() -> NoReturn:
    """The main program of a job."""
    code, payload = 1, None
    try:
        payload = Payload.decoded(sys.stdin.read())
        code = _main(payload, int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")))
    except KeyboardInterrupt:
        code = 130
    except MachinableError as error:
        notice(str(error))
    except BaseException:
        import traceback

        traceback.print_exc()
    if code == 0 and payload is not None:
        _remove_output(payload.output)
    child.leave(code)


def _main(payload: Payload, index: int) -> int:
    signals = _Signals()
    with Code(*payload.code) as code:
        relocated.set({payload.project: code.directory})
        with activated(code.directory, lasting=True):
            pass
        worst = 0
        for data in payload.tasks[index]:
            ended = _run(data, payload.run, signals)
            if ended is None:
                worst = worst or 1
                break
            worst = worst or ended
    return worst


def _run(data: bytes, run: str, signals: _Signals) -> int | None:
    """Runs one component. Returns the exit code; `None` if the job is to end now."""

    def dispatch(component: Component) -> Status:
        signals.component = component
        ticket = component._core.ticket
        if ticket is not None:
            # The coordinator's PID and terminal mean nothing here.
            ticket.pid, ticket.live = 0, False
        missing = _missing_input(component)
        if missing is not None:
            raise MachinableError(f"blocked: its input {missing!r} is not finished")
        _disown(component, run)
        while True:
            status = component.dispatch()
            record = component._record
            if status is not Status.RUNNING or record is None:
                return status
            wait_for_end(record, component.module, takeover_seconds(component._core.settings))

    report = child.run(data, child.Options({}), dispatch)
    if report.status == Status.FINISHED:
        return 0
    if not report.status:
        notice(report.error)
        return _BLOCKED_CODE if "blocked: " in report.error else 1
    if report.status != Status.INTERRUPTED:
        return 1
    if signals.component is not None:
        _end_early(signals.component, signals)
    return None


def _missing_input(component: Component) -> str | None:
    """The name of an input that is not finished: this job then began because all that it waited for has ended."""
    for name, used in component.uses.items():
        if used._state().status is not Status.FINISHED:
            return str(name)
    return None


def _disown(component: Component, run: str) -> None:
    """Takes note that an attempt of this run is over which says nothing of its end: only one job has the component."""
    record = component._record
    state = component._state()
    attempt = state.attempt
    if record is None or attempt is None or attempt.end is not None or attempt.started.get("run") != run:
        return
    if not state.owner_is_gone:
        add_note(record.meta, "exit", attempt=attempt.number, gone=True, reason="Slurm started its job anew")


def _end_early(component: Component, signals: _Signals) -> None:
    """Has Slurm queue this job again, if it ends for a reason other than that somebody wants it to end."""
    job = os.environ.get("SLURM_JOB_ID", "")
    # After scancel the job counts as CANCELLED, after a requeue as PENDING; before a preemption it is still RUNNING.
    if not signals.time_is_up and state_of_own_job(job) != "RUNNING":
        return
    why = "its time is nearly up" if signals.time_is_up else "it is preempted"
    name = f"{component.module} {component.id}"
    if not last_attempt_saved(component):
        # It would begin from where it began this time, for ever.
        notice(f"{name}: {why}, and it has no checkpoint of this attempt, so it is not queued again")
        return
    notice(f"{name}: {why}; it goes on from its checkpoint when Slurm has run it again")
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    try:
        run_command(["scontrol", "requeue", job])
    except SchedulerError as error:
        notice(f"{name}: it can not be queued again: {error}")
        return
    end = time.monotonic() + _END_SECONDS
    while not ended and time.monotonic() < end:  # Slurm ends the job
        time.sleep(_PAUSE_SECONDS)


def _remove_output(path: str) -> None:
    """Removes the file that Slurm writes the job's output to: what components printed is in their records."""
    for sign, variable in (("%A", "SLURM_ARRAY_JOB_ID"), ("%a", "SLURM_ARRAY_TASK_ID")):
        path = path.replace(sign, os.environ.get(variable, sign))
    try:
        os.unlink(path)
    except OSError:
        pass  # it is in the way of nobody
