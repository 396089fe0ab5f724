"""obstore, usable in a child that was forked off a process which has used it."""

from __future__ import annotations

import os
import sys

from machinable.errors import DependencyMissing
from machinable.store import forks

__all__ = ["obstore", "preload"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_EXTENSION = "obstore._obstore"

_module: ModuleType | None = None
_pid = 0


def obstore(extra: str) -> ModuleType:
    """The package obstore for this process.

    Its threads do not survive a fork, and it has no way to start new ones: a child that went on with it would wait
    for ever. So a child loads the library a second time, under another name, which gives it threads of its own.

    Raises:
        DependencyMissing: If it is not installed; the message names `extra`.
    """
    global _module, _pid
    if _pid == os.getpid() and _module is not None:
        return _module
    with forks.opening():
        if _pid == os.getpid() and _module is not None:
            return _module
        try:
            if _pid:
                _load_again()
            import obstore as module
            import obstore.store
        except ImportError:
            raise DependencyMissing(
                f"{extra}:// storages need obstore: pip install 'machinable[{extra}]'"
            ) from None
        _module, _pid = module, os.getpid()
    return module


def preload() -> ModuleType:
    """obstore for a process that others are forked off, and that does not use it itself. Raises ImportError."""
    import obstore as module
    import obstore.store

    return module


def _load_again() -> None:
    import shutil
    import tempfile
    from importlib.util import module_from_spec, spec_from_file_location

    origin = sys.modules[_EXTENSION].__file__
    assert origin is not None
    for name in [name for name in sys.modules if name == "obstore" or name.startswith("obstore.")]:
        del sys.modules[name]
    # The loader knows a library by its file, so that a second one has to be a second file. It is needed only until
    # it is loaded.
    with tempfile.TemporaryDirectory(prefix="machinable-") as directory:
        copy = shutil.copy(origin, directory)
        spec = spec_from_file_location(_EXTENSION, copy)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[_EXTENSION] = module
        spec.loader.exec_module(module)
