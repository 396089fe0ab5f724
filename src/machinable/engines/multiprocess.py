"""The engine `multiprocess`: a process for each component, by default one at a time."""

from __future__ import annotations

from machinable.engines.native import Native

__all__ = ["Multiprocess"]


class Multiprocess(Native):
    """`native` with another name and default: each component runs in a process of its own, `processes` at a time."""

    __machinable_name__ = "multiprocess"

    class Config(Native.Config):
        processes: int | str | None = 1
        start_method: str | None = None  # that of `native`
