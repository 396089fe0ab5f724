"""A second process that reads records while this one writes the index: the first look at a large storage."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque

from machinable.index.taking import Found, Taker
from machinable.records.decoding import decode, decode_many
from machinable.records.mirror.place import store_at

__all__ = ["LEAST", "Helper", "main"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from typing import Any

    Item = tuple[str, int | None]  # path, and number in the file system

#: Fewer records are read before another process has started.
LEAST = 2000

_CHUNK = 50

#: How many chunks the other process has before it, so that it never waits for the next.
_AHEAD = 4

_MAIN = "import sys; sys.path[:] = sys.argv[1:]; from machinable.index.helping import main; main()"

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Helper:
    """Reads records, half of them in another process, if there is a second processor.

    Whatever becomes of that process, all records are read: what it does not answer is read here.
    """

    def __init__(self, root: str, taker: Taker, settings: tuple[float, float]) -> None:
        self._taker = taker
        self._answers: deque[list[Any] | None] = deque()
        self._given: deque[list[Item]] = deque()
        self._process = _start(root, settings)
        if self._process is not None:
            threading.Thread(target=self._listen, daemon=True).start()

    def read(self, items: list[Item]) -> Iterator[tuple[str, Found | None]]:
        """Every path, with what was found there; in no certain order."""
        waiting = deque(items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
        try:
            while waiting:
                while self._process is not None and len(self._given) < _AHEAD and len(waiting) > _AHEAD:
                    self._give(waiting.pop())
                for path, inode in waiting.popleft():
                    yield path, self._taker.read(path, inode)
                while self._answers:
                    yield from self._taken(self._answers.popleft())
            while self._given:
                yield from self._read_here(self._given.popleft()) if self._process is None else self._wait()
        finally:
            self._stop()

    def _give(self, chunk: list[Item]) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._given.append(chunk)
        try:
            self._process.stdin.write(_encode(chunk).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self._stop()

    def _wait(self) -> Iterator[tuple[str, Found | None]]:
        """The next answer; meanwhile what was given last is read here."""
        if self._answers:
            yield from self._taken(self._answers.popleft())
        elif len(self._given) > 1:
            yield from self._read_here(self._given.pop())  # its answer comes last, and is not waited for
        else:
            yield from self._read_here(self._given.popleft())

    def _read_here(self, chunk: list[Item]) -> Iterator[tuple[str, Found | None]]:
        for path, inode in chunk:
            yield path, self._taker.read(path, inode)

    def _taken(self, answer: list[Any] | None) -> Iterator[tuple[str, Found | None]]:
        if answer is None or not self._given:  # it ended
            self._stop()
            return
        chunk = self._given.popleft()
        if len(answer) != len(chunk):
            self._stop()
            yield from self._read_here(chunk)
            return
        for (path, _), found in zip(chunk, answer, strict=True):
            yield path, None if found is None else Found(path, *found)

    def _listen(self) -> None:
        process = self._process
        assert process is not None and process.stdout is not None
        try:
            for line in process.stdout:
                self._answers.append(decode(line))
        except (OSError, ValueError, RecursionError):
            pass
        self._answers.append(None)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for stream in (process.stdin, process.stdout):
                try:
                    if stream is not None:
                        stream.close()
                except (OSError, ValueError):
                    pass
            process.wait()


def _start(root: str, settings: tuple[float, float]) -> subprocess.Popen[bytes] | None:
    """The other process; `None` where it would be of no use, or can not be started."""
    if store_at(root) is not None or getattr(sys, "frozen", False) or not sys.executable or _processors() < 2:
        return None
    import subprocess

    try:
        process = subprocess.Popen(
            # -P: what lies in the working directory is not to be taken for a module of Python.
            [sys.executable, "-P", "-c", _MAIN, *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write(_encode([root, *settings]).encode() + b"\n")
        process.stdin.flush()
    except (OSError, ValueError):
        return None
    return process


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _answer_of(answer: list[Any]) -> bytes:
    """The answer as JSON: in the fast way, unless there may be a NaN in it, which that would lose."""
    import msgspec

    for found in answer:
        if found is not None:
            for value in (*found[2]["config"].values(), *found[2]["record"].values()):
                if type(value) is float and value - value != 0 or (value and type(value) in (list, dict)):
                    return _encode(answer).encode()
    try:
        return msgspec.json.encode(answer)
    except (ValueError, OverflowError, TypeError, RecursionError):  # lone surrogates
        return _encode(answer).encode()


def main() -> None:
    """The other process: reads chunks of paths, a line each, and answers with what is there."""
    decode_many()
    root, step_seconds, offset_seconds = json.loads(sys.stdin.buffer.readline())
    taker = Taker(root, step_seconds, offset_seconds)
    for line in sys.stdin.buffer:
        answer: list[Any] = []
        for path, inode in decode(line):
            found = taker.read(path, inode)
            answer.append(None if found is None else [found.inode, found.modified, found.row, found.is_open])
        sys.stdout.buffer.write(_answer_of(answer) + b"\n")
        sys.stdout.buffer.flush()
