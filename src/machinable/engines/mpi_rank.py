"""What happens in a process of MPI: rank 0 runs the component as any process does, and the others follow it."""

from __future__ import annotations

import os
import pickle
import sys
import time

from machinable.component.following import follow
from machinable.component.ranks import Group, Ranks
from machinable.component.tracebacks import describe
from machinable.engines import child
from machinable.engines.mpi_watch import Failure, Watch, publish_failure
from machinable.errors import ComponentException
from machinable.store import owner
from machinable.types import Status

__all__ = ["main"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component

#: How long a rank that was stopped or failed waits for rank 0 to record that, and to end all of them, in seconds.
_PATIENCE_SECONDS = 30.0

#: Ends that need no further word: there is nothing left that other ranks could wait for.
_QUIET = (Status.FINISHED.value, Status.RUNNING.value)


def main(report: str) -> None:
    """The main program of each rank.

    Args:
        report: Where rank 0 writes how the dispatch ended; on its own host at least.
    """
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    try:
        code = _Rank(world, report).run()
    except BaseException:  # whatever it is, the others must not wait for this rank
        import traceback

        traceback.print_exc()
        code = 1
    if code:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        world.Abort(code)


class _Rank:
    """One process of the group."""

    def __init__(self, world: Any, report: str) -> None:
        self._world = world
        self._control = world.Dup()
        self._report = report
        self._group = Group(self._control, Ranks(world.rank, world.size, world))

    def run(self) -> int:
        """Takes the component from standard input, runs it, and returns what to abort with; 0: all is well."""
        if self._world.rank == 0:
            requests = _private_input()
            head = child.read_exactly(requests, child.FRAME.size)
            payload = child.read_exactly(requests, child.FRAME.unpack(head)[1]) if head is not None else None
            self._control.bcast(payload, 0)
            return self._lead(payload, requests) if payload is not None else 130
        payload = self._control.bcast(None, 0)
        return self._follow(payload) if payload is not None else 130

    # --- rank 0

    def _lead(self, payload: bytes, requests: int) -> int:
        watch = Watch(requests, self._world, self._write)
        report = child.run(payload, child.Options({}), lambda component: self._dispatch(component, watch))
        watch.stop()
        self._write(report)
        if report.status in _QUIET:
            return 0
        return 130 if report.status == Status.INTERRUPTED.value else 1

    def _dispatch(self, component: Component, watch: Watch) -> Status:
        problems = self._control.allgather(None)
        for rank, problem in enumerate(problems):
            if problem is not None:
                raise ComponentException(f"rank {rank} of {self._world.size} can not load it: {problem}")
        watch.owners = self._control.gather(owner.current(), 0)
        core = component._core
        core.group = self._group
        if core.ticket is not None:
            core.ticket.live = False  # what is printed reaches the terminal through the coordinator
        watch.component = component
        watch.start()
        return component.dispatch()

    def _write(self, report: child.Report) -> None:
        """Hands a report over, where the coordinator is on this host. Elsewhere it looks into the record."""
        try:
            with open(self._report + ".new", "wb") as file:
                file.write(report.encoded())
            os.replace(self._report + ".new", self._report)
        except OSError:
            pass

    # --- the others

    def _follow(self, payload: bytes) -> int:
        component: Component | None = None
        problem = None
        try:
            component = pickle.loads(payload)
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        self._control.allgather(problem)
        self._control.gather(owner.current(), 0)
        if component is None:
            time.sleep(_PATIENCE_SECONDS)  # rank 0 says so, and ends all
            return 1
        try:
            follow(component, self._group)
        except KeyboardInterrupt:
            time.sleep(_PATIENCE_SECONDS)
            return 130
        except BaseException as error:
            attempt = self._group.following
            if attempt is not None:
                failure = Failure(self._world.rank, describe(error), child.pickled(error))
                publish_failure(attempt.meta, attempt.nonce, failure)
                time.sleep(_PATIENCE_SECONDS)
            return 1
        return 0


def _private_input() -> int:
    """Standard input, by which the coordinator speaks with this process, for nobody else from now on."""
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return private
