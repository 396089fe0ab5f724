"""Components that were found: filtered, sorted, grouped, and shown as tables, numbers and curves."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.collection.collection import Collection

__all__ = ["Collection"]


def __getattr__(name: str) -> object:
    # What runs components has no tables to show, and starts faster without the code for them.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.collection"), name)
