"""What a process of an engine may use: cores, threads, memory; and that it ends with the one that started it."""

from __future__ import annotations

import os
import signal
import sys

from machinable.errors import ConfigurationError

__all__ = [
    "THREAD_VARIABLES",
    "die_with_parent",
    "explain_memory",
    "limit_memory",
    "thread_variables",
    "usable_cores",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from machinable.component.component import Component

#: What OpenMP, OpenBLAS, MKL, Accelerate and numexpr read, once, when they are loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_GIB = 2**30
_QUOTA = "/sys/fs/cgroup/cpu.max"


def usable_cores() -> int:
    """How many cores this process may use: those it is bound to, or fewer, if its control group has a smaller share."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    try:
        with open(_QUOTA, encoding="ascii") as file:
            quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(cores, 1)


def thread_variables(threads: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that limit numerical libraries to so many threads, except those that are set."""
    return {name: str(threads) for name in THREAD_VARIABLES if name not in environment}


def limit_memory(gib: float) -> None:
    """Lets this process have no more address space than that, from now on.

    Raises:
        ConfigurationError: If it has more already.
    """
    import resource

    used = _address_space()
    if used > gib * _GIB:
        raise ConfigurationError(
            f"memory_limit_gib is {gib:g}, but the process has {used / _GIB:.1f} GiB of address space before it starts."
        )
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = int(gib * _GIB)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _address_space() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def explain_memory(component: Component, gib: float) -> None:
    """Lets the MemoryError of a component say which limit it met, before anybody reads it."""
    own = component.on_failure

    def on_failure(exception: BaseException) -> None:
        if isinstance(exception, MemoryError):
            text = f"the limit of {gib:g} GiB of address space was met (memory_limit_gib)"
            if exception.args or str(exception):
                exception.add_note(text)
            else:
                exception.args = (text,)
        own(exception)

    component.on_failure = on_failure  # type: ignore[method-assign]


def die_with_parent(parent: int) -> None:
    """Asks the kernel to send this process SIGTERM as soon as its parent is gone, however that ends.

    On Linux (prctl(2), PR_SET_PDEATHSIG). Elsewhere nothing does that, and a process whose parent was killed goes
    on until its component has ended.

    Args:
        parent: The PID of the parent. If it is gone already, the signal comes at once.
    """
    if sys.platform != "linux":
        return
    if not _libc:
        import ctypes

        _libc.append(ctypes.CDLL(None))
    _libc[0].prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


_PR_SET_PDEATHSIG = 1
_libc: list[Any] = []
