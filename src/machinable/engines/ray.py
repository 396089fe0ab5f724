"""The engine `ray`: components are tasks of a Ray cluster, of a local one or of one that is there."""

from __future__ import annotations

from functools import partial

from machinable.engines.fleet import Fleet
from machinable.engines.library import Rules
from machinable.engines.raytasks import Tasks, address_of_connection, connect, disconnect
from machinable.engines.termination import Termination
from machinable.errors import ConfigurationError
from machinable.execution.execution import Execution
from machinable.execution.resources import resources_of
from machinable.execution.retries import decide

__all__ = ["Ray"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from machinable.component.component import Component
    from machinable.execution.run import Run

#: The options of a Ray task that may be given as resources, verbatim.
_OPTIONS = (
    "accelerator_type",
    "label_selector",
    "max_calls",
    "memory",
    "num_cpus",
    "num_gpus",
    "resources",
    "runtime_env",
    "scheduling_strategy",
)


class Ray(Execution):
    """Runs components as tasks of Ray: on the cluster that this process is connected to, else as `ray.init` decides.

    `ray:auto` is a cluster that runs on this machine already, `ray:local` one that is started for this run,
    `ray:HOST:PORT` one elsewhere, and `ray:ray://HOST:PORT` one that is reached by Ray Client. What a run starts or
    connects to, it stops or leaves at its end; call `ray.init` before to keep it.

    A node needs machinable, but nothing of the project: where it is not there, the snapshot is sent along. Where a node
    does not see the storage, the record comes back through Ray when the component ends. A component whose worker or
    node dies fails alone, and is never run again unless `retries` asks.
    """

    __machinable_name__ = "ray"
    schedules_inputs = True

    class Config:
        address: str | None = None
        """Of the cluster: `auto`, `local`, `HOST:PORT` or `ray://HOST:PORT`. `None`: as `ray.init` decides."""

        num_cpus: float | None = None
        """CPUs of each component; Ray counts one by default."""

        num_gpus: float | None = None
        """GPUs of each component."""

        options: dict = {}  # type: ignore[type-arg]
        """Further options of each task, as `ray.remote` takes them: `resources`, `runtime_env`, `memory`, …"""

        init: dict = {}  # type: ignore[type-arg]
        """What `ray.init` is called with, where this process is not connected to Ray yet."""

        retries: int = 0
        """How often a component is started again whose worker or node died, or that took too long."""

        timeout_seconds: float | None = None
        """A component that runs longer is interrupted as by SIGTERM, and killed 10 s later if it goes on."""

        resources_timeout_seconds: float | None = 600.0
        """How long a component waits for a node that could run it to join; `None`: for ever. A cluster that was
        started for the run does not grow, so there nothing is waited for."""

    def __init__(self, version: Any = None, **arguments: Any) -> None:
        super().__init__(version, **arguments)
        self._exits: dict[str, str] = {}  # how processes ended, by identity
        self._tasks: Tasks | None = None
        self._check_config()

    @classmethod
    def from_argument(cls, argument: str) -> dict[str, Any]:
        """The version that `ray:<argument>` stands for. Raises ConfigurationError."""
        host, colon, port = argument.removeprefix("ray://").rpartition(":")
        if argument not in ("auto", "local") and not (host and colon and port.isdecimal()):
            raise ConfigurationError(
                f"ray:{argument}: {argument!r} is no address; give ray:auto, ray:local, ray:HOST:PORT or "
                "ray:ray://HOST:PORT."
            )
        return {"address": argument}

    def name_engine(self) -> str:
        """What records call this engine."""
        if type(self).__module__.partition(".")[0] != "machinable":
            return super().name_engine()
        return "ray"

    def _check_config(self) -> None:
        config = self.config
        if config.retries < 0:
            raise ConfigurationError(f"ray: retries is {config.retries}, but at least 0 is needed.")
        for name in ("timeout_seconds", "resources_timeout_seconds"):
            if config[name] is not None and not config[name] > 0:
                raise ConfigurationError(f"ray: {name} is {config[name]!r}, but a number above 0 is needed.")
        for name in ("max_retries", "retry_exceptions", "num_returns"):
            if name in config.options:
                raise ConfigurationError(
                    f"ray: {name} can not be among the options: components are run again only by `retries`."
                )

    # --- running

    def check(self, components: Sequence[Component]) -> None:
        """Refuses resources that make no sense, or that no node of a cluster has which can not grow."""
        asked = [(component, self.options_of(component)[0]) for component in components]
        if self._tasks is None:
            config = self.config
            self._tasks = connect(config.address, config.init.to_dict() if config.init else {})
        if not self._tasks.can_grow:
            for component, wanted in asked:
                lacking = self._tasks.lacking(wanted)
                if lacking is not None:
                    raise ConfigurationError(f"{component.module}: {lacking}.")

    def options_of(self, component: Component) -> tuple[dict[str, Any], float | None]:
        """The options of the component's task, and how long it may run, in seconds. Raises ConfigurationError."""
        config = self.config
        timeout_seconds: float | None = config.timeout_seconds
        options: dict[str, Any] = config.options.to_dict() if config.options else {}
        for name in ("num_cpus", "num_gpus"):
            if config[name] is not None:
                options[name] = config[name]
        if self.has_resources():
            resources = resources_of(self, component, "ray", _OPTIONS)
            if resources.nodes is not None and resources.nodes != 1:
                raise ConfigurationError(
                    f"{component.module}: resources: a task of Ray runs on one node, not on {resources.nodes}."
                )
            if resources.cpus is not None:
                options["num_cpus"] = resources.cpus
            if resources.gpus is not None:
                options["num_gpus"] = resources.gpus
            if resources.memory_gib is not None:
                options["memory"] = int(resources.memory_gib * 2**30)
            if resources.time_minutes is not None:
                timeout_seconds = min(timeout_seconds or float("inf"), 60 * resources.time_minutes)
            options.update(resources.native)
        return options, timeout_seconds

    def detach(self) -> Self:
        """Runs what was added without this process; on the cluster that it is connected to, if there is one."""
        address = address_of_connection()
        if address is not None and self.config.address is None:
            self._layers = [*self._layers, {"address": address}]
        return super().detach()

    def _dispatch(self, run: Run) -> None:
        try:
            super()._dispatch(run)
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            disconnect(tasks)

    def __call__(self) -> None:
        if self._run is None or self._tasks is None:
            return
        config = self.config
        rules = Rules(config.retries, config.resources_timeout_seconds)
        fleet = Fleet(self._run, self._tasks, rules, self.options_of, self._exits, partial(decide, self))
        self._tasks.site = fleet.site
        with Termination(lambda: fleet.is_winding_up):
            try:
                fleet.conduct(self._run.schedule)
            finally:
                fleet.close()

    def exit_of(self, component: Component) -> str | None:
        return self._exits.get(component._request.identity)
