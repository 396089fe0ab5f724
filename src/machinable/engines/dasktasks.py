"""Dask, as a fleet needs it: tasks, their ends, and what the workers have."""

from __future__ import annotations

import pickle
import queue
import signal
import threading
import time
from importlib import import_module

from machinable.engines.library import Done
from machinable.engines.limits import usable_cores
from machinable.engines.node import Answer, finish_for
from machinable.engines.parcel import collect
from machinable.engines.place import Place
from machinable.engines.servant import Servant
from machinable.errors import ConfigurationError, DependencyMissing

__all__ = ["Tasks", "connect"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.engines.library import Order
    from machinable.engines.place import Site

_KNOWN_SECONDS = 0.5
_CLEAR_SECONDS = 10.0
_REACH_SECONDS = 10.0


def connect(address: str | None, cluster: Any, processes: int | None, options: dict[str, Any]) -> Tasks:
    """Connects to Dask, or starts a local cluster.

    Args:
        address: Of a scheduler, or the path of a scheduler file; `None`: a local cluster.
        cluster: A `distributed.Client` or a cluster object instead.
        processes: How many components the local cluster runs at a time.
        options: Of the local cluster, or of the client.
    Raises:
        DependencyMissing: If Dask is not installed.
        ConfigurationError: If there is no scheduler.
    """
    try:
        import dask

        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise DependencyMissing("The engine dask needs Dask: pip install 'machinable[dask]'") from error
    if isinstance(cluster, distributed.Client):
        return Tasks(cluster, [], can_grow=True)
    if cluster is not None:
        client = distributed.Client(cluster, set_as_default=False)
        return Tasks(client, [client], can_grow=True)
    try:
        if address is not None:
            where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
            client = distributed.Client(
                **{**where, "timeout": _REACH_SECONDS, "set_as_default": False, **options}
            )
            return Tasks(client, [client], can_grow=True)
        cores = processes or usable_cores()
        # Components run in processes of their own anyway, so the worker can be a thread of this one.
        arguments = {
            "processes": False,
            "n_workers": 1,
            "threads_per_worker": cores,
            "resources": {"CPU": cores},
            "scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            "worker_dashboard_address": "127.0.0.1:0",
            **options,
        }
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            local = distributed.LocalCluster(**arguments)
        client = distributed.Client(local, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise ConfigurationError(f"dask{f':{address}' if address else ''}: {text}") from error
    return Tasks(client, [client, local], can_grow=False)


class Tasks:
    """A connection to Dask. See `machinable.engines.library.Library`.

    Args:
        client: The connection.
        owned: What was made for the run, and is closed at its end.
        can_grow: Whether workers may join.
    """

    site: Site

    def __init__(self, client: Any, owned: list[Any], can_grow: bool) -> None:
        self._client = client
        self._owned = owned
        self._queue: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._known: list[dict[str, Any]] = []
        self._known_at = -_KNOWN_SECONDS
        self.can_grow = can_grow

    def close(self) -> None:
        """Ends what was made for the run."""
        for each in self._owned:
            each.close()

    def _workers(self) -> list[dict[str, Any]]:
        if time.monotonic() - self._known_at >= _KNOWN_SECONDS:
            try:
                found = self._client.scheduler_info(n_workers=-1)
            except TypeError:  # before 2025.3 there was no limit to lift
                found = self._client.scheduler_info()
            self._known = list(found["workers"].values())
            self._known_at = time.monotonic()
        return self._known

    def slots(self) -> int:
        """See `Library`."""
        return max(1, sum(int(worker["nthreads"]) for worker in self._workers()))

    def lacking(self, options: dict[str, Any]) -> str | None:
        """See `Library`."""
        workers = self._workers()
        if not workers:
            return "no worker is connected to the Dask scheduler"
        needs = options.get("resources") or {}
        if any(all(worker["resources"].get(name, 0) >= needs[name] for name in needs) for worker in workers):
            return None
        asked = ", ".join(f"{name}={amount:g}" for name, amount in needs.items())
        there = ", ".join(
            f"{name}={max(worker['resources'].get(name, 0) for worker in workers):g}" for name in needs
        )
        return f"no worker of the Dask cluster has the resources {asked} (at most {there})"

    def submit(self, orders: list[Order]) -> None:
        """See `Library`."""
        groups: dict[str, list[Order]] = {}
        for order in orders:
            groups.setdefault(f"{order.name} {order.options!r} {order.inputs is not None}", []).append(order)
        for group in groups.values():
            if group[0].inputs is not None or len(group) == 1:
                for order in group:
                    self._send([order])
            else:
                self._send(group)

    def _send(self, orders: list[Order]) -> None:
        first = orders[0]
        data = [
            pickle.dumps((self.site, order.number, order.work, order.orders, order.timeout_seconds))
            for order in orders
        ]
        more = {"code": first.code} if first.code is not None else {}
        if first.inputs:
            more["inputs"] = first.inputs
        futures = self._client.map(
            on_worker,
            data,
            key=[f"{order.name}-{self.site.run}-{order.number}" for order in orders],
            pure=False,
            retries=0,
            **first.options,
            **more,
        )
        for order, future in zip(orders, futures, strict=True):
            self._futures[order.number] = future
            future.add_done_callback(lambda done, number=order.number: self._queue.put((number, done)))

    def collect(self, seconds: float) -> list[Done]:
        """See `Library`."""
        found: list[tuple[int, Any]] = []
        try:
            found.append(self._queue.get(timeout=max(seconds, 0.0) or 0.001))
            while True:
                found.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        ended = [(number, future) for number, future in found if self._futures.pop(number, None) is not None]
        finished = [future for _, future in ended if future.status == "finished"]
        results = dict(zip((future.key for future in finished), self._gathered(finished), strict=False))
        return [self._done(number, future, results) for number, future in ended]

    def _gathered(self, futures: list[Any]) -> list[Any]:
        if not futures:
            return []
        try:
            gathered: list[Any] = self._client.gather(futures)
            return gathered
        except Exception:  # the worker of one of them died with the result
            return []

    def _done(self, number: int, future: Any, results: dict[str, Any]) -> Done:
        try:
            data = results.get(future.key)
            if data is None:
                data = future.result()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return Done(number, None, *_told_by(error))
        finally:
            future.release()
        answers, exit_, code = pickle.loads(data)
        return Done(number, answers, exit_, "crash" if answers is None else "", code)

    def cancel(self, numbers: list[int], *, force: bool) -> None:
        """See `Library`."""
        asked = [number for number in numbers if number in self._futures]
        if not asked:
            return
        stop = signal.SIGKILL if force else signal.SIGTERM
        running: set[int] = set()
        for found in self._on_all(interrupt, self.site.run, asked, int(stop)):
            running.update(found)
        waiting = [self._futures[number] for number in asked if number not in running]
        if waiting:
            self._client.cancel(waiting)

    def _on_all(self, function: Any, *arguments: Any) -> list[Any]:
        """What a function returns on all workers that answer."""
        try:
            answers = self._client.run(function, *arguments, on_error="ignore")
        except Exception:
            return []  # the scheduler is gone, or a worker went meanwhile
        return list(answers.values())

    def share(self, value: Any) -> Any:
        """See `Library`."""
        [future] = self._client.scatter([value], hash=False)
        return future

    def clear(self, run: str) -> None:
        """See `Library`."""
        self._on_all(finish, run)


# --- on workers

_lock = threading.Lock()
_idle: dict[str, list[Servant]] = {}  # by run
_busy: dict[tuple[str, int], Servant] = {}  # by run and task
_stopped: set[tuple[str, int]] = set()


def on_worker(data: bytes, code: bytes | None = None, inputs: Any = None) -> bytes:
    """What a worker of Dask does with a task: it hands it to a process, of which the run has one per thread here."""
    site, number, work, orders, timeout_seconds = pickle.loads(data)
    key = site.run, number
    with _lock:
        if key in _stopped:
            return pickle.dumps(([], "", None))
        idle = _idle.get(site.run)
        servant = idle.pop() if idle else None
    if servant is None or not servant.is_alive:
        servant = Servant()
    with _lock:
        if key in _stopped:
            servant.close()
            return pickle.dumps(([], "", None))
        _busy[key] = servant
    try:
        answers = servant.perform(site, work, code, orders, inputs, None, timeout_seconds)
    finally:
        with _lock:
            del _busy[key]
    if answers is not None:
        with _lock:
            _idle.setdefault(site.run, []).append(servant)
        return pickle.dumps((answers, "", None))
    text, exit_code = servant.end
    if orders is not None:
        parcel = collect(Place.roots_of(site), orders)
        return pickle.dumps(([Answer(parcel=parcel, exit=text, code=exit_code)], "", None))
    return pickle.dumps((None, text, exit_code))


def interrupt(run: str, numbers: list[int], signal_number: int) -> list[int]:
    """Has tasks end here, or not begin. Returns those that run."""
    running = []
    with _lock:
        _stopped.update((run, number) for number in numbers)
        for number in numbers:
            servant = _busy.get((run, number))
            if servant is not None:
                running.append(number)
                servant.send(signal_number)
    return running


def finish(run: str) -> None:
    """Ends the processes of a run that is over, and removes what was put here for it."""
    with _lock:
        servants = [*_idle.pop(run, []), *(each for key, each in _busy.items() if key[0] == run)]
        _stopped.difference_update([key for key in _stopped if key[0] == run])
    for servant in servants:
        servant.close()
    finish_for(run)


def _told_by(error: BaseException) -> tuple[str, str]:
    """What an exception of Dask's says of a task: in words, and as a kind of end."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    name = type(error).__name__
    if isinstance(error, KilledWorker):
        return "its worker died", "node_failure"
    if isinstance(error, CancelledError) or "Cancelled" in name:
        return "it was cancelled", "cancelled"
    text = " ".join(str(error).split())[:300]
    return f"the worker could not run it: {name}: {text}", "refused"
