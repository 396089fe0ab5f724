"""The files 1 and 2 of the process, to which C code and child processes write, led to a log."""

from __future__ import annotations

import os
import sys

from machinable.component.logfile import above_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol, TextIO

    class Echo(Protocol):
        """What shows to a terminal what Python prints."""

        target: TextIO | None
        standard: TextIO | None

else:
    Echo = object

__all__ = ["Echo", "StandardFiles", "flush"]

_LINE_BUFFERED = 1  # _IOLBF of C on Linux (glibc, musl) and macOS


class StandardFiles:
    """The files 1 and 2 of this process, led to the log, with copies of what they were for Python's echo.

    Args:
        log_fd: A descriptor of the log, in append mode.
        proxies: What shows Python's own output. Those that would write to file 1 or 2, and thereby to the log, write
            to a copy of it until `restore`.
    """

    def __init__(self, log_fd: int, proxies: Sequence[Echo]) -> None:
        self._copies: dict[int, int | None] = {}
        self._echoing: list[Echo] = []
        for proxy in proxies:
            flush(proxy.target)
        _flush_standard_streams()
        if _foreign_code_is_loaded():
            _flush_c(by_line=True)
        try:
            for fd in (1, 2):
                self._copies[fd] = _copy(fd)
            for fd in (1, 2):
                os.dup2(log_fd, fd)
            for proxy in proxies:
                self._echo_to_copy(proxy)
        except BaseException:
            self.restore()
            raise

    def restore(self) -> None:
        """Makes the files 1 and 2 what they were before."""
        _flush_standard_streams()
        if _foreign_code_is_loaded():
            _flush_c()
        for proxy in self._echoing:
            copy, proxy.target, proxy.standard = proxy.target, proxy.standard, None
            flush(copy)
        for fd, copy_fd in self._copies.items():
            if copy_fd is None:
                os.close(fd)
            else:
                os.dup2(copy_fd, fd)
                os.close(copy_fd)

    def _echo_to_copy(self, proxy: Echo) -> None:
        """Where the stream writes to file 1 or 2, it would write to the log: one over the copy stands in for it."""
        target = proxy.target
        try:
            copy = self._copies.get(target.fileno()) if target is not None else None
        except (OSError, ValueError, AttributeError):
            copy = None
        if target is None or copy is None:
            return
        proxy.target = open(  # noqa: SIM115
            copy,
            "w",
            buffering=1,
            encoding=getattr(target, "encoding", None) or "utf-8",
            errors=getattr(target, "errors", None) or "backslashreplace",
            closefd=False,
        )
        proxy.standard = target
        self._echoing.append(proxy)


def flush(stream: TextIO | None) -> None:
    """Flushes a stream of the terminal, if there is one and it still takes anything."""
    if stream is not None:
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # the terminal is gone, and a run goes on without it


def _flush_standard_streams() -> None:
    flush(sys.__stdout__)
    flush(sys.__stderr__)


def _copy(fd: int) -> int | None:
    try:
        return above_standard(os.dup(fd))
    except OSError:
        return None  # closed


def _foreign_code_is_loaded() -> bool:
    """Whether there may be C code that prints: ctypes, or an extension module that is not Python's own."""
    if "ctypes" in sys.modules:
        return True
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith((".so", ".pyd")) and "lib-dynload" not in path:
            return True
    return False


def _flush_c(by_line: bool = False) -> None:
    """Empty the buffers of C's own streams; `by_line`: from now on at each line, so that a crash loses none."""
    try:
        import ctypes

        library = ctypes.CDLL(None)
        library.fflush(None)
        if by_line:
            name = "__stdoutp" if sys.platform == "darwin" else "stdout"
            stream = ctypes.c_void_p.in_dll(library, name)
            library.setvbuf(stream, None, _LINE_BUFFERED, ctypes.c_size_t(0))
    except (ImportError, OSError, TypeError, ValueError, AttributeError):
        pass  # a platform whose C library is reached otherwise: its output comes when its buffers are full
