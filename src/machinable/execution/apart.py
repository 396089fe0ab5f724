"""Executions that go on in other processes: what looks after them, loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.execution.background import refuse_memory, start
    from machinable.execution.cancelling import cancel
    from machinable.execution.reattach import Observer

__all__ = ["Observer", "cancel", "refuse_memory", "start"]

_HOMES = {
    "Observer": "reattach",
    "cancel": "cancelling",
    "refuse_memory": "background",
    "start": "background",
}


def __getattr__(name: str) -> object:
    # Most launches need none of it, and start faster without.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"machinable.execution.{_HOMES[name]}"), name)
