"""The engine `slurm`: components as jobs of a Slurm cluster, in few arrays that wait for each other."""

from __future__ import annotations

from functools import partial

from machinable.engines.availability import require
from machinable.engines.slurm_commands import limits
from machinable.engines.slurm_limits import refuse_impossible
from machinable.engines.slurm_script import OPTIONS, options_of
from machinable.engines.slurm_submit import Submitter
from machinable.engines.slurm_watch import SlurmWatch
from machinable.engines.termination import Termination
from machinable.errors import ConfigurationError
from machinable.execution import apart
from machinable.execution.execution import Execution
from machinable.execution.resources import VOCABULARY, merged, parse_resources
from machinable.execution.run import Run
from machinable.execution.schedule import Schedule
from machinable.records import clock

__all__ = ["Slurm"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from machinable.component.component import Component
    from machinable.execution.resources import Resources

#: How long jobs that were cancelled are waited for, in seconds.
_PATIENCE_SECONDS = 15.0

_NATIVE = frozenset({*OPTIONS, *(name.replace("_", "-") for name in OPTIONS)})


class Slurm(Execution):
    """Runs each component as a job of a Slurm cluster.

        with get("slurm", {"partition": "gpu", "time_minutes": 60}):
            get("train").launch()

    `slurm:gpu` stands for `{"partition": "gpu"}`. Jobs are submitted all at once, in few arrays: users wait in the
    queue for their inputs. They run the snapshot of the code. Before its time is up, and when it is preempted, a
    component with `on_save` saves a checkpoint, is queued again, and goes on in the same record. With `wait=False`
    nothing but the jobs is left behind; `machinable attach` looks after them from any shell.
    """

    __machinable_name__ = "slurm"

    schedules_inputs = True

    class Config:
        partition: str | None = None
        account: str | None = None
        qos: str | None = None
        constraint: str | None = None

        cpus: int | None = None
        """What each component needs, if nothing else is said: see the resources of executions."""
        gpus: int | None = None
        memory_gib: float | None = None
        time_minutes: float | None = None
        nodes: int | None = None

        options: dict = {}  # type: ignore[type-arg]
        """Any other options of sbatch, verbatim: `{"exclude": "n1", "mail-type": "END"}`."""

        setup: list[str] = []
        """Lines of shell that each job runs first, such as `module load cuda`."""

        python: str | None = None
        """The Python of the jobs; by default that of this process."""

        throttle: int | None = None
        """How many jobs of an array run at a time."""

        pack: int = 1
        """How many components that need the same one job runs, one after the other."""

        signal_seconds: int = 120
        """How long before the end of its time a component saves a checkpoint, and is queued again."""

        requeue: bool = True
        """Whether jobs are queued again after their time or a preemption, or when their node fails."""

        retries: int = 0
        """How often a component is submitted again whose job crashed, ran out of memory or time, or lost its node,
        while somebody waits for it."""

        retry_exceptions: bool = False
        """Whether a component that raised an exception is submitted again, too."""

        poll_seconds: float = 10.0
        """How often the queue is asked, for all jobs at once."""

        dry: bool = False
        """Print the scripts, and submit nothing."""

    def __init__(self, version: Any = None, **arguments: Any) -> None:
        super().__init__(version, **arguments)
        self._exits: dict[str, str] = {}  # how jobs ended, by identity
        self._check_config()

    @classmethod
    def from_argument(cls, argument: str) -> dict[str, Any]:
        """The version that `slurm:<partition>` stands for. Raises ConfigurationError."""
        if not argument:
            raise ConfigurationError("slurm: stands before the name of a partition, as in slurm:gpu.")
        return {"partition": argument}

    def name_engine(self) -> str:
        """What records call this engine."""
        own = type(self).__module__.partition(".")[0] == "machinable"
        return "slurm" if own else super().name_engine()

    def exit_of(self, component: Component) -> str | None:
        return self._exits.get(component._request.identity)

    def _check_config(self) -> None:
        config = self.config
        for name in ("pack", "signal_seconds", "throttle"):
            value = config[name]
            if value is not None and value < 1:
                raise ConfigurationError(
                    f"slurm: {name} is {value!r}, but an integer of at least 1 is needed."
                )
        if config.retries < 0 or not config.poll_seconds > 0:
            raise ConfigurationError("slurm: retries has to be at least 0, and poll_seconds above 0.")
        parse_resources(self._configured(), "slurm", _NATIVE, of="slurm")

    # --- resources

    def _configured(self) -> dict[str, Any]:
        """What the configuration says that every component needs."""
        names = (*VOCABULARY, "partition", "account", "qos", "constraint")
        given = {name: self.config[name] for name in names if self.config[name] is not None}
        return {**given, **dict(self.config.options.to_dict())}

    def resources_for(self, component: Component) -> dict[str, Any]:
        """What a component needs: the defaults, over them the configuration, the execution's, and the plan's."""
        return merged(
            self.on_compute_default_resources(component),
            self._configured(),
            self._resources,
            self.planned_resources(component),
        )

    def _needs(self, component: Component) -> Resources:
        return parse_resources(self.resources_for(component), "slurm", _NATIVE, of=component.module)

    def check(self, components: Sequence[Component]) -> None:
        """Refuses what the cluster can never run, and storages that only this process has."""
        apart.refuse_memory(list(components))
        needs = {needed.key(): needed for needed in map(self._needs, components)}
        for each in needs.values():
            options_of(each)
        if self.config.dry:
            return
        require("slurm")
        known = limits()
        for each in needs.values():
            refuse_impossible(each, known)

    # --- running

    def dispatch(self) -> Self:
        """Submits what is not finished, and waits for it; with `dry`, prints the scripts instead."""
        if not self.config.dry:
            return super().dispatch()
        run = Run(self._components, self.name_engine(), self.id)
        print("\n".join(self.preview(list(run.components.values()))), end="", flush=True)
        return self

    def run_one(self, component: Component) -> None:
        """Submits a component, and waits for it."""
        if not self.config.dry:
            super().run_one(component)
            return
        self.add(component)
        self.dispatch()

    def preview(self, components: Sequence[Component]) -> list[str]:
        """The scripts that would be submitted for components, inputs before their users; without what is encoded."""
        return self._submitter().preview(components)

    def _submitter(self) -> Submitter:
        return Submitter(str(self.id), self._directory, self.config, self._needs)

    def __call__(self) -> None:
        run = self._run
        if run is None:
            return
        schedule = run.schedule
        components = schedule.take_all() if isinstance(schedule, Schedule) else schedule.take()
        with Termination(lambda: run.stopping):
            submitter = self._submitter()
            try:
                new = submitter.without_submitted(components)
                submitter.submit(run, new)
                watch = SlurmWatch(
                    self,
                    run,
                    schedule,
                    self.config.poll_seconds,
                    self.config.retries,
                    self.config.retry_exceptions,
                    partial(submitter.submit, run),
                    self._exits,
                    {each._request.identity for each in components}.difference(
                        each._request.identity for each in new
                    ),
                )
                watch.follow(components)
            except BaseException:
                run.stopping = True
                self.cancel()
                submitter.await_ends(_PATIENCE_SECONDS)
                raise

    def detach(self) -> Self:
        """Submits what was added, and leaves it to Slurm."""
        self._dispatched = len(self._components)
        self.adopt_seed(None)
        run = Run(self._components, self.name_engine(), self.id)
        components = list(run.components.values())
        if not components:
            self._adopt_reused()
            return self
        self.check(components)
        self._commit(run, conducted=False)
        run.ticket.began = clock.now(components[0]._core.storage)
        for component in components:
            component._core.hand_over(run.ticket)
            component._core.execution = component._core.execution or self
        submitter = self._submitter()
        submitter.submit(run, submitter.without_submitted(components))
        for component in components:
            component._core.ticket = None
            component._core.looked = False  # there will be a record
        return self
