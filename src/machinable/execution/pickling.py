"""Pickling for engines: lambdas, and functions and classes of the main module, travel by value.

While an execution's `__call__` runs, and only then, `multiprocessing` is extended: its pickler hands such objects to
cloudpickle, and children do not import the main module again, so scripts need no `if __name__ == "__main__"`.
"""

from __future__ import annotations

import os
import threading

__all__ = ["travelling"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_lock = threading.Lock()
_users: list[Callable[[Any, Exception], None]] = []
_original: dict[str, Any] = {}

_MAIN = ("__main__", "__mp_main__", "__session__")


class travelling:
    """Extends `multiprocessing` inside the block; nested and concurrent blocks are counted.

    Args:
        on_error: Called with the object and the error if something can not be pickled. Pools swallow such errors.
    """

    def __init__(self, on_error: Callable[[Any, Exception], None]) -> None:
        self._on_error = on_error

    def __enter__(self) -> None:
        with _lock:
            if not _users:
                _extend()
            _users.append(self._on_error)

    def __exit__(self, *exception: object) -> None:
        with _lock:
            _users.remove(self._on_error)
            if not _users:
                _restore()


def _extend() -> None:
    from multiprocessing import reduction, spawn

    pickler: Any = reduction.ForkingPickler
    _original["reducer_override"] = pickler.__dict__.get("reducer_override")
    _original["get_preparation_data"] = spawn.get_preparation_data
    pickler.reducer_override = _reducer_override
    spawn.get_preparation_data = _preparation_data


def _restore() -> None:
    from multiprocessing import reduction, spawn

    pickler: Any = reduction.ForkingPickler
    if _original["reducer_override"] is None:
        del pickler.reducer_override
    else:
        pickler.reducer_override = _original["reducer_override"]
    spawn.get_preparation_data = _original["get_preparation_data"]


def _preparation_data(name: str) -> dict[str, Any]:
    data: dict[str, Any] = _original["get_preparation_data"](name)
    for key in ("init_main_from_name", "init_main_from_path", "main_path"):
        data.pop(key, None)
    return data


def _reducer_override(pickler: Any, value: Any) -> Any:
    try:
        if hasattr(type(value), "_core") or hasattr(value, "_core"):
            return value.__reduce__()
        if _travels_by_value(value):
            import cloudpickle

            return cloudpickle.loads, (cloudpickle.dumps(value),)
    except Exception as error:
        for on_error in list(_users):
            on_error(value, error)
        raise
    return NotImplemented


def _travels_by_value(value: Any) -> bool:
    name = getattr(value, "__qualname__", None)
    if not isinstance(name, str) or not (isinstance(value, type) or hasattr(value, "__code__")):
        return False
    return "<" in name or getattr(value, "__module__", None) in _MAIN


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()  # a thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
