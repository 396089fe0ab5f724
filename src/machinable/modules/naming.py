"""The name of the module that a class belongs to, wherever the class was defined."""

from __future__ import annotations

import os
import sys
from weakref import WeakKeyDictionary

from machinable.modules.names import name_of_file, real
from machinable.modules.residence import module_of

__all__ = ["MAIN", "SESSION", "definition_file", "name_of", "travels_by_value"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

SESSION = "__session__"  # the module of what was typed into a notebook or an interpreter
MAIN = ("__main__", "__mp_main__")  # the second is what multiprocessing calls the main module in its children
GENERATED = ("<string>", "<attrs")  # the files of methods that dataclasses and attrs write

_names: WeakKeyDictionary[type, dict[str, str]] = WeakKeyDictionary()


def name_of(root: str, cls: type) -> str:
    """The name of the class's module relative to the project's root.

    A class of a running script has the name of the script; one from a notebook, an interpreter, `python -c` or a script
    outside of the project has `__session__`; one of a module outside of the project the name it was imported under.
    """
    names = _names.get(cls)
    if names is None:
        names = _names[cls] = {}
    name = names.get(root)
    if name is None:
        name = names[root] = _name_of(real(root), cls)
    return name


def travels_by_value(cls: type) -> bool:
    """Whether another process can not get the class by importing its module."""
    if cls.__module__ in MAIN or "<locals>" in cls.__qualname__:
        return True
    found: object = module_of(cls)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is not cls


def definition_file(cls: type) -> str | None:
    """The file or cell in which the body of a class of the main module stands; None for what has no text."""
    for code in _codes(cls):
        return code.co_filename
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return file if isinstance(file, str) else None


def _name_of(root: str, cls: type) -> str:
    module = cls.__module__
    if module in MAIN:
        file = definition_file(cls)
        return (file and os.path.isfile(file) and name_of_file(root, os.path.abspath(file))) or SESSION
    if module.partition(".")[0] == "machinable":
        return module
    file = getattr(module_of(cls), "__file__", None)
    return (isinstance(file, str) and name_of_file(root, file)) or module


def _codes(cls: type) -> Iterator[CodeType]:
    """The methods written in the body of the class: they know their file, also under a profiler or in `%run`."""
    for member in vars(cls).values():
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        code: CodeType | None = getattr(function, "__code__", None)
        if code is None or code.co_filename.startswith(GENERATED):
            continue
        if getattr(function, "__qualname__", "").startswith(cls.__qualname__ + "."):
            yield code
