"""Everything a component prints goes to its log as well as to the terminal.

Python's `sys.stdout` and `sys.stderr` are replaced by proxies while components run. A proxy finds the
component by the context of whoever prints, so threads and tasks that run several components keep their
output apart.
"""

from __future__ import annotations

import os
import sys
import threading
from contextvars import ContextVar

from machinable.component.logfile import LogFile
from machinable.component.standard_files import StandardFiles, flush
from machinable.errors import MachinableError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any, TextIO

__all__ = ["Capture", "capture", "lead_output", "terminal_stream", "write_to_log"]

NAMES = ("stdout", "stderr")
OUTPUT, ERRORS = 0, 1

_current: ContextVar[Capture | None] = ContextVar("machinable_capture", default=None)
_running: list[Capture] = []  # in the order in which they were entered
_lock = threading.RLock()
_owner: Capture | None = None  # the capture that holds the process's own files 1 and 2

# While something is drawn in the terminal: prints a text to a stream, by the function given, out of its way.
around_echo: Callable[[TextIO, Callable[[str], object], str], object] | None = None


def capture(
    open_log: Callable[[], int], *, process_owned: bool, discard_log: Callable[[], None] | None = None
) -> Capture:
    """A context in which everything printed is stored in a log.

    Args:
        open_log: Gives a descriptor of the log in append mode. Called at the first byte printed, or on entry
            where the process is owned.
        process_owned: The process runs this component alone: C code and child processes, which write to the
            files 1 and 2, write to the log too (and to it only). In the midst of another component's such
            context it takes the files over only if it is nested in it, and gives them back.
        discard_log: Called at the end if the log of an owned process stayed empty, to remove it.
    Raises:
        StorageError: On exit, if the log could not be written. If the block raises too, its own exception
            stays and gets a note about the log.
    """
    return Capture(open_log, process_owned, discard_log)


def terminal_stream() -> TextIO | None:
    """Standard error behind the captures: what is written to it is shown, and never stored."""
    running = _running_here()
    if running is not None:
        while running.parent is not None:
            running = running.parent
        return running.proxies[ERRORS].target
    stream = sys.stderr
    return stream.target if isinstance(stream, _Proxy) else stream


def lead_output() -> Callable[[], None]:
    """Has all that Python prints in this process, by components or not, pass here on its way to the terminal.

    Returns:
        What ends this.
    """
    with _lock:
        proxies = _install()

    def release() -> None:
        with _lock:
            _release(proxies)

    return release


def write_to_log(text: str) -> bool:
    """Add whole lines to the log of the running component, below what it printed, without showing them.

    Returns:
        Whether there is a running component.
    """
    running = _running_here()
    if running is None:
        return False
    running.log.note(text.encode("utf-8", "backslashreplace"))
    return True


class Capture:
    """One component's output on its way to one log; see `capture`."""

    __slots__ = (
        "_discard",
        "_files",
        "_log",
        "_open",
        "_owned",
        "_pid",
        "_previous_owner",
        "is_over",
        "parent",
        "proxies",
    )

    proxies: tuple[_Proxy, _Proxy]

    def __init__(
        self, open_log: Callable[[], int], process_owned: bool, discard_log: Callable[[], None] | None
    ) -> None:
        self._open = open_log
        self._owned = process_owned
        self._discard = discard_log
        self._log: LogFile | None = None
        self._files: StandardFiles | None = None
        self.parent: Capture | None = None
        self.is_over = False

    @property
    def log(self) -> LogFile:
        if self._log is None:
            with _lock:
                if self._log is None:
                    self._log = LogFile(self._open)
                    if self.is_over:  # meanwhile, in another thread
                        self._log.close()
        return self._log

    def __enter__(self) -> Capture:
        parent = _current.get()
        if parent is not None and not parent.is_over:
            self.parent = parent
        with _lock:
            self.proxies = _install()
            _running.append(self)
        if self._owned:
            try:
                self._take_files()
            except BaseException:
                self._leave()
                raise
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._files is None:
            self._leave()
        else:
            try:
                self._give_files_back(self._files)
            finally:
                self._leave()
        if self._log is not None:
            self._conclude(self._log, error)

    def _leave(self) -> None:
        # Not a token's reset, which fails where a generator was entered in another context.
        _current.set(self.parent)
        with _lock:
            self.is_over = True
            if self in _running:
                _running.remove(self)
            _release(self.proxies)
        if self._log is not None:
            self._log.close()

    def _conclude(self, log: LogFile, error: BaseException | None) -> None:
        failure = log.failure
        if failure is None:
            # A forked child that runs to the end of the block must not remove its parent's log.
            if self._files is not None and log.size_bytes == 0 and self._pid == os.getpid() and self._discard:
                self._discard()
            return
        problem = failure
        if not isinstance(failure, MachinableError):
            problem = StorageError(f"the output could not be written to the log: {failure}")
        if error is not None:
            error.add_note(f"Besides, {problem}")
        elif problem is failure:
            raise problem
        else:
            raise problem from failure

    def _take_files(self) -> None:
        global _owner
        with _lock:
            above = self.parent
            while above is not None and above is not _owner:
                above = above.parent
            if above is not _owner:
                return  # another thread's component has them, and would get ours back
            self._pid = os.getpid()
            self._files = StandardFiles(self.log.open(), self.proxies)
            self._previous_owner = _owner
            _owner = self

    def _give_files_back(self, files: StandardFiles) -> None:
        global _owner
        try:
            files.restore()
        finally:
            _owner = self._previous_owner


class _Proxy:
    """Stands for a standard stream; all but writing is left to the stream itself, its `target`."""

    # With a dict, made when somebody sets an attribute of their own, as on any stream.
    __slots__ = ("__dict__", "index", "standard", "target", "users")

    def __init__(self, target: TextIO | None, index: int) -> None:
        self.target = target
        self.index = index
        self.users = 0
        self.standard: TextIO | None = None  # the target's own stream, while the target is a copy of it

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        running = self._running()
        if running is None:
            if self.target is None:
                return len(text)
            if around_echo is None:
                return self.target.write(text)
            around_echo(self.target, self.target.write, text)
            return len(text)
        # The log comes first: it is kept, while the terminal may be gone.
        running.log.feed(self.index, text.encode("utf-8", "backslashreplace"))
        self.echo(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        running = self._running()
        if running is None:
            if self.target is not None:
                self.target.flush()
            return
        running.log.flush(self.index)
        flush(self.target)

    def echo(self, text: str) -> None:
        if self.target is not None:
            if around_echo is None:
                self._show(text)
            else:
                around_echo(self.target, self._show, text)

    def _show(self, text: str) -> None:
        target = self.target
        if target is None:
            return
        # Closed, hung up, or `| head` that has seen enough: a run goes on without its terminal, the log has
        # it all.
        try:
            try:
                target.write(text)
            except UnicodeEncodeError:
                encoding = getattr(target, "encoding", None) or "ascii"
                target.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):
            pass

    def fileno(self) -> int:
        stream = self.standard or self.target
        if stream is None:
            raise OSError("this process has no such stream")
        return stream.fileno()

    def isatty(self) -> bool:
        return self.target is not None and self.target.isatty()

    @property
    def buffer(self) -> _BytesProxy:
        return _BytesProxy(self, getattr(self.target, "buffer", None))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copying and pickling ask for these on an empty instance
            raise AttributeError(name)
        if self.target is None:
            known = {"encoding": "utf-8", "errors": "backslashreplace", "closed": False}
            if name not in known:
                raise AttributeError(name)
            return known[name]
        return getattr(self.target, name)

    def __repr__(self) -> str:
        return f"<{NAMES[self.index]} captured by machinable, over {self.target!r}>"

    def _running(self) -> Capture | None:
        running = _running_here()
        # A proxy left below another one (as where the user's own class wraps ours) only passes on.
        return running if running is not None and running.proxies[self.index] is self else None


class _BytesProxy:
    """The binary layer of a proxy, for `sys.stdout.buffer.write(...)`."""

    def __init__(self, proxy: _Proxy, target: Any) -> None:
        self._proxy = proxy
        self._target = target

    def write(self, data: Any) -> int:
        running = self._proxy._running()
        size = memoryview(data).nbytes
        if running is not None:
            running.log.feed(self._proxy.index, bytes(data))
        target = self._proxy.target
        if self._target is not None:
            try:
                if around_echo is None or target is None:
                    self._target.write(data)
                else:
                    last = "\n" if bytes(data).endswith(b"\n") else "." * bool(size)
                    around_echo(target, lambda _: self._target.write(data), last)
            except (OSError, ValueError):
                if running is None:
                    raise
        elif running is not None:
            self._proxy.echo(bytes(data).decode("utf-8", "backslashreplace"))
        return size

    def flush(self) -> None:
        self._proxy.flush()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._target, name)


def _running_here() -> Capture | None:
    """The capture of this context; for threads without one, the innermost if all that run are nested."""
    running = _current.get()
    if running is not None:
        return None if running.is_over else running
    for candidate in tuple(_running):
        if candidate.parent is not running:
            return None
        running = candidate
    return running


def _install() -> tuple[_Proxy, _Proxy]:
    output: Any = sys.stdout
    if type(output) is not _Proxy:
        sys.stdout = output = _Proxy(output, OUTPUT)
    errors: Any = sys.stderr
    if type(errors) is not _Proxy:
        sys.stderr = errors = _Proxy(errors, ERRORS)
    output.users += 1
    errors.users += 1
    if "logging" in sys.modules:
        for proxy in (output, errors):
            if proxy.users == 1:
                _lead_logging(proxy.target, proxy)
    return output, errors


def _release(proxies: tuple[_Proxy, _Proxy]) -> None:
    output, errors = proxies
    output.users -= 1
    errors.users -= 1
    # A stream that somebody else put in the place of the proxy stays.
    if not output.users:
        stream: Any = sys.stdout
        if stream is output or (type(stream) is _Proxy and not stream.users):
            sys.stdout = output.target
    if not errors.users:
        stream = sys.stderr
        if stream is errors or (type(stream) is _Proxy and not stream.users):
            sys.stderr = errors.target
    if "logging" in sys.modules:
        for proxy in proxies:
            if not proxy.users:
                _lead_logging(proxy, proxy.target)


def _lead_logging(stream: Any, to: Any) -> None:
    """Handlers of the root logger hold the stream of the time when they were made, so they are led over."""
    root = getattr(sys.modules["logging"], "root", None)  # None while it is being imported
    if root is None or stream is None or to is None:
        return
    for handler in root.handlers:
        if getattr(handler, "stream", None) is stream:
            handler.setStream(to)


def _after_fork_in_child() -> None:
    global _lock, _owner
    _lock = threading.RLock()
    here = _running_here()
    chain: list[Capture] = []
    while here is not None:
        if here._log is not None:
            here._log.forked()
        chain.insert(0, here)
        here = here.parent
    _running[:] = chain  # the other threads, and what they ran, are not in this process
    if _owner not in chain:
        _owner = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
