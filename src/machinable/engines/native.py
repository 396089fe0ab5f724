"""The engine `native`: this process, one component after the other; `native:N`: a process for each, N at a time."""

from __future__ import annotations

import os
from functools import partial

from machinable.engines.child import Options
from machinable.engines.children import Children, Spawned
from machinable.engines.jobs import Jobs, Rules
from machinable.engines.limits import thread_variables, usable_cores
from machinable.engines.template import Template
from machinable.engines.termination import Termination
from machinable.engines.workers import Workers
from machinable.errors import ConfigurationError
from machinable.execution.execution import Execution
from machinable.execution.resources import resources_of
from machinable.execution.retries import decide

__all__ = ["Native"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from machinable.component.component import Component
    from machinable.engines.children import Nursery
    from machinable.execution.run import Run

_NURSERIES: dict[str, type[Children] | type[Template]] = {
    "forkserver": Template,
    "fork": Children,
    "spawn": Spawned,
}


class Native(Execution):
    """Runs components in this process, one after the other; with `processes`, each in a process of its own.

    `native:5` stands for `{"processes": 5}`, `native:auto` for as many as there are usable cores. A component whose
    process crashes (a segmentation fault, `os._exit`, the OOM killer) fails alone, with the exit code or the signal
    in its status. Ctrl-C and SIGTERM interrupt all of them, in order, so they can be resumed; a second Ctrl-C ends
    them at once.
    If this process is killed, its children end as well.
    """

    __machinable_name__ = "native"

    class Config:
        processes: int | str | None = None
        """How many at a time: at least 1, or `auto`. `None`: in this process, without any of the following."""

        start_method: str | None = "forkserver"
        """`forkserver` (a fork of a process that has nothing but machinable loaded: safe), `fork` (of this process:
        what it has loaded is there, but its threads and locks may be in the way), or `spawn` (a new Python)."""

        timeout_seconds: float | None = None
        """A component that runs longer is interrupted by SIGTERM, and killed 10 s later if it goes on. The start of
        its process and the import of its code do not count."""

        retries: int = 0
        """How often a component is started again whose process crashed, was killed or took too long."""

        retry_exceptions: bool = False
        """Whether a component that raised an exception is started again, too."""

        memory_limit_gib: float | None = None
        """The address space of each process (RLIMIT_AS); what lies above raises `MemoryError` or crashes it."""

        reuse_processes: bool = False
        """Whether a process takes one component after the other: faster, and without isolation."""

        threads: int | str | None = "auto"
        """How many threads NumPy, BLAS and OpenMP use in each process: `auto` shares the cores out between the
        processes; `None` leaves it to the libraries. What the environment says already stands. Under `fork`, a
        library that this process has loaded keeps its threads."""

        preload: list[str] = []
        """Modules that `forkserver` imports once for all processes: slow to import, and safe to fork (`numpy`)."""

    def __init__(self, version: Any = None, **arguments: Any) -> None:
        super().__init__(version, **arguments)
        self._exits: dict[str, str] = {}  # how processes ended, by identity
        self._check()

    @classmethod
    def from_argument(cls, argument: str) -> dict[str, Any]:
        """The version that `native:<argument>` stands for. Raises ConfigurationError."""
        if argument == "auto":
            return {"processes": "auto"}
        if not (argument.isascii() and argument.isdecimal() and int(argument) >= 1):
            name = cls._short_name()
            raise ConfigurationError(
                f"{name}:{argument}: the number of processes is {argument!r}, but an integer of at least 1 or "
                f"'auto' is needed, as in {name}:4."
            )
        return {"processes": int(argument)}

    @classmethod
    def _short_name(cls) -> str:
        return cls.__name__.lower()

    def name_engine(self) -> str:
        """What records call this engine."""
        if type(self).__module__.partition(".")[0] != "machinable":
            return super().name_engine()
        processes = self.config.processes
        return self._short_name() if processes is None else f"{self._short_name()}:{processes}"

    @property
    def processes(self) -> int | None:
        """How many processes there are at a time; `None`: components run in this process."""
        processes = self.config.processes
        return usable_cores() if processes == "auto" else processes

    def _check(self) -> None:
        config = self.config
        for name in ("processes", "threads"):
            self._check_count(name, config[name])
        for name in ("timeout_seconds", "memory_limit_gib"):
            if config[name] is not None and not config[name] > 0:
                raise self._wrong(name, config[name], "a number above 0")
        if config.retries < 0:
            raise self._wrong("retries", config.retries, "an integer of at least 0")
        if config.start_method is not None and config.start_method not in self._start_methods():
            raise self._wrong(
                "start_method", config.start_method, f"one of {', '.join(self._start_methods())}"
            )
        if config.processes is None:
            needing = (
                "timeout_seconds",
                "retries",
                "retry_exceptions",
                "memory_limit_gib",
                "reuse_processes",
            )
            for name in needing:
                if config[name]:
                    raise ConfigurationError(
                        f"native: {name} needs processes of their own; ask for native:1, or set processes."
                    )

    def _check_count(self, name: str, value: int | str | None) -> None:
        if value is not None and value != "auto" and (isinstance(value, str) or value < 1):
            raise self._wrong(name, value, "an integer of at least 1 or 'auto'")

    def _wrong(self, name: str, value: Any, needed: str) -> ConfigurationError:
        return ConfigurationError(f"{self._short_name()}: {name} is {value!r}, but {needed} is needed.")

    @staticmethod
    def _start_methods() -> tuple[str, ...]:
        return tuple(_NURSERIES) if hasattr(os, "fork") else ("spawn",)

    def check(self, components: Sequence[Component]) -> None:
        """Looks for slips of the pen. Otherwise, no notice is taken of resources: plans for clusters run here, too."""
        if self.has_resources():
            for component in components:
                resources_of(self, component, self._short_name(), lenient=True)

    # --- running

    def __call__(self) -> None:
        if self.config.processes is None:
            super().__call__()
            return
        if self._run is None:
            return
        config = self.config
        rules = Rules(
            self.processes or 1,
            config.timeout_seconds,
            config.retries,
            config.retry_exceptions,
            config.memory_limit_gib,
        )
        nursery = self._open_nursery(self._run)
        jobs = Jobs(self._run, nursery, rules, self._exits, partial(decide, self))
        with Termination(lambda: jobs.is_winding_up):
            try:
                jobs.conduct(self._run.schedule)
            finally:
                nursery.close()

    @property
    def schedules_inputs(self) -> bool:  # type: ignore[override]
        """Whether users start as soon as their inputs are finished: with processes of their own."""
        return self.config.processes is not None

    def _runs_here(self) -> bool:
        return self.config.processes is None and type(self).__call__ is Native.__call__

    def exit_of(self, component: Component) -> str | None:
        return self._exits.get(component._request.identity)

    def _open_nursery(self, run: Run) -> Nursery:
        config, environment = self.config, {}
        if config.threads is not None:
            threads = config.threads
            if threads == "auto":
                threads = max(1, usable_cores() // (self.processes or 1))
            environment = thread_variables(threads, os.environ)
        options = Options(environment, config.memory_limit_gib, config.preload)
        core = next(iter(run.components.values()))._core
        options.project, options.storage = core.project, core.storage
        nursery = _NURSERIES[config.start_method or self._start_methods()[0]](options)
        return Workers(nursery) if config.reuse_processes else nursery
