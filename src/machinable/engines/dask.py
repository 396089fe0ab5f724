"""The engine `dask`: components are tasks of a Dask cluster, of a local one or of any that is there."""

from __future__ import annotations

from functools import partial

from machinable.engines.dasktasks import Tasks, connect
from machinable.engines.fleet import Fleet
from machinable.engines.library import Rules
from machinable.engines.termination import Termination
from machinable.errors import ConfigurationError
from machinable.execution.execution import Execution
from machinable.execution.resources import resources_of
from machinable.execution.retries import decide

__all__ = ["Dask"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from machinable.component.component import Component
    from machinable.execution.run import Run

#: The options of a Dask task that may be given as resources, verbatim.
_OPTIONS = ("allow_other_workers", "priority", "resources", "workers")


class Dask(Execution):
    """Runs components as tasks of Dask: of a local cluster that lasts as long as the run, or of one that is there.

        from dask_jobqueue import PBSCluster
        from machinable.engines.dask import Dask

        cluster = PBSCluster(queue="main", cores=4, processes=1, memory="8 GiB")
        cluster.scale(jobs=10)
        execute(plan, engine=Dask(cluster=cluster))

    `dask:tcp://HOST:PORT` is a running scheduler. A thread of a worker runs one component at a time, in a process of
    its own that stands by for the run, so a crash costs one component and no worker.

    A worker needs machinable, but nothing of the project: where it is not there, the snapshot is sent along. Where a
    worker does not see the storage, the record comes back through Dask when the component ends.

    Args:
        cluster: A `distributed.Client`, or a cluster object such as those of dask-jobqueue. It is left as it is.
    """

    __machinable_name__ = "dask"
    schedules_inputs = True

    class Config:
        address: str | None = None
        """Of a scheduler (`tcp://HOST:PORT`), or the path of a scheduler file (`.json`). `None`: a local cluster."""

        processes: int | None = None
        """How many components the local cluster runs at a time; `None`: as many as there are usable cores."""

        options: dict = {}  # type: ignore[type-arg]
        """Further options of each task, as `Client.submit` takes them: `resources`, `workers`, `priority`, …"""

        cluster: dict = {}  # type: ignore[type-arg]
        """Further arguments of `LocalCluster`, or, with an address, of `Client`."""

        retries: int = 0
        """How often a component is started again whose process or worker died, or that took too long."""

        timeout_seconds: float | None = None
        """A component that runs longer is interrupted as by SIGTERM, and killed 10 s later if it goes on."""

        resources_timeout_seconds: float | None = 600.0
        """How long a component waits for a worker that could run it to join; `None`: for ever."""

    def __init__(self, version: Any = None, *, cluster: Any = None, **arguments: Any) -> None:
        super().__init__(version, **arguments)
        self._cluster = cluster
        self._exits: dict[str, str] = {}  # how processes ended, by identity
        self._tasks: Tasks | None = None
        self._check_config()

    @classmethod
    def from_argument(cls, argument: str) -> dict[str, Any]:
        """The version that `dask:<argument>` stands for. Raises ConfigurationError."""
        if "://" not in argument and not argument.endswith(".json"):
            raise ConfigurationError(
                f"dask:{argument}: {argument!r} is no address; give for instance dask:tcp://127.0.0.1:8786."
            )
        return {"address": argument}

    def name_engine(self) -> str:
        """What records call this engine."""
        if type(self).__module__.partition(".")[0] != "machinable":
            return super().name_engine()
        return "dask"

    def _check_config(self) -> None:
        config = self.config
        if config.retries < 0:
            raise ConfigurationError(f"dask: retries is {config.retries}, but at least 0 is needed.")
        for name in ("processes", "timeout_seconds", "resources_timeout_seconds"):
            if config[name] is not None and not config[name] > 0:
                raise ConfigurationError(f"dask: {name} is {config[name]!r}, but a number above 0 is needed.")
        if config.address is not None and self._cluster is not None:
            raise ConfigurationError("dask: give an address or a cluster, not both.")
        if "retries" in config.options:
            raise ConfigurationError(
                "dask: retries can not be among the options: components are run again only by `retries`."
            )

    # --- running

    def check(self, components: Sequence[Component]) -> None:
        """Refuses resources that make no sense, or that the local cluster does not have."""
        asked = [(component, self.options_of(component)[0]) for component in components]
        if self._tasks is None:
            config = self.config
            more = config.cluster.to_dict() if config.cluster else {}
            self._tasks = connect(config.address, self._cluster, config.processes, more)
        if not self._tasks.can_grow:
            for component, wanted in asked:
                lacking = self._tasks.lacking(wanted)
                if lacking is not None:
                    raise ConfigurationError(f"{component.module}: {lacking}.")

    @property
    def _is_local(self) -> bool:
        return self.config.address is None and self._cluster is None

    def options_of(self, component: Component) -> tuple[dict[str, Any], float | None]:
        """The options of the component's task, and how long it may run, in seconds. Raises ConfigurationError."""
        config = self.config
        timeout_seconds: float | None = config.timeout_seconds
        options: dict[str, Any] = config.options.to_dict() if config.options else {}
        needs: dict[str, float] = {"CPU": 1} if self._is_local else {}
        if self.has_resources():
            resources = resources_of(self, component, "dask", _OPTIONS)
            if resources.nodes is not None and resources.nodes != 1:
                raise ConfigurationError(
                    f"{component.module}: resources: a task of Dask runs on one worker, not on {resources.nodes} nodes."
                )
            if resources.cpus is not None and (resources.cpus > 1 or self._is_local):
                needs["CPU"] = resources.cpus
            if resources.gpus:
                needs["GPU"] = resources.gpus
            if resources.memory_gib is not None:
                needs["MEMORY"] = resources.memory_gib * 2**30
            if resources.time_minutes is not None:
                timeout_seconds = min(timeout_seconds or float("inf"), 60 * resources.time_minutes)
            native = dict(resources.native)
            needs.update(native.pop("resources", None) or {})
            options.update(native)
        needs.update(options.pop("resources", None) or {})
        if needs:
            options["resources"] = needs
        return options, timeout_seconds

    def detach(self) -> Self:
        """Runs what was added without this process. Raises ConfigurationError for a cluster that ends with it."""
        if self._cluster is not None:
            raise ConfigurationError(
                "wait=False needs a scheduler that outlives this process: give its address, as in "
                "dask:tcp://HOST:8786, instead of a cluster object."
            )
        return super().detach()

    def _dispatch(self, run: Run) -> None:
        try:
            super()._dispatch(run)
        finally:
            tasks, self._tasks = self._tasks, None
            if tasks is not None:
                tasks.close()

    def __call__(self) -> None:
        if self._run is None or self._tasks is None:
            return
        config, tasks = self.config, self._tasks
        rules = Rules(config.retries, config.resources_timeout_seconds, guards=tasks.can_grow)
        fleet = Fleet(self._run, tasks, rules, self.options_of, self._exits, partial(decide, self))
        tasks.site = fleet.site
        with Termination(lambda: fleet.is_winding_up):
            try:
                fleet.conduct(self._run.schedule)
            finally:
                fleet.close()
                tasks.clear(fleet.site.run)

    def exit_of(self, component: Component) -> str | None:
        return self._exits.get(component._request.identity)
