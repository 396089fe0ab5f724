"""Components as rows, through the index of the storage."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.execution.columns import FIELDS
from machinable.index import open_index
from machinable.wording import listed, nearest

__all__ = ["rows_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def rows_of(
    root: str,
    expression: str | None = None,
    *,
    module: str | None = None,
    order: str | None = None,
    descending: bool = False,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """All components, or those for which an expression holds; the index is brought up to date first.

    Where nothing is asked for, those that can not be read come last, with the status `damaged`.

    Raises:
        ConfigurationError: If the expression can not be understood, or nothing has such a name.
        StorageError: If the storage can not be read.
    """
    index = open_index(root)
    index.refresh()
    if order is not None:
        _check_order(order, index.names(module))
    rows = list(index.select(expression, module=module, order=order, descending=descending, limit=limit))
    return rows if expression is not None or limit is not None else [*rows, *index.damaged(module)]


def _check_order(order: str, names: list[str]) -> None:
    """Raises ConfigurationError if nothing has the name that is sorted by: an order of nothing would be a guess."""
    bare = [name.partition(".")[2] for name in names if name.startswith(("config.", "record."))]
    if order in FIELDS or order in bare or order in names or not names:
        return
    near = nearest(order, [*bare, *names, *FIELDS])
    hint = f"Did you mean {near!r}?" if near else f"There are: {listed([*bare, *FIELDS])}."
    raise ConfigurationError(f"Nothing is called {order!r} that could be sorted by. {hint}")
