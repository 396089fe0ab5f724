"""Annotations, of any form and age, as kinds."""

from __future__ import annotations

import builtins
import sys
from collections import abc
from types import GenericAlias, UnionType

from machinable.config.build import is_base_model
from machinable.config.choices import EnumOf, LiteralOf, Parsed
from machinable.config.foreign import Foreign
from machinable.config.kinds import ANYTHING, BOOL, FLOAT, INT, NOTHING, STR, Kind, ListOf, OneOf
from machinable.config.model import DictOf, Model
from machinable.errors import ConfigurationError
from machinable.identity.canonical import plain

__all__ = ["annotations_of", "is_class_variable", "kind_of", "resolved"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.config.group import Group

SIMPLE: dict[Any, Kind] = {
    int: INT,
    float: FLOAT,
    str: STR,
    bool: BOOL,
    object: ANYTHING,
    None: NOTHING,
    type(None): NOTHING,
    list: ListOf(ANYTHING),
    tuple: ListOf(ANYTHING, tuple),
    dict: DictOf(ANYTHING),
}
LISTS = {list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection}
DICTS = {dict, abc.Mapping, abc.MutableMapping}


def annotations_of(cls: type) -> dict[str, Any]:
    """The annotations of the class itself, not of its bases."""
    try:
        return cls.__annotations__
    except NameError:  # from Python 3.14 on they are evaluated now, and a name may be for type checkers only
        import importlib

        annotationlib = importlib.import_module("annotationlib")
        found: dict[str, Any] = annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
        return found


def is_class_variable(annotation: Any) -> bool:
    """Whether it is `ClassVar`, which is no field."""
    if isinstance(annotation, type):
        return False
    text = annotation if isinstance(annotation, str) else repr(annotation)
    return text.partition("[")[0].rpartition(".")[2] == "ClassVar"


def resolved(annotation: Any, cls: type, around: type) -> Any:
    """The annotation, where it is text (`from __future__ import annotations`) as what the text means.

    Args:
        cls: The class whose annotation it is.
        around: The interface class, whose names count too.
    Raises:
        NameError: If it uses a name that is not known there.
    """
    if not isinstance(annotation, str):
        return annotation
    module = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    for names in (vars(cls), vars(around), module, vars(builtins)):
        if annotation in names:
            found = names[annotation]
            # A field may have the name of its type: `float: float = 0.1`.
            if isinstance(found, (type, GenericAlias, UnionType)) or found is None or names is module:
                return found
    if annotation == "None":
        return None
    import typing

    # A class of its own, so that one name that can not be resolved does not spoil the others.
    carrier = type("carrier", (), {"__annotations__": {"it": annotation}, "__module__": cls.__module__})
    local = {
        name: value
        for space in (around, cls)
        for name, value in vars(space).items()
        if isinstance(value, type)
    }
    try:
        return typing.get_type_hints(carrier, module, local, include_extras=True)["it"]
    except (SyntaxError, TypeError, AttributeError) as error:
        raise NameError(str(error)) from error


def kind_of(annotation: Any, model: Callable[[Any], Group | None]) -> Kind:
    """What a field with this annotation takes.

    Args:
        model: Gives the group of a class that is a nested model, None for other classes.
    Raises:
        ConfigurationError: If no value of the type could be part of a configuration. The text begins with the type.
    """
    try:
        if annotation in SIMPLE:
            return SIMPLE[annotation]
    except TypeError:  # not hashable
        pass
    if isinstance(annotation, type) and not isinstance(annotation, GenericAlias):
        return _kind_of_class(annotation, model)
    import typing

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union or isinstance(annotation, UnionType):
        return OneOf(tuple(kind_of(part, model) for part in arguments))
    if origin is typing.Literal:
        return LiteralOf(tuple(plain(part) for part in arguments))
    if origin is typing.Annotated:
        if any(type(extra).__module__.startswith("msgspec") for extra in annotation.__metadata__):
            return Foreign(annotation)
        return kind_of(arguments[0], model)
    if origin is typing.Final:
        return kind_of(arguments[0], model)
    if origin in LISTS or annotation in LISTS:
        return ListOf(kind_of(arguments[0], model) if arguments else ANYTHING)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return ListOf(kind_of(arguments[0], model), tuple)
        return ListOf(ANYTHING, tuple, tuple(kind_of(part, model) for part in arguments if part != ()))
    if origin in DICTS or annotation in DICTS:
        key = kind_of(arguments[0], model) if arguments else STR
        return DictOf(
            kind_of(arguments[1], model) if arguments else ANYTHING, None if key in (STR, ANYTHING) else key
        )
    for inner in ("__supertype__", "__value__"):  # NewType; `type X = ...`
        if hasattr(annotation, inner):
            return kind_of(getattr(annotation, inner), model)
    return _refuse_or_foreign(origin if isinstance(origin, type) else annotation, annotation)


def _kind_of_class(cls: Any, model: Callable[[Any], Group | None]) -> Kind:
    if cls.__module__ == "typing" and cls.__name__ == "Any":  # a class since Python 3.11
        return ANYTHING
    if hasattr(cls, "__members__") and hasattr(cls, "_member_map_"):
        return EnumOf(cls, [(plain(member.value, f"{cls.__name__}.{member.name}"), member) for member in cls])
    if cls in LISTS or cls in DICTS:
        return ListOf(ANYTHING) if cls in LISTS else DictOf(ANYTHING)
    if hasattr(cls, "__fspath__"):
        return Parsed(cls, cls) if hasattr(cls, "as_posix") else STR
    if cls.__module__ == "datetime" and hasattr(cls, "fromisoformat"):
        return Parsed(cls, cls.fromisoformat)
    if cls.__module__ == "uuid" and cls.__name__ == "UUID":
        return Parsed(cls, cls)
    group = model(cls)
    if group is not None:
        return Model(group)
    return _refuse_or_foreign(cls, cls)


def _refuse_or_foreign(cls: Any, annotation: Any) -> Kind:
    """What msgspec knows, such as a TypedDict; not what has no plain form."""
    name = getattr(annotation, "__name__", None) if isinstance(annotation, type) else None
    name = name or str(annotation)
    if isinstance(cls, type) and issubclass(cls, (set, frozenset, abc.Set)):
        raise ConfigurationError(f"{name} has no order, so it can not identify a component. Use a list.")
    if isinstance(cls, type) and not is_base_model(cls) and Foreign.knows(cls):
        return Foreign(annotation)
    raise ConfigurationError(
        f"{name} is not a type that a configuration can hold. Use plain types, paths, enums, dates, or nested models."
    )
