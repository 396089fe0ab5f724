"""Importing the user's modules, and finding the class that a name means."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from importlib import import_module

from machinable.errors import ProjectError
from machinable.modules import residence
from machinable.modules.classes import select_class
from machinable.modules.failure import import_failed, not_found
from machinable.modules.finder import ALIAS, find_elsewhere
from machinable.modules.imports import imports_of
from machinable.modules.names import module_file, module_name, name_of_file, real, split_target
from machinable.modules.naming import MAIN, name_of, travels_by_value
from machinable.modules.residence import activated, finder, is_inside, parked_module
from machinable.modules.texts import normalised, remember_file, remember_loaded

__all__ = [
    "find_class",
    "has_module",
    "importing",
    "load_module",
    "name_of",
    "refuse_while_importing",
    "travels_by_value",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType

importing: ContextVar[str | None] = ContextVar("machinable_importing", default=None)

# The module, and whether it is the project's own; by root and name as asked for.
_modules: dict[tuple[str, str], tuple[ModuleType, bool]] = {}
_classes: dict[tuple[str, str, type], tuple[ModuleType, type]] = {}
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def has_module(root: str, name: str) -> bool:
    """Whether the project has the module that a target (`pkg.mod`, `pkg/mod.py`, `mod:Class`) names."""
    known = _modules.get((root, name)) if isinstance(name, str) else None
    if known is not None and known[1]:
        return True
    root = real(root)
    try:
        text, _ = split_target(name)
        return module_file(root, module_name(root, text)) is not None
    except ProjectError:
        return False


def load_module(root: str, name: str, *, anywhere: bool | None = None) -> ModuleType:
    """The module of the project, imported unless it was.

    It stands in `sys.modules` under the name by which the project's own imports find it. A script that is running
    is not imported again: its `__main__` is returned.

    Args:
        root: The root of the project.
        name: `pkg.mod`, `pkg/mod.py` or `./mod.py`.
        anywhere: Whether an installed module will do, too; by default if the name has a dot.
    Raises:
        ProjectError: If there is no such module, or if it raises while it is imported.
    """
    known = _modules.get((root, name))
    if known is not None and _is_loaded(root, known[0]):
        return known[0]
    top = real(root)
    dotted = module_name(top, name)
    file = module_file(top, dotted)
    by_name = anywhere is None
    anywhere = "." in dotted if anywhere is None else anywhere
    with residence.lock:
        if file is not None:
            module = _load_file(top, dotted, file)
        elif anywhere and not os.path.isdir(os.path.join(top, *dotted.split("."))):
            module = _load_installed(top, dotted)
        else:
            raise not_found(top, dotted, also_installed=anywhere)
    if file is not None or by_name:
        _modules[root, name] = module, file is not None
    return module


def find_class(root: str, target: str, base: type) -> type:
    """The class that a target means: `pkg.mod`, `pkg/mod.py`, or `pkg.mod:Class` for one of several.

    Args:
        root: The root of the project.
        target: What the user asked for.
        base: What the class must derive from.
    Raises:
        ProjectError: If the module can not be had (see `load_module`), or does not hold exactly one such class. What
            is imported into a module, and names with an underscore in front, count only where they are named.
    """
    known = _classes.get((root, target, base)) if isinstance(target, str) else None
    if known is not None:
        module, found = known
        if sys.modules.get(module.__name__) is module and module.__dict__.get(found.__name__) is found:
            return known[1]
    name, class_name = split_target(target)
    module = load_module(root, name, anywhere=True if class_name else None)
    cls = select_class(module, module_name(real(root), name), class_name, base)
    _classes[root, target, base] = module, cls
    return cls


def refuse_while_importing(what: str) -> None:
    """Called by what must not happen at the top level of a module that machinable imports, such as `launch`.

    Raises:
        ProjectError: If machinable imports a module just now; names the line, and the guard to put it under.
    """
    name = importing.get()
    if name is None:
        return
    frame: FrameType | None = sys._getframe(1)
    found = None
    while frame is not None and (found is None or found.f_code.co_name != "<module>"):
        if not frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
            found = frame if found is None or frame.f_code.co_name == "<module>" else found
        frame = frame.f_back
    where = f"{found.f_code.co_filename}:{found.f_lineno}" if found is not None else name
    raise ProjectError(
        f"{where}: {what} at the top level of {name}, which machinable is importing. "
        'Put it under `if __name__ == "__main__":`.'
    )


def _is_loaded(root: str, module: ModuleType) -> bool:
    present = sys.modules.get(module.__name__) is module
    if not present and parked_module(real(root), module.__name__) is not module:
        return False
    return not _is_initialising(module)


def _is_initialising(module: ModuleType) -> bool:
    return getattr(module.__spec__, "_initializing", False) is True


def _load_file(root: str, name: str, file: str) -> ModuleType:
    for main in MAIN:
        module = sys.modules.get(main)
        if module is not None and _is_from(module, file):
            remember_file(file)
            return module
    with activated(root, lasting=True):
        present = _already_imported(name, file)
        # Imported by another thread right now, it is waited for.
        if present is not None and not _is_initialising(present):
            module = present
        else:
            module = _import(root, name, present.__name__ if present else _import_name(root, name, file))
        remember_loaded(root)
    return module


def _load_installed(root: str, name: str) -> ModuleType:
    with activated(root, lasting=True):
        try:
            module = _import(root, name, name)
        except ProjectError as error:
            cause = error.__cause__
            missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
            if missing and f"{name}.".startswith(f"{missing}."):
                raise not_found(root, name, also_installed=True) from None
            raise
        remember_loaded(root)
    file = getattr(module, "__file__", None)
    if isinstance(file, str) and file.endswith(".py"):
        remember_file(file)
    return module


def _import(root: str, name: str, import_name: str) -> ModuleType:
    # A file that was written within this second may be missing from what Python remembers of the folder.
    for path, entry in list(sys.path_importer_cache.items()):
        if path.startswith(root) and entry is not None and hasattr(entry, "invalidate_caches"):
            entry.invalidate_caches()
    token = importing.set(name)
    try:
        return import_module(import_name)
    except ProjectError:
        raise
    except (Exception, SystemExit) as error:
        raise import_failed(root, name, error) from error
    finally:
        importing.reset(token)


def _already_imported(name: str, file: str) -> ModuleType | None:
    """The module of this file, under whatever name it was imported."""
    known = sys.modules.get(name)
    if known is not None and _is_from(known, file):
        return known
    ending = os.path.basename(file)
    for module in list(sys.modules.values()):
        other = getattr(module, "__file__", None)
        if isinstance(other, str) and other.endswith(ending) and _is_from(module, file):
            return module
    return None


def _is_from(module: ModuleType, file: str) -> bool:
    other = getattr(module, "__file__", None)
    if not isinstance(other, str) or os.path.basename(other) != os.path.basename(file):
        return False
    return other == file or os.path.realpath(other) == os.path.realpath(file)


def _import_name(root: str, name: str, file: str) -> str:
    """The name by which the project's own imports find the file, or an alias where that is taken."""
    for entry in sorted(sys.path, key=len, reverse=True):
        # The folder of a script, or `src` of an editable installation.
        below = entry.startswith(root + os.sep) and not os.path.isfile(os.path.join(entry, "__init__.py"))
        shorter = name_of_file(entry, file) if below and file.startswith(entry + os.sep) else None
        if shorter is not None and shorter.partition(".")[0] not in sys.stdlib_module_names:
            name = shorter
            break
    top, dot, rest = name.partition(".")
    present = sys.modules.get(top)
    if top in sys.stdlib_module_names or (present is not None and not is_inside(present, root)):
        return top + ALIAS + dot + rest
    if (
        not dot
        and not file.endswith("__init__.py")
        and _means_another(top, file)
        and find_elsewhere(top, root)
    ):
        finder.yields.add((root, top))
        return top + ALIAS
    return name


def _means_another(top: str, file: str) -> bool:
    """Whether a file imports its own name, as a project's own `ray.py` does that builds on the package."""
    try:
        with open(file, "rb") as stream:
            imported = imports_of(normalised(stream.read()))
    except OSError as error:
        raise ProjectError(f"{file} can not be read: {error.strerror}.") from error
    return any(not level and module.partition(".")[0] == top for level, module, _ in imported)
