"""`mem://`: a storage for this process and its children, in RAM where there is room, removed by its creator."""

from __future__ import annotations

import atexit
import os

from machinable.store import owner
from machinable.store.files import remove_tree

__all__ = ["directory", "is_memory"]

_MINIMUM_FREE_BYTES = 2**30
_PREFIX = "machinable-mem-"

_directories: dict[str, str] = {}
_swept = False


def directory(name: str = "") -> str:
    """The directory behind `mem://<name>`: the same one for the whole process and for its children."""
    inherited = os.environ.get(_variable(name))
    if name not in _directories and inherited and os.path.isdir(inherited):
        _directories[name] = inherited
    if name not in _directories:
        _directories[name] = _create(name)
    return _directories[name]


def is_memory(path: str) -> bool:
    """Whether `path` is the directory of a `mem://` storage."""
    return os.path.basename(path).startswith(_PREFIX)


def _variable(name: str) -> str:
    return f"MACHINABLE_MEM_{name.encode().hex()}"


def _parent() -> str:
    ram = "/dev/shm"
    try:
        usage = os.statvfs(ram)
        if usage.f_bavail * usage.f_frsize >= _MINIMUM_FREE_BYTES and os.access(ram, os.W_OK):
            return ram
    except (OSError, AttributeError):
        pass
    import tempfile

    return tempfile.gettempdir()


def _create(name: str) -> str:
    parent = _parent()
    _sweep(parent)
    path = os.path.join(parent, f"{_PREFIX}{owner.token()}")
    os.mkdir(path, 0o700)
    # Children, however they are started, find the same directory; only the creator removes it.
    os.environ[_variable(name)] = path
    atexit.register(_remove, path, os.getpid())
    return path


def _remove(path: str, creator: int) -> None:
    if os.getpid() == creator:
        remove_tree(path)


def _sweep(parent: str) -> None:
    """Removes what creators that are gone (killed before they could) left behind."""
    global _swept
    if _swept:
        return
    _swept = True
    for entry in os.scandir(parent):
        if entry.name.startswith(_PREFIX) and owner.token_is_alive(entry.name[len(_PREFIX) :]) is False:
            remove_tree(entry.path)
