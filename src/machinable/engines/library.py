"""What a fleet asks of a library that runs tasks on a cluster, and what the two tell each other."""

from __future__ import annotations

__all__ = ["Done", "Library", "Order", "Rules"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from machinable.engines.node import Answer
    from machinable.engines.parcel import Orders

    class Library(Protocol):
        """A connection to a cluster."""

        #: Whether nodes may join the cluster while the run lasts.
        can_grow: bool

        def slots(self) -> int:
            """About how many components run at a time."""

        def submit(self, orders: list[Order]) -> None:
            """Sends tasks."""

        def collect(self, seconds: float) -> list[Done]:
            """What has ended; waits so long for the first one, in seconds."""

        def cancel(self, numbers: list[int], *, force: bool) -> None:
            """Interrupts tasks that run, as SIGTERM does, or, by `force`, ends them; those that wait do not start."""

        def lacking(self, options: dict[str, Any]) -> str | None:
            """Why no node that is there could ever run a task with these options; `None` if one could."""

        def share(self, value: Any) -> Any:
            """Puts a value where every node can fetch it."""

        def clear(self, run: str) -> None:
            """Removes from all nodes what was put there for a run."""

else:
    Library = object


class Rules:
    """What holds for every component.

    Args:
        retries: How often a component is started again whose process or node died, or that took too long.
        resources_seconds: How long a component waits for a node that could run it; `None`: as long as it takes.
        guards: Whether the scheduler may start a component twice of its own accord.
    """

    __slots__ = ("guards", "resources_seconds", "retries")

    def __init__(self, retries: int, resources_seconds: float | None, guards: bool = False) -> None:
        self.retries = retries
        self.resources_seconds = resources_seconds
        self.guards = guards


class Order:
    """A task to send: components, to be run one after the other by `machinable.engines.node.perform_all`.

    Attributes:
        work: For each component, its pickle, and the last attempt that there was of it, where it must not be run twice.
        options: The library's own.
        code: The zip of the snapshot, as `share` gave it, where nodes need that.
        orders: Of a single component that is run in a storage of the node's own.
        inputs: Its inputs: the number of the storage, the place in there, and the record as `share` gave it.
    """

    __slots__ = ("code", "inputs", "name", "number", "options", "orders", "timeout_seconds", "work")

    def __init__(
        self,
        number: int,
        name: str,
        work: list[tuple[bytes, int | None]],
        options: dict[str, Any],
        timeout_seconds: float | None,
    ) -> None:
        self.number = number
        self.name = name
        self.work = work
        self.options = options
        self.timeout_seconds = timeout_seconds
        self.code: Any = None
        self.orders: Orders | None = None
        self.inputs: list[tuple[int, str, Any]] | None = None


class Done:
    """The end of a task.

    Args:
        answers: What the node said of the components that it got to; `None` if it could not.
        problem: Why not, in words.
        kind: How it ended then: "crash", "node_failure" or "out_of_memory", "cancelled", or "refused".
        code: The exit code of the process, if that is known, a signal being negative.
    """

    __slots__ = ("answers", "code", "kind", "number", "problem")

    def __init__(
        self,
        number: int,
        answers: list[Answer] | None,
        problem: str = "",
        kind: str = "",
        code: int | None = None,
    ) -> None:
        self.number = number
        self.answers = answers
        self.problem = problem
        self.kind = kind
        self.code = code
