"""A searchable copy of what the records of a storage say, which can be rebuilt from them at any time."""

from __future__ import annotations

from machinable.index.opening import forget_indexes, open_index
from machinable.index.query import Expression, parse
from machinable.index.searching import Search

__all__ = ["Expression", "Search", "forget_indexes", "open_index", "parse"]
