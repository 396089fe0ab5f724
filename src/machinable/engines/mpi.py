"""The engine `mpi`: several ranks of MPI run a component together."""

from __future__ import annotations

import os
from functools import partial

from machinable.engines.jobs import Jobs, Rules
from machinable.engines.limits import thread_variables, usable_cores
from machinable.engines.mpi_groups import RANKS, Groups
from machinable.engines.mpi_launcher import find_launcher
from machinable.engines.termination import Termination
from machinable.errors import ConfigurationError, DependencyMissing
from machinable.execution.execution import Execution
from machinable.execution.resources import resources_of
from machinable.execution.retries import decide

__all__ = ["Mpi"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from machinable.component.component import Component
    from machinable.engines.mpi_launcher import Launcher


class Mpi(Execution):
    """Runs each component on several ranks of MPI, which `mpiexec` starts: `mpi:4` on four.

    Every rank calls the component's methods. Inside, `self.mpi.rank`, `.size` and `.comm` tell them apart. The record
    is written by rank 0 alone: on the others `save_file` and `record.save` do nothing. An exception on any rank fails
    the component, and ends all ranks; none waits for one that is gone.
    """

    __machinable_name__ = "mpi"
    schedules_inputs = True

    class Config:
        ranks: int = 1
        """How many processes run each component together."""

        at_once: int = 1
        """How many components run at a time."""

        launcher: str | None = None
        """The command that starts ranks: by default `mpiexec`, else `mpirun`. `srun --mpi=pmix` is one, too."""

        options: list[str] = []
        """Further options for the launcher, verbatim."""

        oversubscribe: bool = False
        """Whether there may be more ranks than cores. Open MPI and Slurm refuse that otherwise."""

        timeout_seconds: float | None = None
        """A component that runs longer is interrupted as by SIGTERM, and all its ranks are killed 10 s later."""

        retries: int = 0
        """How often a component is started again of which a rank crashed, was killed, or took too long."""

        retry_exceptions: bool = False
        """Whether a component that raised an exception is started again, too."""

        threads: int | str | None = "auto"
        """How many threads NumPy, BLAS and OpenMP use in each rank: `auto` shares the cores out between the ranks."""

    def __init__(self, version: Any = None, **arguments: Any) -> None:
        super().__init__(version, **arguments)
        self._exits: dict[str, str] = {}  # how ranks ended, by identity
        self._check_config()

    @classmethod
    def from_argument(cls, argument: str) -> dict[str, Any]:
        """The version that `mpi:<argument>` stands for. Raises ConfigurationError."""
        if not (argument.isascii() and argument.isdecimal() and int(argument) >= 1):
            raise ConfigurationError(
                f"mpi:{argument}: the number of ranks is {argument!r}, but an integer of at least 1 is needed, "
                "as in mpi:4."
            )
        return {"ranks": int(argument)}

    def name_engine(self) -> str:
        """What records call this engine."""
        if type(self).__module__.partition(".")[0] != "machinable":
            return super().name_engine()
        return f"mpi:{self.config.ranks}"

    def _check_config(self) -> None:
        config = self.config
        for name, least in (("ranks", 1), ("at_once", 1), ("retries", 0)):
            if config[name] < least:
                raise ConfigurationError(
                    f"mpi: {name} is {config[name]}, but an integer of at least {least} is needed."
                )
        if config.timeout_seconds is not None and not config.timeout_seconds > 0:
            raise ConfigurationError(
                f"mpi: timeout_seconds is {config.timeout_seconds!r}, but a number above 0 is needed."
            )
        threads = config.threads
        if threads is not None and threads != "auto" and (isinstance(threads, str) or threads < 1):
            raise ConfigurationError(
                f"mpi: threads is {threads!r}, but an integer of at least 1 or 'auto' is needed."
            )

    def check(self, components: Sequence[Component]) -> None:
        """Refuses numbers of ranks that make no sense. Raises DependencyMissing without mpi4py or a launcher."""
        for component in components:
            self.ranks_of(component)
        self.find_launcher()

    def ranks_of(self, component: Component) -> int:
        """How many ranks run a component: `ranks` of its resources, else of the engine. Raises ConfigurationError."""
        if not self.has_resources():
            return int(self.config.ranks)
        needs = resources_of(self, component, "mpi", ("ranks",), lenient=True)
        ranks = needs.native.get("ranks", self.config.ranks)
        if isinstance(ranks, bool) or not isinstance(ranks, int) or ranks < 1:
            raise ConfigurationError(
                f"{component.module}: resources: ranks is {ranks!r}, but a whole number of at least 1 is needed."
            )
        return ranks

    def find_launcher(self) -> Launcher:
        """The command that starts ranks here. Raises DependencyMissing."""
        from importlib.util import find_spec

        if find_spec("mpi4py") is None:
            raise DependencyMissing("The engine mpi needs mpi4py: pip install 'machinable[mpi]'")
        import shlex

        return find_launcher(shlex.split(self.config.launcher or ""))

    # --- running

    def __call__(self) -> None:
        if self._run is None:
            return
        config, launcher = self.config, self.find_launcher()
        rules = Rules(config.at_once, config.timeout_seconds, config.retries, config.retry_exceptions, None)
        environment = launcher.environment(os.environ)
        if config.threads is not None:
            threads = config.threads
            if threads == "auto":
                threads = max(1, usable_cores() // (config.ranks * config.at_once))
            environment |= thread_variables(threads, os.environ)
        groups = Groups(
            lambda ranks, program: launcher.command(
                ranks,
                program,
                config.options,
                oversubscribe=config.oversubscribe,
                shared=config.at_once > 1,
            ),
            environment,
        )
        jobs = _Jobs(self, self._run, groups, rules, self._exits, partial(decide, self))
        with Termination(lambda: jobs.is_winding_up):
            try:
                jobs.conduct(self._run.schedule)
            finally:
                groups.close()

    def exit_of(self, component: Component) -> str | None:
        """How the first rank ended that took the others with it, where that is known."""
        return self._exits.get(component._request.identity)


class _Jobs(Jobs):
    """Says with each component how many ranks run it."""

    def __init__(self, execution: Mpi, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._execution = execution

    def _pickled(self, job: Any) -> bytes:  # type: ignore[override]
        return RANKS.pack(self._execution.ranks_of(job.component)) + super()._pickled(job)
