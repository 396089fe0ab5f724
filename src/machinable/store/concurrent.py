"""The same call for many items at the same time, in threads that are kept for a while."""

from __future__ import annotations

import _thread
import os
import threading

__all__ = ["WIDTH", "each"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")

#: How many requests of one call are under way at once, at most.
WIDTH = 16

_MOST_THREADS = 48
_KEPT_SECONDS = 10.0


def each(function: Callable[[Item], Result], items: Iterable[Item], width: int = WIDTH) -> list[Result]:
    """The results of `function` for each item, in their order. The first exception stops the rest and is raised.

    The calling thread does its share, so that calls within calls come to an end even when all threads are busy.
    """
    todo = list(items)
    if len(todo) <= 1 or width <= 1:
        return [function(item) for item in todo]
    work = _Work(function, todo)
    try:
        _threads().help(work, min(width, len(todo)) - 1)
        work.go_on()
    finally:
        work.end()
    if work.error is not None:
        raise work.error
    return work.results


class _Work:
    """The items of one call, and what came of them."""

    __slots__ = ("_at_work", "_changed", "_function", "_index", "_items", "_stop", "error", "results")

    def __init__(self, function: Callable[[Any], Any], items: list[Any]) -> None:
        self._function = function
        self._items = items
        self._index = 0
        self._at_work = 0  # threads other than the calling one
        self._stop = False
        self._changed = threading.Condition()
        self.results: list[Any] = [None] * len(items)
        self.error: BaseException | None = None

    def help(self) -> None:
        """The share of another thread."""
        with self._changed:
            self._at_work += 1
        try:
            self.go_on()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify()

    def go_on(self) -> None:
        """Takes item after item until there is none left."""
        while True:
            with self._changed:
                index = self._index
                if self._stop or index >= len(self._items):
                    return
                self._index += 1
            try:
                self.results[index] = self._function(self._items[index])
            except BaseException as error:
                with self._changed:
                    self._stop = True
                    self.error = self.error or error

    def end(self) -> None:
        """Takes no further item, and waits for those that are under way."""
        with self._changed:
            self._stop = True
            while self._at_work:
                self._changed.wait()


class _Threads:
    """Threads that wait for work, and go when there is none for a while."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._changed = threading.Condition()
        self._wanted: list[_Work] = []
        self._idle = self._count = 0

    def help(self, work: _Work, count: int) -> None:
        """Has up to `count` threads take part in a work."""
        with self._changed:
            self._wanted += [work] * count
            lacking = max(0, min(len(self._wanted) - self._idle, _MOST_THREADS - self._count))
            self._count += lacking
            self._changed.notify(count)
        for started in range(lacking):
            try:
                # Not threading.Thread, whose start waits until the thread runs: in a child that sends a few files
                # and ends, that takes as long as the sending.
                _thread.start_new_thread(self._run, ())
            except RuntimeError:  # the interpreter shuts down: who calls does it all
                with self._changed:
                    self._count -= lacking - started
                return

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._wanted:
                    self._idle += 1
                    told = self._changed.wait(_KEPT_SECONDS)
                    self._idle -= 1
                    if not told and not self._wanted:
                        self._count -= 1
                        return
                work = self._wanted.pop()
            work.help()
            del work


_kept: _Threads | None = None


def _threads() -> _Threads:
    """The threads of this process: a fork takes none along."""
    global _kept
    if _kept is None or _kept.pid != os.getpid():
        _kept = _Threads()
    return _kept
