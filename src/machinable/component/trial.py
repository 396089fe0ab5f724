"""Which of the independent repetitions of a planned component this is."""

from __future__ import annotations

__all__ = ["Split", "Trial"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Split:
    """Which part of a split the trial takes."""

    __slots__ = ("number", "seed", "total")

    def __init__(self, number: int = 0, total: int = 1, seed: int = 0) -> None:
        self.number = number  # counted from 0
        self.total = total
        self.seed = seed  # the same for all parts of one split


class Trial:
    """One of the independent repetitions of a planned component; the only one, outside a plan."""

    __slots__ = ("number", "split", "total")

    def __init__(self, number: int = 0, total: int = 1, split: Split | None = None) -> None:
        self.number = number  # counted from 0, flat over nested repeats
        self.total = total
        self.split = split if split is not None else Split()

    def document(self) -> dict[str, Any]:
        """As component.json holds it."""
        split = self.split
        return {
            "number": self.number,
            "total": self.total,
            "split": {"number": split.number, "total": split.total, "seed": split.seed},
        }

    @classmethod
    def from_document(cls, document: Any) -> Trial | None:
        """The trial that a component.json tells of; `None` for a component that was not planned."""
        if not isinstance(document, dict):
            return None
        return cls(document["number"], document["total"], Split(**document["split"]))

    def __reduce__(self) -> tuple[Any, ...]:
        return Trial.from_document, (self.document(),)

    def __repr__(self) -> str:
        return f"Trial({self.number} of {self.total})"
