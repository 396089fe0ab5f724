"""Component: an interface that can be executed, once."""

from __future__ import annotations

import os
import time

from machinable import context
from machinable.component import lifecycle
from machinable.component.acquire import reuse
from machinable.component.core import Core
from machinable.component.files import MISSING, inside, load, save
from machinable.component.launching import launcher_of, running
from machinable.component.lineage import derived_from, provenance_of, users_of
from machinable.component.loading import load_record
from machinable.component.logger import make_logger
from machinable.component.lookup import find_counter, find_record
from machinable.component.notebook import html_of_component
from machinable.component.progress import progress
from machinable.component.ranks import ALONE, Ranks, rank_seed
from machinable.component.seeding import seed_all
from machinable.component.tables import open_table
from machinable.component.tracebacks import without_our_frames
from machinable.component.transport import reduce_component
from machinable.component.trial import Trial
from machinable.component.uses import resolve_uses
from machinable.errors import ConfigurationError, MachinableError, StorageError
from machinable.identity.nickname import nickname
from machinable.identity.request import Request
from machinable.interface import Interface
from machinable.modules.classes import title_of
from machinable.modules.importing import name_of, refuse_while_importing
from machinable.records.claim import is_reserved, log_name
from machinable.records.elsewhere import fetch, fetch_file
from machinable.records.notes import add_note
from machinable.records.record import Record, State
from machinable.types import Status

__all__ = ["Component"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any, ClassVar, Self, TypeVar

    from machinable.component.launching import Launcher
    from machinable.component.table import Table
    from machinable.interface import Version
    from machinable.records.claim import Claim

    Item = TypeVar("Item")


class Component(Interface):
    """An interface that can be executed, once. Subclass it in a module of its own:

        class Train(Component):
            Config = {"lr": 0.1}
            uses = {"data": "digits_data"}

            def __call__(self):
                self.save_file("result.json", {"lr": self.config.lr})

    `get("train", {"lr": 0.2}).launch()` then runs it, or gives back what an earlier launch has kept.

    Args:
        version: What differs from the defaults of `Config` (see `Interface`).
        uses: Inputs by name, in place of the class's own: module names, components, IDs, or `[module, version…]`.
        seed: An integer in [0, 2**32), part of the identity; by default the seed is derived from the identity.
    """

    uses: Any = {}

    #: The least time between two checkpoints, in seconds.
    checkpoint_seconds: ClassVar[float] = 60.0

    _core: Core

    def __init__(self, version: Version = None, *, uses: Any = None, seed: int | None = None) -> None:
        if seed is not None and (
            isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32
        ):
            raise ConfigurationError(f"seed is {seed!r}, but an integer in [0, 2**32) is needed.")
        core = self._core = Core(context.current(), seed)
        core.name = name_of(core.project, type(self))
        core.asked_at = time.time()
        self._configure(version)
        declared = type(self).uses
        self.uses = (
            resolve_uses(self.module, declared, uses, core, Component) if declared or uses is not None else {}
        )

    def _adopt(
        self, surroundings: context.Context, request: Request, record: Record, timestamp: float
    ) -> None:
        """Makes this object the component of a record, as it was asked for when the record was made."""
        core = self._core = Core(surroundings, request.seed)
        core.name, core.request, core.record, core.asked_at = request.module, request, record, timestamp
        core.home, core.pinned = os.path.dirname(record.directory), True
        core.trial = Trial.from_document(record.document.get("trial"))

    @classmethod
    def base(cls) -> type[Component]:
        """The class for records whose own class can not be imported."""
        return Component

    # --- identity

    @property
    def _request(self) -> Request:
        core = self._core
        if core.request is None:
            core.request = Request(
                module=core.name,
                class_name=type(self).__qualname__,
                config=self._resolution.identifying,
                scope=core.scope,
                uses={name: component._request.identity for name, component in self.uses.items()},
                namespace=core.settings.get("name"),
                seed=core.seed,
                trial=core.trial.number if core.trial is not None else None,
            )
        return core.request

    @property
    def _record(self) -> Record | None:
        """The record, looked for anew while there is none: another process may have published it."""
        core = self._core
        if core.record is None:
            core.record = find_record(self)
        return core.record

    @property
    def module(self) -> str:
        """The name by which `get` finds the class."""
        return title_of(self._core.name, type(self), Interface)

    @property
    def id(self) -> str:
        """Twelve base62 digits: the component's ID and the name of its directory."""
        record = self._record
        return record.id if record is not None else self._request.id

    @property
    def identity(self) -> str:
        """The full identity, 64 hexadecimal digits: a function of the request alone."""
        return self._request.identity

    @property
    def seed(self) -> int:
        """The random seed, in [0, 2**32)."""
        core = self._core
        if core.seed_in_force is None:
            record = self._record
            if record is None:
                return core.seed if core.seed is not None else self._request.derived_seed
            core.seed_in_force = int(record.document["seed"])
        return core.seed_in_force

    @property
    def nickname(self) -> str:
        """`adjective_noun`, for people to talk about it."""
        record = self._record
        return str(record.document["nickname"]) if record is not None else nickname(self._request.id)

    @property
    def timestamp(self) -> float:
        """When it was first launched (before that: asked for), in seconds since the epoch."""
        record = self._record
        return float(record.document["timestamp"]) if record is not None else self._core.asked_at

    @property
    def trial(self) -> Trial:
        """Which of the independent repetitions this is; the only one, outside a plan."""
        return self._core.trial or Trial()

    # --- state

    def _state(self) -> State:
        record = self._record
        return record.state() if record is not None else State(Status.PENDING, "there is no record")

    @property
    def status(self) -> Status:
        """The state at this moment, derived from the record."""
        return self._state().status

    @property
    def status_evidence(self) -> str:
        """How the state is known, in words."""
        return self._state().evidence

    @property
    def reused(self) -> bool | None:
        """After `launch()`: whether the result was there already. `None` before."""
        return self._core.reused

    @property
    def finished_at(self) -> float | None:
        """When it finished, in seconds since the epoch; `None` while it has not."""
        return self._end("time")

    @property
    def duration_seconds(self) -> float | None:
        """How long the attempt took that finished it, in seconds; `None` while it has not."""
        return self._end("seconds")

    def _end(self, key: str) -> float | None:
        state = self._state()
        return float(state.end.get(key, 0.0)) if state.status is Status.FINISHED else None

    def cached(self) -> bool:
        """Whether a finished result is there, so that `launch()` would run nothing."""
        return self._state().status is Status.FINISHED

    def invalidate(self) -> Self:
        """Declares the result wrong or outdated: the next launch runs the component again, from its beginning.

        What it saved stays until the new attempt writes over it; `new()` keeps both.

        Raises:
            StorageError: If the storage can not be written.
        """
        record = self._record
        if record is not None:
            attempt = record.state().attempt
            add_note(record.meta, "invalidate", attempt=attempt.number if attempt is not None else 0)
        return self

    # --- running

    def launch(self) -> Self:
        """Runs the component, unless it already ran; resumes it, if it failed. Inputs are launched first.

        Inside `with execution:` it is collected, and runs when the block ends.

        Raises:
            ExecutionFailed: If it, or one of its inputs, failed; the cause is its own exception.
            StorageError: If the record can not be read or written.
        """
        refuse_while_importing("launch")
        chain = running.get()
        if chain:
            lifecycle.refuse_self(self, chain)
        execution = context.current().execution
        if execution is not None or not reuse(self):
            launcher = launcher_of(execution)
            if execution is not None:
                launcher.add(self)
            elif chain:
                launcher.run_one(self)
            else:
                self._run_alone(launcher)
        if chain:
            self._core.note_use_by(chain[-1])
        return self

    def _run_alone(self, launcher: Launcher) -> None:
        """Runs it for a script or a notebook, which sees the user's own frames of what goes wrong."""
        try:
            launcher.run_one(self)
        except KeyboardInterrupt as error:
            error.add_note(f"{self.module} {self.id} is interrupted; launch it again to resume it.")
            raise without_our_frames(error)  # noqa: B904 — the same error
        except MachinableError as error:
            if error.__cause__ is not None:
                without_our_frames(error.__cause__)
            raise error.with_traceback(None)  # noqa: B904 — the same error

    def dispatch(self) -> Status:
        """Runs the life cycle here and now, in this process. Engines call this, wherever they like.

        Returns:
            How it ended; `running`, for an engine, if another owner runs it at the moment.
        Raises:
            Exception: What the component raised, unless an execution runs it, which then tells of it.
        """
        return lifecycle.dispatch(self)

    @property
    def execution(self) -> Any:
        """The execution that ran it last, else the one that it would run in."""
        core = self._core
        if core.execution is None:
            core.execution = launcher_of(context.current().execution)
            if context.current().execution is None:
                core.execution.add(self)
        return core.execution

    @property
    def executions(self) -> list[dict[str, Any]]:
        """All attempts, the first one first: the line with which each started, and how it ended under `end`."""
        record = self._record
        return [] if record is None else [{**a.started, "end": a.end} for a in record.attempts()]

    # --- relatives

    def version(self) -> list[Any]:
        """The version that was asked for, as a list of layers."""
        return list(self._layers)

    def new(self) -> Self:
        """The same request as a fresh component, with a directory and a seed of its own, even if there is a result."""
        return find_counter(self)

    def derive(self, version: Version = None) -> Self:
        """The component with this one's version and `version` on top; in the same project, storage and scope."""
        core = self._core
        before = context.replace(core.context())
        try:
            derived = type(self)(
                [*self._layers, *([version] if version is not None else [])], uses=self.uses, seed=core.seed
            )
        finally:
            context.replace(before)
        derived._core.derived_from = core.record.id if core.record is not None else self._request.id
        return derived

    @property
    def derived(self) -> list[Component]:
        """The components of the storage that `derive` made from this one, the oldest first."""
        record = self._record
        return [] if record is None else [load_record(each, Component) for each in derived_from(record)]

    @property
    def used_by(self) -> list[Component]:
        """The components of the storage that this one is an input of, declared or observed, the oldest first."""
        record = self._record
        return [] if record is None else [load_record(each, Component) for each in users_of(record)]

    def provenance(self) -> dict[str, Any]:
        """All that went into the result, as a directed graph in node-link form.

            graph = get("train").launch().provenance()
            networkx.node_link_graph(graph, edges="links")

        Returns:
            `nodes` with `id` and `kind` (`component`, `execution`, `snapshot`, `host`, `environment`) and what is known
            of each; `links` with `source`, `target` and `relation` (`uses` with its `name`, `observed`, `run by`,
            `ran the code of`, `ran on`, `ran in`). The component's own node is `graph["graph"]["of"]`.
        Raises:
            StorageError: If there is no record yet.
        """
        record = self._record
        if record is None:
            raise StorageError(f"{self.module} {self.id} has no record yet. Launch it first.")
        return provenance_of(record)

    @property
    def inputs(self) -> list[str]:
        """The IDs of all components that went into the result: the declared `uses`, then those observed as it ran."""
        found = dict.fromkeys(component.id for component in self.uses.values())
        record = self._record
        if record is not None:
            state = record.state()
            if state.attempt is not None:
                found.update(dict.fromkeys(state.attempt.started.get("uses", {}).values()))
                found.update(dict.fromkeys(state.end.get("observed", ())))
        found.update(self._core.observed)
        return list(found)

    # --- files

    @property
    def directory(self) -> str | None:
        """Where the record lies; `None` as long as there is none."""
        record = self._record
        return record.directory if record is not None else None

    def local_directory(self, *path: str, create: bool = False) -> Path:
        """A path inside the record's directory. With `create`, the directory is made, while the component runs.

        Raises:
            StorageError: If it would lie outside the record.
        """
        from pathlib import Path

        directory = self.directory or self._core.path_of(self._request.id)
        target = inside(directory, os.path.join(*path)) if path else directory
        if create:
            self._claimed("create a directory").check()
            os.makedirs(target, exist_ok=True)
        elif self._core.claim is None:
            fetch(self._core.storage, directory, os.path.relpath(target, directory))
        return Path(target)

    def save_file(self, path: str | os.PathLike[str], data: Any) -> None:
        """Saves data inside the record's directory, atomically: readers see the old file or the whole new one.

        Under MPI rank 0 does; on the other ranks this does nothing, and a file that rank 0 did not save is an error.

        Args:
            path: Relative to the record's directory. Its suffix decides: `.json .jsonl .npy .npz .csv .parquet .p
                .txt`; any other takes text or bytes.
        Raises:
            StorageError: If the path leads outside the record, the data do not fit the suffix, the disk is full, or
                the component does not run.
            Superseded: If another owner took over.
        """
        claim = self._claimed("save a file")
        target = inside(claim.directory, path)
        if is_reserved(os.fspath(path)):
            raise StorageError(
                f"{os.fspath(path)!r} is the name of a file of machinable's own; choose another name."
            )
        group = self._core.group
        if group is not None and not group.keeps(target):
            return
        claim.check()
        save(target, data, claim.temporary())

    def load_file(self, path: str | os.PathLike[str], default: Any = MISSING) -> Any:
        """Loads what `save_file` saved; `default`, where given, if there is no such file.

        Raises:
            FileNotFoundError: If there is no such file, and no default.
        """
        target = inside(self.directory or self._core.path_of(self._request.id), path)
        chain = running.get()
        if chain:
            self._core.note_use_by(chain[-1])
        if self._core.claim is None:
            fetch_file(target)
        return load(target, default)

    def output(self) -> str:
        """What the last attempt printed: stdout, stderr and the traceback. Empty if there is nothing."""
        record = self._record
        attempt = record.state().attempt if record is not None else None
        if record is None or attempt is None:
            return ""
        path = os.path.join(record.directory, log_name(attempt.number))
        try:
            with open(fetch_file(path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _claimed(self, what: str) -> Claim:
        claim = self._core.claim
        if claim is None:
            raise StorageError(
                f"Can not {what} of {self.module} {self.id}: the component does not run. "
                "Only a running component writes to its record."
            )
        return claim

    # --- inside a run

    @property
    def log(self) -> logging.Logger:
        """A standard logger into `output.log` and standard error."""
        core = self._core
        if core.logger is None:
            core.logger = make_logger(core.name)
        return core.logger

    @property
    def record(self) -> Table:
        """The table of the run: `self.record["loss"] = 0.1; self.record.save()`."""
        core = self._core
        if core.table is None:
            core.table = open_table(core, self.directory)
        elif core.claim is None:
            fetch_file(core.table.path)
        return core.table

    @property
    def rng(self) -> Any:
        """A NumPy generator, seeded with `self.seed`; under MPI, a stream of its own on each rank. Needs NumPy."""
        core = self._core
        if core.rng is None:
            import numpy

            rank = self.mpi.rank
            seed = numpy.random.SeedSequence(self.seed, spawn_key=(rank,)) if rank else self.seed
            core.rng = numpy.random.default_rng(seed)
        return core.rng

    @property
    def mpi(self) -> Ranks:
        """`rank`, `size` and `comm` where the engine `mpi` runs it; anywhere else rank 0 of 1, and no `comm`."""
        group = self._core.group
        return group.ranks if group is not None else ALONE

    def progress(
        self, iterable: Iterable[Item], description: str | None = None, total: int | None = None
    ) -> Iterator[Item]:
        """Iterates with a progress bar on the terminal, of which nothing reaches the log."""
        return progress(iterable, description, total)

    # --- the life cycle, for users to override

    def __call__(self) -> None:
        """What is executed: by default `on_create`, `on_execute` or the iterations, `on_destroy`."""
        lifecycle.call(self)

    def on_before_dispatch(self) -> None:
        """Before anything else of the life cycle."""

    def on_seeding(self) -> None:
        """Seeds `random`, NumPy, PyTorch and TensorFlow with `self.seed`, each as soon as it is loaded.

        Under MPI, ranks above 0 have seeds of their own, derived from it.
        """
        seed_all(rank_seed(self.seed, self.mpi.rank))

    def on_create(self) -> None:
        """First in the default `__call__`: build models, load data."""

    def on_execute(self) -> None:
        """The work, where it does not consist of iterations."""

    def on_destroy(self) -> None:
        """Last in the default `__call__`."""

    def on_success(self) -> None:
        """After the work went well."""

    def on_failure(self, exception: BaseException) -> None:
        """After the work failed."""

    def on_finish(self, success: bool) -> None:
        """After `on_success` or `on_failure`."""

    def on_after_dispatch(self, success: bool) -> None:
        """Last of the life cycle."""

    def on_heartbeat(self) -> None:
        """Every 15 seconds while it runs, from another thread."""

    # --- presentation and travel

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_component(self)

    def __repr__(self) -> str:
        arguments = "".join(f", {key}={value!r}" for key, value in self._resolution.update.items())
        return f"{type(self).__name__}({self.id}{arguments}) · {self.status}"

    def _repr_html_(self) -> str:
        return html_of_component(self)
