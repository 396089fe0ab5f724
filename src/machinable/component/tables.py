"""The table of a component: written while it runs, by its owner alone; read at any time."""

from __future__ import annotations

import os

from machinable.component.checkpoint import TABLE
from machinable.component.table import Table
from machinable.records.elsewhere import fetch_file
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


class _FollowersTable(Table):
    """On ranks that leave the record to rank 0: takes values, and writes none."""

    def save(self) -> None:
        self.row = {}


def open_table(core: Core, directory: str | None) -> Table:
    """The table of the component in `directory`."""
    path = os.path.join(directory or "", TABLE)
    if core.claim is None and directory is not None:
        fetch_file(path)
    if core.group is not None and not core.group.is_first:
        return _FollowersTable(path)
    return Table(path) if core.claim is None else _OwnedTable(path, core.claim)
