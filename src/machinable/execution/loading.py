"""From a storage back to an execution that can be dispatched again, whether or not its code is still there."""

from __future__ import annotations

from machinable.component.component import Component
from machinable.component.loading import load_record
from machinable.execution import apart
from machinable.execution.execution import Execution
from machinable.execution.stored import StoredExecution, find
from machinable.types import Status
from machinable.wording import counted

__all__ = ["LoadedExecution", "load_by_id"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class LoadedExecution(Execution):
    """An execution as a storage has it, whichever process runs it. Its components are those that have a record by now.

        get.by_id("OY1p1o").wait()

    `dispatch()` runs those of them that are not finished, in this process. What never started is made anew only from
    the plan: execute that again with the same seed.
    """

    __machinable_name__ = "execution"

    def __init__(self, stored: StoredExecution) -> None:
        super().__init__(seed=stored.document["seed"])
        self._asked_at = float(stored.document.get("timestamp", 0.0))
        self._directory = stored.directory
        self._stored = stored
        self._recorded: set[str] = set()
        self.runs = stored.runs()
        self._find_components()

    def _find_components(self) -> None:
        """Those that have a record by now."""
        for entry in self._stored.entries():
            if entry.record is not None and entry.id not in self._recorded:
                self._recorded.add(entry.id)
                self.add(load_record(entry.record, Component))

    @property
    def components(self) -> list[Component]:
        """Its components that have a record by now."""
        self._find_components()
        return super().components

    def is_finished(self, component: Component | None = None) -> bool:
        """Whether the component, or all that its runs name, finished."""
        if component is not None:
            return super().is_finished(component)
        observed = apart.Observer(self._stored).observe()
        return bool(observed) and all(each.status is Status.FINISHED for each in observed)

    def is_failed(self, component: Component | None = None) -> bool:
        """Whether the component, or any, failed."""
        self._find_components()
        return super().is_failed(component)

    def wait(self) -> Self:
        """Waits until nothing of it runs or is queued any more, in whichever process."""
        super().wait()
        self._find_components()
        return self

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
