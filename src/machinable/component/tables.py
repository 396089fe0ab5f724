"""The table of a component: written while it runs, by its owner alone; read at any time."""

from __future__ import annotations

import os

from machinable.component.checkpoint import TABLE
from machinable.component.table import Table
from machinable.store.files import open_appending

__all__ = ["open_table"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.core import Core
    from machinable.records.claim import Claim


class _OwnedTable(Table):
    """Saves rows only as long as nobody took the component over."""

    def __init__(self, path: str, claim: Claim) -> None:
        super().__init__(path, lambda: open_appending(path))
        self._claim = claim

    def save(self) -> None:
        self._claim.check()
        super().save()


def open_table(core: Core, directory: str | None) -> Table:
    """The table of the component in `directory`."""
    path = os.path.join(directory or "", TABLE)
    return Table(path) if core.claim is None else _OwnedTable(path, core.claim)
