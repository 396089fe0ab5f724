"""Runs that go on without whoever asked for them: in a process with a session of its own, which conducts them."""

from __future__ import annotations

import os
import pickle
import signal
import sys

from machinable import context
from machinable.errors import ConfigurationError, ExecutionFailed, MachinableError, StorageError
from machinable.execution.display import make_display
from machinable.execution.reattach import coordinator_log
from machinable.modules.importing import find_class, name_of, travels_by_value
from machinable.store.memory import is_memory

__all__ = ["main", "start"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from machinable.component.component import Component
    from machinable.execution.execution import Execution


def start(execution: Execution, components: list[Component], max_failures: int | None) -> str | None:
    """Has another process run what was added to an execution, and returns as soon as that has begun.

    What that process needs goes through a pipe; nothing of it is written anywhere.

    Returns:
        The execution's directory; `None` if there was nothing to run.
    Raises:
        ConfigurationError: If the storage would not outlive this process.
        MachinableError: What the process raised before it began.
    """
    import subprocess

    refuse_memory(components)
    payload = _Handover(execution, components, max_failures).encoded()
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            _program(writing), stdin=subprocess.PIPE, pass_fds=[writing], start_new_session=True
        )
    finally:
        os.close(writing)
    with open(reading, "rb") as answer:
        try:
            process.communicate(payload)  # it forks, and ends at once
        except BrokenPipeError:
            pass
        data = answer.read()
    if not data:
        raise StorageError(
            "The process that was to run the execution in the background ended without a word."
        )
    kind, value = pickle.loads(data)
    if kind == "raised":
        raise value
    return str(value) if value is not None else None


def refuse_memory(components: list[Component]) -> None:
    """Raises ConfigurationError for a storage that is gone with this process."""
    if components and is_memory(components[0]._core.storage):
        raise ConfigurationError(
            "wait=False needs a storage that outlives this process. Give one: storage='./results'."
        )


class _Handover:
    """All that the other process needs to run an execution."""

    def __init__(self, execution: Execution, components: list[Component], max_failures: int | None) -> None:
        now = context.current()
        core = components[0]._core
        self.project, self.storage, self.scope = core.project, core.storage, now.scope
        self.engine = _engine_of(type(execution), core.project)
        self.layers = execution._layers
        self.seed = execution.seed
        self.resources = execution._resources
        self.planned = execution._planned_resources
        self.asked_at = execution.timestamp
        self.components = components
        self.max_failures = max_failures

    def encoded(self) -> bytes:
        """As bytes, by cloudpickle where need be."""
        try:
            return pickle.dumps(self)
        except Exception:
            import cloudpickle

            data: bytes = cloudpickle.dumps(self)
            return data

    def execution(self) -> Execution:
        """The execution, made anew here."""
        cls: Any = self.engine
        if isinstance(cls, str):
            cls = find_class(self.project, cls, object)
        execution: Execution = cls(self.layers, resources=self.resources, seed=self.seed)
        execution._asked_at = self.asked_at
        execution._planned_resources = self.planned
        return execution.add(*self.components)


class _ByValue:
    """A class that only this process has."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __reduce__(self) -> tuple[Any, ...]:
        import cloudpickle

        return cloudpickle.loads, (cloudpickle.dumps(self.cls),)


def _engine_of(cls: type, project: str) -> Any:
    """What the other process finds the class of the engine by."""
    if cls.__module__.partition(".")[0] == "machinable":
        return cls
    return _ByValue(cls) if travels_by_value(cls) else f"{name_of(project, cls)}:{cls.__qualname__}"


def _program(writing: int) -> list[str]:
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    code = (
        f"import sys; sys.path[:] = {sys.path!r}; sys.argv[:] = {sys.argv!r}; "
        f"from machinable.execution.background import main; main({writing})"
    )
    return [sys.executable, *_args_from_interpreter_flags(), "-c", code]


def main(writing: int) -> NoReturn:
    """The life of the process in the background. `writing`: the pipe for its answer."""
    payload = sys.stdin.buffer.read()
    if os.fork():  # so that whoever asked has no child to look after
        os._exit(0)
    code = 1
    try:
        code = _conduct(payload, _Answer(writing))
    except BaseException as error:
        if not isinstance(error, (KeyboardInterrupt, SystemExit)):
            import traceback

            traceback.print_exception(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


class _Answer:
    """What the one who asked gets to hear: once."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor

    def give(self, kind: str, value: object) -> None:
        """Says `began` with the directory, or `raised` with the error."""
        if self._descriptor < 0:
            return
        try:
            data = pickle.dumps((kind, value))
            pickle.loads(data)
        except Exception:
            data = pickle.dumps((kind, MachinableError(f"{type(value).__name__}: {value}")))
        with open(self._descriptor, "wb") as file:
            self._descriptor = -1
            file.write(data)


def _conduct(payload: bytes, answer: _Answer) -> int:
    # A shell that starts something in the background has it ignore Ctrl-C, by which `machinable cancel` asks.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    try:
        handover: _Handover = pickle.loads(payload)
        context.replace(context.Context(handover.project, handover.storage, handover.scope))
        execution = handover.execution()

        def begin(directory: str, run: str) -> None:
            _redirect(coordinator_log(directory, run))
            answer.give("began", directory)

        execution.watch(make_display(execution), handover.max_failures)
        execution.on_commit = begin
        execution.dispatch()
    except ExecutionFailed as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, Exception):
            raise
        answer.give("raised", error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        answer.give("raised", error if isinstance(error, MachinableError) else MachinableError(str(error)))
        raise
    answer.give("began", execution.directory)
    return 0


def _redirect(path: str) -> None:
    """From now on, what this process prints goes to a file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
