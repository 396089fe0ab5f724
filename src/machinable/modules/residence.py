"""Whose modules `sys.modules` holds, where several projects of one process have modules of the same names."""

from __future__ import annotations

import os
import sys
import threading

from machinable.modules.finder import ALIAS, ProjectFinder
from machinable.modules.names import FOREIGN, real
from machinable.modules.project import find_root

__all__ = ["activated", "finder", "is_inside", "lock", "module_of", "parked_module"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

finder = ProjectFinder()
lock = threading.RLock()  # held while modules are imported or swapped

_counting = threading.Lock()
_open = 0  # how many `activated` are open
_own: dict[str, dict[str, ModuleType]] = {}  # root -> its modules by name, as far as they ever gave way
_path_entry: str | None = None  # what we added to sys.path
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_STAY = ("machinable", "__main__", "__mp_main__")


class activated:  # named as it is read: `with activated(root):`
    """Puts a project in force: plain imports, also those inside of functions, find its modules.

    Afterwards the project that was in force is again. With one project per process it does nothing after the first
    time. It holds for the whole process: where threads run components of two projects at once, an import *inside of
    a function*, of a name that both projects have, may find the module of the other.

    Args:
        root: The root of the project.
        lasting: Let the project stay in force, unless that takes the modules of the working directory's project
            or of an `activated` around this one away.
    """

    __slots__ = ("_before", "_changed", "_lasting", "_root")

    def __init__(self, root: str, *, lasting: bool = False) -> None:
        self._root = root
        self._lasting = lasting
        self._changed = False
        self._before: str | None = None

    def __enter__(self) -> None:
        global _open
        with _counting:
            _open += 1
        if finder.root == self._root:
            return
        root = real(self._root)
        with lock:
            self._before = finder.root
            if root != self._before:
                _enter(root)
                self._changed = True

    def __exit__(self, *exception: object) -> None:
        global _open
        with _counting:
            _open -= 1
        if self._changed:
            with lock:
                back = self._where_back()
                if back is not None and back != finder.root:
                    _return(back)

    def _where_back(self) -> str | None:
        home = _home()
        if self._before is None:
            # The first project of the process stays, unless modules that the user imported had to give way.
            return home if home is not None and _own.get(home) else None
        if self._lasting and not _open and self._before != home:
            return None
        return self._before


def parked_module(root: str, name: str) -> ModuleType | None:
    """A module of a project which is not in force, and has given way to another project's."""
    return None if finder.root == root else _own.get(root, {}).get(name)


def module_of(cls: type) -> ModuleType | None:
    """The module that holds the class; of several projects' modules of one name, the right one."""
    present = sys.modules.get(cls.__module__)
    top = cls.__qualname__.partition(".")[0]
    if getattr(present, top, None) is not cls:
        for modules in list(_own.values()):
            module = modules.get(cls.__module__)
            if module is not None and getattr(module, top, None) is cls:
                return module
    return present


def _enter(root: str) -> None:
    """Takes out of `sys.modules` what has a name of this project but is not its module."""
    if finder.root is not None:
        _note(finder.root)
    home = finder.root or _home() or ""
    owners = _owners()
    names = _top_names(root)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in names and _is_users(module):
            owner = owners.get(id(module)) or (root if is_inside(module, root) else home)
            if owner != root:
                del sys.modules[name]
                _own.setdefault(owner, {})[name] = module
    sys.modules.update(_own.get(root, {}))
    _put_in_force(root)


def _return(root: str) -> None:
    """Gives the project its names back; other modules of the one that leaves stay where they are."""
    own = _own.get(root, {})
    names = {name.partition(".")[0] for name in own}
    if finder.root is not None:
        for name, module in _note(finder.root).items():
            if name.partition(".")[0] in names and sys.modules.get(name) is module:
                del sys.modules[name]
    sys.modules.update(own)
    _put_in_force(root)


def _put_in_force(root: str) -> None:
    global _path_entry
    finder.root = root
    finder.install()
    if _path_entry is not None and _path_entry != root and _path_entry in sys.path:
        sys.path.remove(_path_entry)
        _path_entry = None
    # Child processes are handed `sys.path`. At its end, for precedence is the finder's business.
    if root not in sys.path:
        sys.path.append(root)
        _path_entry = root


def _note(root: str) -> dict[str, ModuleType]:
    """Writes down the modules of the project in force, and returns them."""
    owners = _owners()
    _own[root] = {
        name: module
        for name, module in list(sys.modules.items())
        if owners.get(id(module), root) == root and _is_users(module) and is_inside(module, root)
        if name.partition(".")[0] not in _STAY
    }
    return _own[root]


def _owners() -> dict[int, str]:
    return {id(module): owner for owner, modules in _own.items() for module in modules.values()}


def _home() -> str | None:
    """The project of the working directory: that of the modules which the user imported."""
    try:
        return find_root(os.getcwd())
    except OSError:
        return None  # the directory was removed


def _top_names(root: str) -> set[str]:
    try:
        names = {name.removesuffix(".py") for name in os.listdir(root)}
    except OSError:
        return set()
    return {full for name in names for full in (name, name + ALIAS)}.difference(_STAY)


def _is_users(module: ModuleType) -> bool:
    """Whether it is neither built in, nor of the standard library, nor installed."""
    places = _places(module)
    return bool(places) and not any(
        place.startswith(_STANDARD_LIBRARY) or any(os.sep + folder in place for folder in FOREIGN)
        for place in places
    )


def is_inside(module: ModuleType, root: str) -> bool:
    """Whether a module was imported from below the root."""
    return any(place.startswith(root + os.sep) for place in _places(module))


def _places(module: ModuleType) -> list[str]:
    try:
        file = getattr(module, "__file__", None)
        places = [file] if isinstance(file, str) else list(getattr(module, "__path__", ()))
    except Exception:
        return []  # what stands in sys.modules may be any object
    return [place for place in places if isinstance(place, str)]


def _after_fork() -> None:
    global lock, _counting
    lock, _counting = threading.RLock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    # Another thread of the parent may have held them.
    os.register_at_fork(after_in_child=_after_fork)
