"""From a storage back to an execution that can be dispatched again, whether or not its code is still there."""

from __future__ import annotations

from machinable.component.component import Component
from machinable.component.loading import load_record
from machinable.execution.execution import Execution
from machinable.execution.stored import StoredExecution, find
from machinable.wording import counted

__all__ = ["LoadedExecution", "load_by_id"]


class LoadedExecution(Execution):
    """An execution as a storage has it. Its components are those that have a record by now.

    `dispatch()` runs those of them that are not finished, in this process. What never started is made anew only from
    the plan: execute that again with the same seed.
    """

    __machinable_name__ = "execution"

    def __init__(self, stored: StoredExecution) -> None:
        super().__init__(seed=stored.document["seed"])
        self._asked_at = float(stored.document.get("timestamp", 0.0))
        self._directory = stored.directory
        self.add(
            *(load_record(entry.record, Component) for entry in stored.entries() if entry.record is not None)
        )
        self.runs = stored.runs()

    def name_engine(self) -> str:
        """What records call this engine."""
        return "native"

    def __repr__(self) -> str:
        return f"Execution {self.id} · {counted(len(self.components), 'component')}"


def load_by_id(root: str, text: str) -> Component | LoadedExecution | None:
    """The component or the execution that has this ID, or the only ID that begins so. Raises as `find` does."""
    found = find(root, text)
    if isinstance(found, StoredExecution):
        return LoadedExecution(found)
    return load_record(found, Component) if found is not None else None
