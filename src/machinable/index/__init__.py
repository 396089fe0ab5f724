"""A searchable copy of what the records of a storage say, which can be rebuilt from them at any time."""

from __future__ import annotations

from importlib import import_module

__all__ = ["Expression", "Search", "forget_indexes", "open_index", "parse"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.index.opening import forget_indexes, open_index
    from machinable.index.query import Expression, parse
    from machinable.index.searching import Search

# SQLite and what asks it are loaded with the first search: who only launches goes without.
_HOMES = {
    "Expression": "query",
    "Search": "searching",
    "forget_indexes": "opening",
    "open_index": "opening",
    "parse": "query",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
