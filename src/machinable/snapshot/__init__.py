"""The snapshot: the project's code as it is when an execution starts, kept once per content, restored on request."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.snapshot.restoring import restore
    from machinable.snapshot.taking import Snapshot, changed_since, take

__all__ = ["Snapshot", "changed_since", "restore", "take"]


def __getattr__(name: str) -> object:
    # Most processes take no snapshot, and all of them start faster without the code for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "restoring" if name == "restore" else "taking"
    return getattr(import_module(f"{__name__}.{home}"), name)
