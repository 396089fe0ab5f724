"""What is printed, as lines appended to one file that is opened at the first byte."""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LogFile", "above_standard"]

PARTIAL_BYTES = 8192  # an unfinished line longer than this is written as it stands


class LogFile:
    """The output of a few channels (standard output, standard error, our own words) in one file.

    Whole lines are appended as they are completed, each chunk with one `write`, so whatever kills the
    process, the file ends with the last line that was completed or flushed. Of text that is rewritten by
    carriage returns only the last state of each line is kept, which is known when the line ends: a progress
    bar is one line.

    Nothing is raised to the one who prints. The first failure is kept in `failure`, and ends the writing.

    Args:
        open_log: Gives a descriptor of the file in append mode; called once, when there is something to
            write.
    """

    __slots__ = ("_begun", "_fd", "_last", "_lock", "_open", "_pending", "closed", "failure", "size_bytes")

    def __init__(self, open_log: Callable[[], int]) -> None:
        self._open = open_log
        self._fd = -1
        self._pending = [b"", b"", b""]  # per channel, the line that is not complete yet
        self._begun = [False, False, False]  # whether the start of that line is in the file already
        self._last = b"\n"
        # Reentrant, because a signal handler or a finaliser may print while this thread prints.
        self._lock = threading.RLock()
        self.failure: Exception | None = None
        self.closed = False
        self.size_bytes = 0  # of the file, known when this is closed

    def feed(self, channel: int, data: bytes) -> None:
        """Add what was printed."""
        with self._lock:
            if self.closed:
                return
            line = self._pending[channel] + data
            end = line.rfind(b"\n") + 1
            # Each piece is taken from `_pending` before it is written: a Ctrl-C between the two never
            # doubles it.
            if end:
                self._pending[channel] = line[end:]
                self._append(self._settled(channel, line[:end]) if b"\r" in line else line[:end])
                self._begun[channel] = False
            elif b"\r" in line:
                self._pending[channel] = _newest_state(line)
            elif len(line) < PARTIAL_BYTES:
                self._pending[channel] = line
            else:
                self._pending[channel] = b""
                self._begun[channel] = True
                self._append(line)

    def flush(self, channel: int) -> None:
        """Write the unfinished line, unless it is one that is being rewritten."""
        with self._lock:
            line = self._pending[channel]
            if line and b"\r" not in line and not self.closed:
                self._pending[channel] = b""
                self._begun[channel] = True
                self._append(line)

    def note(self, data: bytes) -> None:
        """Add lines of our own (a traceback) below everything printed so far."""
        with self._lock:
            for channel in range(len(self._pending)):
                self._finish(channel)
            if not self.closed:
                self._append(data if self._last.endswith(b"\n") else b"\n" + data)

    def open(self) -> int:
        """The descriptor, opened now if it was not yet."""
        if self._fd < 0:
            self._fd = above_standard(self._open())
        return self._fd

    def close(self) -> None:
        """Write what is unfinished and close the file."""
        with self._lock:
            if self.closed:
                return
            for channel in range(len(self._pending)):
                self._finish(channel)
            self.closed = True
            if self._fd >= 0:
                try:
                    self.size_bytes = os.fstat(self._fd).st_size
                    os.close(self._fd)
                except OSError as error:  # NFS tells here that the disk is full
                    self.failure = self.failure or error

    def forked(self) -> None:
        """In a forked child: what is unfinished is the parent's to write, and its locks are nobody's."""
        self._lock = threading.RLock()
        self._pending = [b"", b"", b""]

    def _finish(self, channel: int) -> None:
        line = self._pending[channel]
        if line:
            self._pending[channel] = b""
            self._append(self._settled(channel, line))

    def _settled(self, channel: int, text: bytes) -> bytes:
        settled = b"\n".join([_last_state(line) for line in text.split(b"\n")])
        # What is in the file can not be rewritten, so what replaces it gets a line of its own.
        return b"\n" + settled if self._begun[channel] and b"\r" in text.partition(b"\n")[0] else settled

    def _append(self, data: bytes) -> None:
        if not data or self.failure is not None:
            return
        try:
            fd = self._fd if self._fd >= 0 else self.open()
            self._last = data[-1:]
            written = os.write(fd, data)
            while written < len(data):
                data = data[written:]
                written = os.write(fd, data)
        except Exception as error:
            self.failure = error


def above_standard(fd: int) -> int:
    """The same open file under a number above 2, where a process was started with closed standard files."""
    if fd > 2:
        return fd
    higher = above_standard(os.dup(fd))
    os.close(fd)
    return higher


def _last_state(line: bytes) -> bytes:
    if b"\r" not in line:
        return line
    return line.rstrip(b"\r").rpartition(b"\r")[2].rstrip(b" ")


def _newest_state(line: bytes) -> bytes:
    """An unfinished line without the states that are gone; it starts with the `\\r` that tells it is rewritten."""
    shown = line.rstrip(b"\r")
    newest = b"\r" + shown.rpartition(b"\r")[2]
    return newest if len(shown) == len(line) else newest + b"\r"
