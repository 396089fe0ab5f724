"""Ray, as a fleet needs it: tasks, their ends, and what the nodes have."""

from __future__ import annotations

import os
import pickle
import queue
import socket
import sys
import time
from importlib import import_module
from importlib.util import find_spec

from machinable.engines.library import Done
from machinable.engines.node import finish_for, perform_all
from machinable.engines.transit import interruptible_from_outside
from machinable.errors import ConfigurationError, DependencyMissing

__all__ = ["Tasks", "address_of_connection", "connect", "disconnect"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.engines.library import Order
    from machinable.engines.place import Site

_KNOWN_SECONDS = 0.5
_REACH_SECONDS = 5.0
_CLEAR_SECONDS = 10.0


def connect(address: str | None, options: dict[str, Any]) -> Tasks:
    """Connects this process to Ray, unless it is, and starts a cluster where that is meant.

    Args:
        address: As the engine's configuration says.
        options: Of `ray.init`.
    Raises:
        DependencyMissing: If Ray is not installed.
        ConfigurationError: If there is no cluster at the address.
    """
    starts = address in (None, "local")
    if starts:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read as Ray is imported
    try:
        import ray
    except ImportError as error:
        raise DependencyMissing("The engine ray needs Ray: pip install 'machinable[ray]'") from error
    if ray.is_initialized():
        return Tasks(owned=False)
    arguments: dict[str, Any] = {"logging_level": "warning", **options}
    if address is not None:
        arguments["address"] = address
        _reach(address)
    if starts:
        arguments.setdefault("include_dashboard", False)
    try:
        _init(ray, arguments, address)
    except (ConnectionError, RuntimeError, ValueError, OSError, TypeError) as error:
        text = " ".join(str(error).split())
        raise ConfigurationError(f"ray{f':{address}' if address else ''}: {text}") from error
    return Tasks(owned=True)


def _init(ray: Any, arguments: dict[str, Any], address: str | None) -> None:
    try:
        ray.init(**arguments)
    except ConnectionError as error:
        if address == "auto":
            raise ConfigurationError(
                "ray:auto: no Ray cluster runs on this machine. Start one by `ray start --head`, or use the engine "
                "'ray', which starts one for the run."
            ) from error
        raise
    except ValueError as error:
        # With its defaults, Ray refuses options of a cluster of its own where one is there to connect to.
        if address is not None or "include_dashboard" not in str(error):
            raise
        ray.init(**{name: value for name, value in arguments.items() if name != "include_dashboard"})


def _reach(address: str) -> None:
    """Raises ConfigurationError where nobody listens at HOST:PORT, which Ray itself finds out after a minute."""
    if address.startswith("ray://"):
        if find_spec("grpc") is None:
            raise DependencyMissing("Ray Client (ray://) needs grpcio: pip install 'ray[client]'")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
    except OSError as error:
        raise ConfigurationError(f"ray:{address}: nobody answers at {host}:{port} ({error}).") from error


def address_of_connection() -> str | None:
    """The address of the cluster that this process is connected to and has not started itself, if there is one."""
    if "ray" not in sys.modules:
        return None
    import ray

    if not ray.is_initialized() or _is_of_this_process():
        return None
    return str(ray.get_runtime_context().gcs_address)


def disconnect(tasks: Tasks) -> None:
    """Ends what `connect` began."""
    if tasks.owned:
        import ray

        ray.shutdown()


class Tasks:
    """A connection to Ray. See `machinable.engines.library.Library`.

    Args:
        owned: Whether the connection was made for the run.
    """

    site: Site

    def __init__(self, owned: bool) -> None:
        self.owned = owned
        self._queue: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._references: dict[int, Any] = {}
        self._functions: dict[str, Any] = {}
        self._known: list[dict[str, float]] = []
        self._known_at = 0.0
        self.can_grow = not _is_of_this_process()

    def _alive(self) -> list[dict[str, float]]:
        """What each living node has in all."""
        ray: Any = import_module("ray")
        if time.monotonic() - self._known_at > _KNOWN_SECONDS or not self._known:
            self._known = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            self._known_at = time.monotonic()
        return self._known

    def slots(self) -> int:
        """See `Library`."""
        return max(1, int(sum(node.get("CPU", 0.0) for node in self._alive())))

    def lacking(self, options: dict[str, Any]) -> str | None:
        """See `Library`."""
        needs = _needs(options)
        nodes = self._alive()
        if any(all(node.get(name, 0.0) >= amount for name, amount in needs.items()) for node in nodes):
            return None
        asked = ", ".join(f"{_amount(name, amount)}" for name, amount in needs.items())
        most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in needs}
        there = ", ".join(_amount(name, amount) for name, amount in most.items())
        return f"no node of the Ray cluster has {asked} (at most {there})"

    def submit(self, orders: list[Order]) -> None:
        """See `Library`."""
        for order in orders:
            function = self._function(order)
            data = pickle.dumps((order.work, order.orders, order.timeout_seconds))
            if order.code is None and not order.inputs:
                reference = function.remote(data)
            else:
                reference = function.remote(data, order.code, order.inputs)
            self._references[order.number] = reference
            number = order.number
            reference.future().add_done_callback(
                lambda future, number=number: self._queue.put((number, future))
            )

    def _function(self, order: Order) -> Any:
        key = f"{order.name} {order.options!r}"
        if key not in self._functions:
            import ray

            site = self.site

            def component(data: bytes, code: bytes | None = None, inputs: Any = None) -> bytes:
                return on_worker(site, data, code, inputs)

            component.__qualname__ = component.__name__ = order.name
            self._functions[key] = ray.remote(component).options(
                **order.options, name=order.name, max_retries=0, retry_exceptions=False
            )
        return self._functions[key]

    def collect(self, seconds: float) -> list[Done]:
        """See `Library`."""
        found: list[Done] = []
        try:
            found.append(self._done(*self._queue.get(timeout=max(seconds, 0.0) or 0.001)))
            while True:
                found.append(self._done(*self._queue.get_nowait()))
        except queue.Empty:
            return found

    def _done(self, number: int, future: Any) -> Done:
        self._references.pop(number, None)
        error = future.exception()
        if error is None:
            return Done(number, pickle.loads(future.result()))
        return Done(number, None, *_told_by(error))

    def cancel(self, numbers: list[int], *, force: bool) -> None:
        """See `Library`."""
        import ray

        for number in numbers:
            if number in self._references:
                ray.cancel(self._references[number], force=force, recursive=False)

    def share(self, value: Any) -> Any:
        """See `Library`."""
        import ray

        return ray.put(value)

    def clear(self, run: str) -> None:
        """See `Library`."""
        ray: Any = import_module("ray")
        strategy: Any = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        try:
            tasks = [
                ray.remote(finish_for)
                .options(
                    num_cpus=0,
                    max_retries=0,
                    scheduling_strategy=strategy(node["NodeID"], soft=False),
                )
                .remote(run)
                for node in ray.nodes()
                if node["Alive"]
            ]
            ray.wait(tasks, num_returns=len(tasks), timeout=_CLEAR_SECONDS)
        except (ray.exceptions.RayError, OSError):
            pass  # what is left there is swept by the next run


def on_worker(site: Site, data: bytes, code: bytes | None, inputs: Any) -> bytes:
    """What a worker of Ray does with a task."""
    import ray

    work, orders, timeout_seconds = pickle.loads(data)
    with interruptible_from_outside():
        return pickle.dumps(perform_all(site, work, code, orders, inputs, ray.get, timeout_seconds))


def _needs(options: dict[str, Any]) -> dict[str, float]:
    needs = {
        "CPU": options.get("num_cpus", 1),
        "GPU": options.get("num_gpus", 0),
        "memory": options.get("memory", 0),
    }
    needs.update(options.get("resources") or {})
    if options.get("accelerator_type"):
        needs[f"accelerator_type:{options['accelerator_type']}"] = 0.001
    return {name: float(amount) for name, amount in needs.items() if amount}


def _amount(name: str, amount: float) -> str:
    if name == "memory":
        return f"{amount / 2**30:.3g} GiB of memory"
    plural = "s" if name in ("CPU", "GPU") and amount != 1 else ""
    return f"{amount:g} {name}{plural}"


def _told_by(error: Any) -> tuple[str, str]:
    """What an exception of Ray's says of a task: in words, and as a kind of end."""
    from ray import exceptions

    kinds = (
        (exceptions.TaskCancelledError, "it was cancelled", "cancelled"),
        (
            exceptions.OutOfMemoryError,
            "Ray killed its worker, because its node ran out of memory",
            "out_of_memory",
        ),
        (exceptions.NodeDiedError, "its node died", "node_failure"),
        (exceptions.WorkerCrashedError, "its worker died", "crash"),
        (exceptions.ObjectLostError, "its node died before the result was fetched", "node_failure"),
        (exceptions.RuntimeEnvSetupError, "its runtime_env could not be set up", "refused"),
    )
    for kind, text, end in kinds:
        if isinstance(error, kind):
            if end == "refused":
                text += f": {' '.join(str(error).split())[:300]}"
            return text, end
    if isinstance(error, exceptions.RayTaskError):
        text = str(error).strip().rpartition("\n")[2]
        return f"the worker could not run it: {text}", "refused"
    return f"Ray failed it ({type(error).__name__}: {' '.join(str(error).split())[:300]})", "crash"


def _is_of_this_process() -> bool:
    """Whether the cluster is one that this process has started. Then no nodes join it."""
    from ray._private import worker

    return bool(getattr(getattr(worker, "_global_node", None), "head", False))
