"""The class that a module holds."""

from __future__ import annotations

import sys

from machinable.errors import ProjectError
from machinable.modules.naming import MAIN
from machinable.wording import nearest

__all__ = ["select_class", "title_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def select_class(module: ModuleType, name: str, class_name: str | None, base: type) -> type:
    """The class of the given name, else the only one in the module that derives from `base`.

    Args:
        module: The module as imported; of a running script `__main__`.
        name: What the module is called in the project.
        class_name: The class asked for; it may be nested (`Outer.Inner`) or imported into the module.
        base: What the class must derive from.
    Raises:
        ProjectError: If there is no such class or more than one. The message names what there is.
    """
    if class_name is not None:
        return _named(module, name, class_name, base)
    found = _defined_in(module, base)
    if len(found) > 1:
        found = _public(found) or found
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"{name}:{cls.__name__}" for cls in found)
        raise ProjectError(f"{name} has {len(found)} classes that could be meant. Ask for {choices}.")
    _raise_if_unfinished(module, name, f"no class that derives from {_called(base)}")
    imported = sorted(
        key for key, value in vars(module).items() if _derives(value, base) and value is not base
    )
    hint = f" Those that it imports ({', '.join(imported)}) do not count." if imported else ""
    raise ProjectError(
        f"{name} has no class that derives from {_called(base)} ({_place(module)}). Define one in it, such as "
        f"`class {_camel(name)}(Component): ...`.{hint}"
    )


def title_of(name: str, cls: type, base: type) -> str:
    """What messages call a class: its module's name, with its own where the module has several.

    Args:
        name: Of the module, as `naming.name_of` gives it.
    """
    module = sys.modules.get(cls.__module__)
    several = module is not None and len(_public(_defined_in(module, base))) > 1
    return f"{name}:{cls.__qualname__}" if several else name


def _public(classes: list[type]) -> list[type]:
    return [cls for cls in classes if not cls.__name__.startswith("_")]


def _called(base: type) -> str:
    """The word for the base class that users know."""
    return "Component" if base.__name__ == "Interface" else base.__name__


def _named(module: ModuleType, name: str, class_name: str, base: type) -> type:
    value: object = module
    for part in class_name.split("."):
        value = getattr(value, part, None)
    if isinstance(value, type) and issubclass(value, base):
        return value
    if value is not None:
        kind = "a class" if isinstance(value, type) else f"{type(value).__name__}"
        raise ProjectError(f"{name}:{class_name} is {kind} that does not derive from {_called(base)}.")
    _raise_if_unfinished(module, name, f"no class {class_name!r}")
    known = [cls.__name__ for cls in _defined_in(module, base)]
    near = nearest(class_name, known)
    if near:
        hint = f"Did you mean {name}:{near}?"
    else:
        hint = f"It has: {', '.join(known)}." if known else f"It has none that derives from {_called(base)}."
    raise ProjectError(f"{name} has no class {class_name!r} ({_place(module)}). {hint}")


def _defined_in(module: ModuleType, base: type) -> list[type]:
    """The classes of the module itself, in their order there, each once."""
    found = (value for value in list(vars(module).values()) if _derives(value, base))
    return list(dict.fromkeys(cls for cls in found if cls.__module__ == module.__name__))


def _derives(value: object, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _raise_if_unfinished(module: ModuleType, name: str, lacks: str) -> None:
    if module.__name__ in MAIN:
        raise ProjectError(
            f"{name} is the script that is running, and it has defined {lacks} so far ({_place(module)}). "
            "Ask for it below the class."
        )
    if getattr(module.__spec__, "_initializing", False):
        raise ProjectError(
            f"{name} is still being imported, and it has defined {lacks} so far ({_place(module)}). Its import leads "
            "back to itself: ask for it inside of a function."
        )


def _place(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or module.__name__)


def _camel(name: str) -> str:
    last = name.rpartition(".")[2].replace("-", "_")
    return "".join(part.capitalize() for part in last.split("_")) or "Train"
