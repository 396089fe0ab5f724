"""What happens in a process that an engine starts: it takes a component that was pickled, runs it, and reports."""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
import threading
from contextvars import Context

from machinable.component.signals import Terminated
from machinable.component.tracebacks import user_traceback
from machinable.engines.limits import die_with_parent, explain_memory, limit_memory
from machinable.errors import ComponentException
from machinable.types import Status

__all__ = ["ENDING", "FRAME", "Options", "Report", "main", "pickled", "serve", "spawned"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from machinable.component.component import Component

#: Exceptions above this size travel as text only, in bytes.
_LARGEST_EXCEPTION = 2**20

#: The signals that end a process in order. They are blocked where one starts, until it has its own handlers.
ENDING = (signal.SIGINT, signal.SIGTERM)

#: What stands before each job and each report of a worker: the number of the job, and the length in bytes.
FRAME = struct.Struct("!II")


class Options:
    """What holds for every process of a run. It is written into their command lines, as `repr` gives it."""

    __slots__ = ("environment", "memory_limit_gib", "preload", "project", "storage")

    def __init__(
        self,
        environment: dict[str, str],
        memory_limit_gib: float | None = None,
        preload: list[str] | None = None,
        project: str | None = None,
        storage: str | None = None,
    ) -> None:
        self.environment = environment  # variables to set besides those of the coordinator
        self.memory_limit_gib = memory_limit_gib
        self.preload = preload or []  # modules that the template imports
        self.project = (
            project  # where most of the components are from, and go to: the template looks there once
        )
        self.storage = storage

    def __repr__(self) -> str:
        values = (getattr(self, name) for name in ("environment", *self.__slots__[1:]))
        return f"Options({', '.join(map(repr, values))})"


class Report:
    """What a process tells of a component: how its dispatch ended, as far as it got there."""

    __slots__ = ("error", "exception", "reused", "status")

    def __init__(
        self, status: str, reused: bool | None = None, error: str = "", exception: bytes | None = None
    ) -> None:
        self.status = status  # a `Status`, or "" where it was not dispatched
        self.reused = reused
        self.error = error  # why it was not dispatched
        self.exception = exception  # pickled, where that is possible

    def encoded(self) -> bytes:
        """As bytes."""
        return pickle.dumps((self.status, self.reused, self.error, self.exception))

    @classmethod
    def decoded(cls, data: bytes) -> Report | None:
        """From bytes; `None` if they were cut, as by a crash."""
        try:
            return cls(*pickle.loads(data))
        except Exception:
            return None

    def load_exception(self) -> BaseException | None:
        """The component's exception, where it could cross."""
        if self.exception is None:
            return None
        try:
            exception = pickle.loads(self.exception)
        except Exception:
            return None
        return exception if isinstance(exception, BaseException) else None


def run(payload: bytes, options: Options, dispatch: Callable[[Component], Status] | None = None) -> Report:
    """Runs a pickled component, and reports. `dispatch`: does so in another way than `Component.dispatch`."""
    try:
        component: Component = pickle.loads(payload)
        if options.memory_limit_gib is not None:
            explain_memory(component, options.memory_limit_gib)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Report("", error=f"{type(error).__name__}: {error}")
    try:
        status = component.dispatch() if dispatch is None else dispatch(component)
    except KeyboardInterrupt as error:
        return Report(
            Status.INTERRUPTED.value, error="SIGTERM" if isinstance(error, Terminated) else "Ctrl-C"
        )
    except BaseException as error:
        if (
            component._core.exception is not error
        ):  # StorageError, Superseded: it did not get to run, or to end
            return Report("", error=f"{type(error).__name__}: {error}", exception=pickled(error))
        status = Status.FAILED
    exception = component._core.exception
    return Report(
        str(status.value),
        component._core.reused,
        exception=pickled(exception) if exception is not None else None,
    )


def pickled(exception: BaseException) -> bytes | None:
    """The exception, with its traceback as the text of its cause; `None` if it can not cross."""
    caused = _Caused(exception, ComponentException(user_traceback(exception).rstrip()))
    for dumps in (pickle.dumps, _cloud):
        try:
            data = dumps(caused)
            pickle.loads(data)
        except Exception:
            continue
        return data if len(data) <= _LARGEST_EXCEPTION else None
    return None


class _Caused:
    """An exception together with its cause, which pickle leaves out."""

    def __init__(self, exception: BaseException, cause: BaseException) -> None:
        self.exception = exception
        self.cause = cause

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_cause, (self.exception, self.cause)


def _with_cause(exception: BaseException, cause: BaseException) -> BaseException:
    exception.__cause__ = cause
    return exception


def _cloud(value: object) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(value)
    return data


def enter(parent: int, options: Options, interrupt: Any) -> None:
    """Makes this process a child: its signals (blocked so far), its end with its parent, its input, its limits."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    die_with_parent(parent)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if nothing:
        os.close(nothing)
    if options.environment:
        os.environ.update(options.environment)
    if options.memory_limit_gib is not None:
        limit_memory(options.memory_limit_gib)


def main(payload: bytes, output: int, parent: int, options: Options, interrupt: Any) -> NoReturn:
    """The life of a process with one component. `output`: the pipe for its report."""
    code = 1
    try:
        code = Context().run(_main, payload, output, parent, options, interrupt)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        _complain(error)
    finally:
        leave(code)


def _main(payload: bytes, output: int, parent: int, options: Options, interrupt: Any) -> int:
    try:
        enter(parent, options, interrupt)
    except Exception as error:
        report = Report("", error=f"{type(error).__name__}: {error}")
    else:
        report = run(payload, options)
    _write(output, report.encoded())
    os.close(output)
    if report.status == Status.INTERRUPTED.value:
        return 130
    return 0 if report.status else 1


def serve(connection: int, parent: int, options: Options, interrupt: Any) -> NoReturn:
    """The life of a worker: it takes jobs from a socket until that is closed."""
    code = 1
    try:
        code = Context().run(_serve, connection, parent, options, interrupt)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        _complain(error)
    finally:
        leave(code)


def _serve(connection: int, parent: int, options: Options, interrupt: Any) -> int:
    problem = ""
    try:
        enter(parent, options, interrupt)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    while True:
        head = read_exactly(connection, FRAME.size)
        if head is None:
            return 0
        job, length = FRAME.unpack(head)
        payload = read_exactly(connection, length)
        if payload is None:
            return 0
        report = Report("", error=problem) if problem else Context().run(run, payload, options)
        data = report.encoded()
        _write(connection, FRAME.pack(job, len(data)) + data)
        if report.status == Status.INTERRUPTED.value:
            return 130


def read_exactly(descriptor: int, length: int) -> bytes | None:
    """So many bytes; `None` if there are no more."""
    parts = []
    while length:
        part = os.read(descriptor, length)
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def leave(code: int) -> NoReturn:
    """Ends this process as Python would, but without taking its memory apart: threads, exit handlers, streams."""
    try:
        import atexit

        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException as error:
        _complain(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:
                pass
        os._exit(code)


def _complain(error: BaseException) -> None:
    import traceback

    try:
        traceback.print_exception(error)
    except BaseException:
        pass


def spawned(jobs: int, output: int | None, parent: int, options: Options) -> NoReturn:
    """The main program of a process of start method `spawn`.

    Args:
        jobs: A pipe that holds the component; of a worker, its socket.
        output: The pipe for the report; of a worker, `None`.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    if output is None:
        serve(jobs, parent, options, interrupt)
    with open(jobs, "rb") as file:
        payload = file.read()
    main(payload, output, parent, options, interrupt)
