"""Execution: runs components. The base class runs them here, one after the other."""

from __future__ import annotations

import os
import time

from machinable import context, snapshot
from machinable.component.component import Component
from machinable.component.launching import Ticket, register_launcher
from machinable.component.waiting import takeover_seconds, wait_for_end
from machinable.errors import ConfigurationError
from machinable.execution import apart
from machinable.execution.needs import Needs
from machinable.execution.record import commit_execution, commit_run, execution_directory
from machinable.execution.run import Run
from machinable.execution.stored import StoredExecution
from machinable.execution.summary import html_table
from machinable.identity.nickname import nickname
from machinable.identity.seeds import execution_id, parse_seed
from machinable.interface import Interface
from machinable.records import clock
from machinable.records.sweep import sweep_execution
from machinable.store import owner
from machinable.types import Status
from machinable.wording import counted

__all__ = ["Execution"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from machinable.execution.monitor import Monitor
    from machinable.execution.reattach import Observer
    from machinable.execution.schedule import Schedule, Wave
    from machinable.interface import Version


class Execution(Needs, Interface):
    """Runs components. Subclass it to run them in your own way: `__call__` dispatches `self.pending_executables`.

        class Multiprocess(Execution):
            Config = {"processes": 1}

            def __call__(self):
                with Pool(self.config.processes, maxtasksperchild=1) as pool:
                    for _ in pool.imap_unordered(lambda component: component.dispatch(), self.pending_executables):
                        pass

        with get("multiprocess", {"processes": 4}):
            get("train").launch()

    Args:
        version: See `Interface`.
        resources: What each component needs, in the engine's terms; see `resources_for`.
        seed: The global seed, from which the ID is made: an integer in [0, 62**6) or an ID; drawn by default.
    """

    #: Whether `__call__` is called once for a whole run, and takes components from `schedule` as their inputs finish.
    #: Otherwise it is called again and again, with those in `pending_executables` whose inputs are there.
    schedules_inputs: bool = False

    def __init__(
        self,
        version: Version = None,
        *,
        resources: dict[str, Any] | None = None,
        seed: int | str | None = None,
    ) -> None:
        self._resources = dict(resources or {})
        self._seed = None if seed is None else parse_seed(seed)
        self._explicit = True  # a plain launch() has neither ID nor directory
        self._asked_at = time.time()
        self._components: list[Component] = []
        self._known: set[int] = set()
        self._dispatched = 0  # how many of them the last dispatch took care of
        self._planned_resources = {}
        self._monitor: Monitor | None = None
        self.on_commit: Callable[[str, str], None] | None = None  # in a background process: directory, run
        self._max_failures: int | None = None
        self._run: Run | None = None
        self._directory: str | None = None
        self._observing: Observer | None = None
        self._name: str | None = None
        super().__init__(version)

    # --- identity

    @property
    def seed(self) -> int | None:
        """The global seed; `None` for the execution of a plain `launch()`."""
        if self._seed is None and self._explicit:
            self._seed = int.from_bytes(os.urandom(8), "big") % 62**6
        return self._seed

    @property
    def id(self) -> str | None:
        """Six base62 digits that encode the seed; `None` for the execution of a plain `launch()`."""
        seed = self.seed
        return None if seed is None else execution_id(seed)

    @property
    def nickname(self) -> str | None:
        """`adjective_noun`, from the ID."""
        return None if self.id is None else nickname(self.id)

    @property
    def timestamp(self) -> float:
        """When it was asked for, in seconds since the epoch."""
        return self._asked_at

    @property
    def directory(self) -> str | None:
        """Where its record lies, once it has run something; `None` for the execution of a plain `launch()`."""
        return self._directory

    def adopt_seed(self, seed: int | None) -> None:
        """Makes this an execution with an ID: of the given seed, else of its own, else of one that is drawn.

        Raises:
            ConfigurationError: If it has another seed already.
        """
        if seed is not None and self._seed is not None and seed != self._seed:
            raise ConfigurationError(
                f"The execution has the seed {self._seed} (ID {self.id}), so it can not be run with the seed {seed}."
            )
        self._explicit = True
        if seed is not None:
            self._seed = seed

    def watch(self, monitor: Monitor, max_failures: int | None = None) -> None:
        """Has `monitor` told what happens in the next runs, which stop after `max_failures`."""
        self._monitor, self._max_failures = monitor, max_failures

    def name_engine(self) -> str:
        """What records call this engine."""
        if self._name is None:
            cls = type(self)
            self._name = "native" if cls is Execution else f"{self.module}:{cls.__qualname__}"
        return self._name

    # --- collecting

    def add(self, *components: Component) -> Self:
        """Collects components. They run at `dispatch()`, or when the `with` block ends.

        Raises:
            ConfigurationError: If something else than components is given.
        """
        for component in components:
            if not isinstance(component, Component):
                raise ConfigurationError(
                    f"{component!r} is not a component; an execution takes what get(...) returns."
                )
            if id(component) not in self._known:
                self._known.add(id(component))
                self._components.append(component)
        return self

    @property
    def components(self) -> list[Component]:
        """What was added, in that order."""
        return list(self._components)

    @property
    def pending_executables(self) -> Sequence[Component]:
        """While `__call__` runs: the components to dispatch now. Their inputs are there."""
        return self._run.ready() if self._run is not None else ()

    @property
    def schedule(self) -> Schedule | Wave | None:
        """While `__call__` runs, of an engine with `schedules_inputs`: gives components as their inputs finish."""
        return self._run.schedule if self._run is not None else None

    def __enter__(self) -> Self:
        self._explicit = True
        context.enter(execution=self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        context.leave()
        if kind is None and len(self._components) > self._dispatched:
            self.dispatch()

    # --- running

    def __call__(self) -> None:
        """Dispatches `self.pending_executables`. Override it to do so in your own way, wherever you like."""
        for component in self.pending_executables:
            component.dispatch()

    def dispatch(self) -> Self:
        """Runs all components that were added and are not finished, inputs first.

        Raises:
            ExecutionFailed: If any failed, was blocked by a failed input, or was left out by `__call__`.
        """
        self._dispatched = len(self._components)
        run = Run(
            self._components,
            self.name_engine(),
            self.id,
            monitor=self._monitor,
            max_failures=self._max_failures,
        )
        if run.components:
            self._dispatch(run)
        else:
            self._adopt_reused()
            if self._monitor is not None:
                self._monitor.begin(run)
                self._monitor.finish(run)
        return self

    def _adopt_reused(self) -> None:
        """Finds the record of earlier runs where this one had nothing to do."""
        if not self._explicit or self._seed is None or not self._components:
            return
        directory = execution_directory(self._components[0]._core.storage, str(self.id))
        if os.path.isdir(directory):
            self._directory = directory
        for component in self._components:
            if component._core.home == directory:
                component._core.execution = self

    def _dispatch(self, run: Run) -> None:
        self.check(list(run.components.values()))
        if self._explicit:
            self._commit(run)
            for component in (*run.components.values(), *self._components):
                if component._core.execution is None or component._request.identity in run.components:
                    component._core.execution = self
        self._run = run
        try:
            if self._runs_here():
                run.go(self.__call__, by_pickle=False, exit_of=self.exit_of)
            else:
                self._go_elsewhere(run)
        finally:
            self._run = None

    def _go_elsewhere(self, run: Run) -> None:
        """Has a subclass's `__call__` dispatch. What it does itself has surroundings of its own."""
        before = context.replace(context.Context())
        try:
            # machinable's own engines see to pickling themselves.
            by_pickle = type(self).__call__.__module__.partition(".")[0] != "machinable"
            run.go(self.__call__, by_pickle=by_pickle, exit_of=self.exit_of, whole=self._conducts())
        finally:
            context.replace(before)

    def _conducts(self) -> bool:
        """Whether `__call__` is the one of a class that schedules inputs itself, and not a subclass's own."""
        for cls in type(self).__mro__:
            if "schedules_inputs" in vars(cls):
                return bool(self.schedules_inputs)
            if "__call__" in vars(cls):
                break
        return False

    def _runs_here(self) -> bool:
        """Whether `__call__` runs components in this process, one after the other."""
        return type(self).__call__ is Execution.__call__

    def run_one(self, component: Component) -> None:
        """Runs one component that is known not to be finished, and its inputs. Raises ExecutionFailed."""
        if component.uses or type(self).__call__ is not Execution.__call__:
            self._dispatch(Run([component], self.name_engine(), self.id, looked=True))
            return
        # What most launches come to, without the making of a plan.
        core = component._core
        ticket = Ticket(self.name_engine(), self.id, owner.token(), clock.now(core.storage))
        core.hand_over(ticket)
        try:
            status = component.dispatch()
        finally:
            core.ticket = None
        if status is not Status.FINISHED:
            run = Run([component], ticket.engine, ticket.execution, looked=True, ticket=ticket)
            if run.is_left(component):
                self._dispatch(run)

    def detach(self) -> Self:
        """Runs what was added without this process, which may end: `execute(..., wait=False)`. Returns at once.

        By default another process conducts it. Override it for an engine that needs no such process.

        Raises:
            ConfigurationError: If the storage would not outlive this process.
        """
        self._dispatched = len(self._components)
        if not self._components:
            return self
        self.adopt_seed(None)
        directory = apart.start(self, self._components, self._max_failures)
        self._directory = directory if directory is not None else self._directory
        for component in self._components:
            component._core.looked = False  # there will be a record
            component._core.execution = component._core.execution or self
        return self

    def _observer(self) -> Observer | None:
        """What looks at this execution as the storage has it; `None` if the storage does not."""
        if self._directory is None:
            return None
        if self._observing is None or self._observing.stored.directory != self._directory:
            self._observing = apart.Observer(StoredExecution(self._directory, self._root()))
        return self._observing

    def _root(self) -> str:
        return os.path.dirname(str(self._directory))

    def wait(self) -> Self:
        """Waits until nothing of it runs or is queued any more, in whichever process."""
        observer = self._observer()
        if observer is not None and self._run is None:
            observer.wait()
        for component in self._components:
            record = component._record
            if record is not None and component.status is Status.RUNNING:
                wait_for_end(record, component.module, takeover_seconds(component._core.settings))
        return self

    def cancel(self) -> Self:
        """Interrupts what runs of it in other processes, and takes its jobs from their queue; it can be resumed."""
        if self._directory is not None:
            apart.cancel(StoredExecution(self._directory, self._root()))
            return self
        for component in self._components:
            if component._record is not None:
                apart.cancel(component._record)
        return self

    def _commit(self, run: Run, *, conducted: bool = True) -> None:
        seed = self.seed
        if seed is None:
            return
        core = next(iter(run.components.values()))._core
        root = core.storage
        self._directory = commit_execution(root, str(self.id), seed, str(self.nickname), self._asked_at)
        sweep_execution(self._directory, root)
        commit_run(
            root,
            self._directory,
            engine={
                "name": self.name_engine(),
                "config": self._resolution.identifying,
                "resources": self._resources,
            },
            components=self._plan_of(run),
            token=run.token,
            code=snapshot.take(core.project, root).document(),
            detached=self.on_commit is not None,
            conducted=conducted,
        )
        if self.on_commit is not None:
            self.on_commit(self._directory, run.token)

    def _plan_of(self, run: Run) -> list[list[str]]:
        """Module and ID of everything that belongs to a run, what was finished before included."""
        everything = {
            id_: name for name, id_ in map(_name_and_id, (*run.components.values(), *self._components))
        }
        return [[name, id_] for id_, name in everything.items()]

    # --- state

    def status(self, component: Component) -> Status:
        """The state of one of its components; `queued` where a scheduler has it."""
        status, observer = component.status, self._observer()
        return status if observer is None else observer.status_of(component.id, component._state())

    def output(self, component: Component) -> str:
        """What a component has printed in its last attempt."""
        return component.output()

    def is_started(self, component: Component | None = None) -> bool:
        """Whether the component, or all of them, began to run."""
        return self._all(
            lambda status: status not in (Status.PENDING, Status.QUEUED, Status.BLOCKED), component
        )

    def is_finished(self, component: Component | None = None) -> bool:
        """Whether the component, or all of them, finished."""
        return self._all(lambda status: status is Status.FINISHED, component)

    def is_failed(self, component: Component | None = None) -> bool:
        """Whether the component, or any of them, failed."""
        components = [component] if component is not None else self._components
        return any(item.status is Status.FAILED for item in components)

    def is_active(self, component: Component | None = None) -> bool:
        """Whether the component, or any of them, runs at the moment; of an execution, also whether it goes on."""
        if component is not None:
            return self.status(component) in (Status.RUNNING, Status.QUEUED)
        if any(item.status is Status.RUNNING for item in self._components):
            return True
        observer = self._observer()
        return observer is not None and observer.is_active()

    def _all(self, holds: Callable[[Status], bool], component: Component | None) -> bool:
        components = [component] if component is not None else self._components
        return bool(components) and all(holds(item.status) for item in components)

    # --- presentation

    def __repr__(self) -> str:
        parts = [super().__repr__()]
        if self._seed is not None:
            parts.append(execution_id(self._seed))
        if self._components:
            parts.append(counted(len(self._components), "component"))
        return " · ".join(parts)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{html_table(self._components)}"

    def exit_of(self, component: Component) -> str | None:
        """How the process ended that an engine ran the component in, where the engine knows. For messages."""
        return None


def _plain() -> Execution:
    """What runs a component that is launched outside of any execution."""
    execution = Execution()
    execution._explicit = False
    return execution


def _name_and_id(component: Component) -> tuple[str, str]:
    core = component._core
    return core.name, core.record.id if core.record is not None else component._request.id


register_launcher(_plain)
