"""`execute`: a plan, run from its first line to its last, in one call."""

from __future__ import annotations

import os

from machinable import context
from machinable import index as indexes
from machinable.api import get
from machinable.component.component import Component
from machinable.component.tracebacks import without_our_frames
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.execution import apart
from machinable.execution.display import make_display
from machinable.execution.execution import Execution
from machinable.execution.monitor import Monitor
from machinable.execution.record import execution_directory
from machinable.experiment import Experiment, expand
from machinable.identity.seeds import parse_seed
from machinable.interface import Index, Project, Storage
from machinable.modules.importing import refuse_while_importing
from machinable.notices import notice
from machinable.store.location import locate

__all__ = ["execute"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Work = Experiment | Component | str | Sequence["Work"]


def execute(
    experiment: Work,
    storage: str | os.PathLike[str] | Storage | None = None,
    engine: str | Execution | None = None,
    index: str | os.PathLike[str] | Index | None = None,
    project: str | os.PathLike[str] | None = None,
    seed: int | str | None = None,
    *,
    wait: bool = True,
    raise_on_failure: bool = True,
    max_failures: int | None = None,
    allow_large: bool = False,
) -> Execution:
    """Runs an experiment: every component of the plan that is not finished, inputs first.

        execute(Experiment().component("train", grid(lr=[0.1, 0.01])).repeat(3), storage="~/results", engine="native:4")

    The six-character ID is printed first, on standard output; results lie in `<storage>/<ID>/`. Executed again with
    the same seed and storage, only what is new, failed, interrupted or lost runs.

    Args:
        experiment: A plan, the name of a module, a component, or a list of them.
        storage: Where results are kept; by default what is in force, else memory, which is gone with this process.
        engine: An engine's name, such as `"native:4"`, or an execution; by default the one in force, else this process.
        index: The file of the index of the storage, brought up to date at the end; by default searches
            make one in the storage.
        project: The project's directory; by default the one in force.
        seed: The global seed: an integer in [0, 62**6), or an ID to reproduce; drawn by default.
        wait: Return when everything has ended; False: at once, while it goes on without this process. See
            `get.by_id`, `Execution.wait`, and `machinable attach`.
        raise_on_failure: Raise ExecutionFailed at the end if a component failed; otherwise see `is_failed()`.
        max_failures: Stop starting components after this many failures.
        allow_large: Whether plans of more than 100,000 components are meant.
    Returns:
        The execution, with `components`, `id`, `seed` and their states.
    Raises:
        ExecutionFailed: If components failed, unless `raise_on_failure=False`.
        ConfigurationError, ProjectError: If the plan, seed or engine is wrong; nothing is written then.
    """
    refuse_while_importing("execute")
    if max_failures is not None and (type(max_failures) is not int or max_failures < 1):
        raise ConfigurationError(f"max_failures is {max_failures!r}, but an integer from 1 on is needed.")
    number = None if seed is None else parse_seed(seed)
    file = index.path if isinstance(index, Index) else Index(index).path if index is not None else None
    now = context.current()
    surroundings = context.Context(
        Project(project).root if project is not None else now.project,
        _storage(storage, now),
        now.scope,
    )
    before = context.replace(surroundings)
    try:
        execution = _execution(engine, now, number)
        components = _components(experiment, execution, surroundings, allow_large)
    finally:
        context.replace(before)
    run = _run if wait else _detach
    if file is None:
        return run(execution, components, raise_on_failure, max_failures)
    try:
        return run(execution, components, raise_on_failure, max_failures)
    finally:
        indexes.open_index(surroundings.directory(), file).refresh()


def _storage(storage: str | os.PathLike[str] | Storage | None, now: context.Context) -> str:
    if isinstance(storage, Storage):
        return storage.directory
    if storage is not None:
        return locate(storage)
    if now.storage is not None or os.environ.get("MACHINABLE_STORAGE") or now.settings().get("storage"):
        return now.directory()
    notice(
        "no storage was given, so results are kept in memory and are gone when this process ends; "
        "keep them with storage='./results'",
        once="execute in memory",
    )
    return locate("mem://")


def _execution(engine: str | Execution | None, now: context.Context, seed: int | None) -> Execution:
    if engine is None and isinstance(now.execution, Execution):
        engine = now.execution
    if engine is not None and not isinstance(engine, (str, type, Execution)):
        raise ConfigurationError(f"engine is {engine!r}, which is no engine; give for instance 'native:4'.")
    execution = (
        get(engine if engine is not None else "native") if not isinstance(engine, Execution) else engine
    )
    if not isinstance(execution, Execution):
        raise ConfigurationError(f"engine is {engine!r}, which is no engine; give for instance 'native:4'.")
    execution.adopt_seed(seed)
    return execution


def _components(
    experiment: Work, execution: Execution, surroundings: context.Context, allow_large: bool
) -> list[Component]:
    """The components to run, made and checked. Nothing is written before all of them are."""
    plan, asked = _plan(experiment)
    assert execution.seed is not None
    planned = expand(plan, execution.seed, allow_large=allow_large) if len(plan) else []
    if not planned and not asked:
        raise ConfigurationError("the plan is empty. Add components: Experiment().component('train').")
    home = execution_directory(surroundings.directory(), str(execution.id))
    components = []
    for item in planned:
        component = item.make(home)
        if item.resources:
            execution.plan_resources(component, item.resources)
        components.append(component)
    return [*components, *asked]


def _plan(experiment: Work) -> tuple[Experiment, list[Component]]:
    """What is planned, and what was asked for by `get` and stands for itself."""
    if isinstance(experiment, Experiment):
        return experiment, []
    if isinstance(experiment, Component):
        return Experiment(), [experiment]
    if isinstance(experiment, str):
        return Experiment().component(experiment), []
    if isinstance(experiment, (list, tuple)):
        plan = Experiment()
        asked: list[Component] = []
        for item in experiment:
            more, components = _plan(item)
            plan, asked = plan + more, [*asked, *components]
        return plan, asked
    raise ConfigurationError(
        f"{experiment!r} can not be executed; give an Experiment, a module's name, or components."
    )


def _run(
    execution: Execution, components: list[Component], raise_on_failure: bool, max_failures: int | None
) -> Execution:
    print(execution.id, flush=True)
    execution.add(*components)
    execution.watch(make_display(execution), max_failures)
    try:
        execution.dispatch()
    except ExecutionFailed as error:
        if raise_on_failure:
            if error.__cause__ is not None:
                without_our_frames(error.__cause__)
            raise error.with_traceback(None) from error.__cause__
    except KeyboardInterrupt as interruption:
        # What was interrupted was told; where machinable waited meanwhile says nothing to the user.
        raise interruption.with_traceback(None) from None
    return execution


def _detach(
    execution: Execution, components: list[Component], raise_on_failure: bool, max_failures: int | None
) -> Execution:
    apart.refuse_memory(components)
    print(execution.id, flush=True)
    execution.add(*components)
    execution.watch(Monitor(), max_failures)
    return execution.detach()
