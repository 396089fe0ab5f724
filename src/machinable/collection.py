"""A collection of components, as `get.all` returns it."""

from __future__ import annotations

from machinable.execution.summary import component_rows, html_table, text_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.component.component import Component

__all__ = ["Collection"]


class Collection(list["Component"]):
    """Components in a list that can be filtered and mapped, and shows itself as a table."""

    def filter(self, keep: Callable[[Component], bool]) -> Collection:
        """The components for which `keep` is true."""
        return Collection(component for component in self if keep(component))

    def map(self, function: Callable[[Component], Any]) -> list[Any]:
        """What `function` returns for each component."""
        return [function(component) for component in self]

    def first(self) -> Component | None:
        """The first component; `None` if there is none."""
        return self[0] if self else None

    def last(self) -> Component | None:
        """The last component; `None` if there is none."""
        return self[-1] if self else None

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows of the table: ID, the parameters that vary, the last measurements, time and state."""
        return component_rows(self)

    def __repr__(self) -> str:
        return text_table(self) if self else "no components"

    def _repr_html_(self) -> str:
        return html_table(self)
