"""The forms of `Config`: a dict, a plain annotated class, a dataclass, a pydantic model, and any of them nested."""

from __future__ import annotations

import re
import sys

from machinable.config.annotations import annotations_of, is_class_variable, kind_of, resolved
from machinable.config.build import is_base_model
from machinable.config.delegated import OPAQUE, Delegated
from machinable.config.field import MISSING, REQUIRED, FieldInfo
from machinable.config.group import Call, Group, Leaf, is_call
from machinable.config.kinds import ANYTHING, NOTHING, Kind, ListOf, OneOf
from machinable.config.messages import Place
from machinable.config.model import DictOf
from machinable.config.settle import plain_of_model
from machinable.errors import ConfigurationError

__all__ = ["Reader"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    # A field as declared: its name, its annotation or MISSING, its default or MISSING.
    Declared = tuple[str, Any, Any]

HEAP_TYPE = 1 << 9  # a class made by a class statement


class Reader:
    """Reads the `Config` of one interface class."""

    def __init__(self, interface: type, place: Place) -> None:
        self.interface = interface
        self.place = place
        self.models: dict[type, Group] = {}  # those in lists and unions, once each: they may hold themselves
        self.reading: list[type] = []  # those being read: they may not

    def read(self, source: Any, where: str = "", instance: Any = None) -> Group:
        """The fields of a dict or class; with the defaults that an instance of it has."""
        if isinstance(source, dict):
            group = Group("dict", source)
            declared: Iterator[Declared] = ((name, MISSING, value) for name, value in source.items())
            return self._filled(group, declared, where, instance)
        if (
            not isinstance(source, type)
            or hasattr(source, "__struct_fields__")
            or hasattr(source, "__attrs_attrs__")
        ):
            raise self.place.error(
                "Config is neither a dict, a plain annotated class, a dataclass nor a pydantic model."
            )
        if source in self.reading:
            raise self.place.error(
                f"{where[:-1]} is a {source.__name__} within a {source.__name__}, without end."
            )
        self.reading.append(source)
        try:
            if is_base_model(source):
                group = Group("pydantic", source, ANYTHING if allows_extra(source) else None)
                group.settles = True
                return self._filled(group, self._base_model(source, group), where, instance)
            if hasattr(source, "__dataclass_fields__"):
                group = Group("dataclass", source)
                group.settles = hasattr(source, "__post_init__") or hasattr(source, "__pydantic_validator__")
                return self._filled(group, self._dataclass(source), where, instance)
            return self._filled(Group("class", source), self._class(source), where, instance)
        finally:
            self.reading.pop()

    def _filled(self, group: Group, declared: Iterator[Declared], where: str, instance: Any) -> Group:
        for name, annotation, default in declared:
            if not isinstance(name, str) or not name or "." in name:
                raise self.place.error(
                    f"Config has the key {where + str(name)!r}, but keys are text without dots. "
                    "Nested fields go into a dict or class of their own."
                )
            group.add(name, self._node(group, name, annotation, default, where + name))
        group.aliases.update({alias: name for name, alias in group.keys.items()})
        if instance is not None:
            changes = {name: getattr(instance, name, MISSING) for name in group.nodes}
            changes = {name: value for name, value in changes.items() if not isinstance(value, FieldInfo)}
            values = dict(group.defaults)
            group.merge(values, {}, changes, where, self.place)
            group.defaults = values
        return group

    def _node(self, group: Group, name: str, annotation: Any, default: Any, where: str) -> Leaf | Group:
        info = default if isinstance(default, FieldInfo) else MISSING
        if info is not MISSING:
            default = info.default
        elif default is MISSING:
            default = REQUIRED
        nested = self._nested(annotation, default, where)
        if nested is not None:
            nested.identifying, nested.was = info.identifying, info.was
            return nested
        try:
            kind = self._kind(annotation, default, where)
        except ConfigurationError:
            if group.form != "pydantic":
                raise
            kind = OPAQUE
        if group.form == "pydantic":
            delegated = Delegated(kind)
            # pydantic does not judge defaults, so neither is it done here.
            default = delegated.normal(plain_of_model(default, where, self.place), where, self.place)
            return Leaf(delegated, default, info)
        if default is None and not kind.fits(None):
            kind = OneOf((kind, NOTHING))  # `x: int = None` has always meant this
        if isinstance(default, str) and is_call(default, self.place):
            return Leaf(kind if annotation is not MISSING else ANYTHING, Call(default), info)
        if not is_required(default):
            default = kind.convert(self.place.plain(default, where), where, self.place)
        return Leaf(kind, default, info)

    def _nested(self, annotation: Any, default: Any, where: str) -> Group | None:
        """The group of a field that is itself a configuration with fields."""
        if annotation is MISSING:
            if type(default) is dict and default:
                return self.read(default, f"{where}.")
            if isinstance(default, type):
                return self.read(default, f"{where}.")
            return self.read(type(default), f"{where}.", default) if is_model(type(default)) else None
        if not is_model(annotation) or default is None:
            return None
        if isinstance(default, annotation):
            return self.read(type(default), f"{where}.", default)
        group = self.read(annotation, f"{where}.")
        if not is_required(default):
            values = dict(group.defaults)
            group.merge(values, {}, group.as_changes(default, where, self.place), f"{where}.", self.place)
            group.defaults = values
        return group

    def _model(self, cls: Any) -> Group | None:
        """The group of a model that may stand in a list or a union."""
        if not is_model(cls):
            return None
        if cls not in self.models:
            group = self.models[cls] = Group("")
            reading, self.reading = self.reading, []
            found = self.read(cls, f"{cls.__name__}.")
            self.reading = reading
            for slot in Group.__slots__:
                setattr(group, slot, getattr(found, slot))
        return self.models[cls]

    def _kind(self, annotation: Any, default: Any, where: str) -> Kind:
        if annotation is not MISSING:
            try:
                return kind_of(annotation, self._model)
            except ConfigurationError as error:
                raise self.place.error(f"Config.{where} can not be read: {error}") from error
        if default is None or is_required(default):
            return ANYTHING
        if isinstance(default, dict):
            return DictOf(ANYTHING)
        if isinstance(default, (list, tuple)) and not hasattr(default, "_fields"):
            return ListOf(ANYTHING)
        self.place.plain(default, where)  # a set, an array: says what to use instead
        return kind_of(type(default), self._model)

    def _annotation(self, annotation: Any, cls: type, name: str, default: Any) -> Any:
        """The annotation as a type; where names are unknown here, what the default says."""
        try:
            return resolved(annotation, cls, self.interface)
        except NameError as error:
            inner = default.default if isinstance(default, FieldInfo) and default is not MISSING else default
            if inner is not MISSING and inner is not None and not is_required(inner):
                return MISSING
            raise self.place.error(
                f"Config.{name} has the annotation {annotation!r}, which can not be resolved: {error}. "
                "Define or import that name at the top of the module."
            ) from None

    def _class(self, cls: type) -> Iterator[Declared]:
        fields: dict[str, Declared] = {}
        for base in reversed(cls.__mro__[:-1]):
            annotations = {k: v for k, v in annotations_of(base).items() if not k.startswith("_")}
            for name, annotation in annotations.items():
                if is_class_variable(annotation):
                    fields.pop(name, None)
                    continue
                default = vars(base).get(name, fields[name][2] if name in fields else MISSING)
                default = MISSING if is_descriptor(default) else default
                fields[name] = (name, self._annotation(annotation, base, name, default), default)
            for name, value in vars(base).items():
                if name.startswith("_") or name in annotations or not is_value(value):
                    continue
                if isinstance(value, type) and is_only_a_type(value, annotations.values()):
                    continue
                annotation = fields[name][1] if name in fields and not isinstance(value, type) else MISSING
                fields[name] = (name, annotation, value)
        yield from fields.values()

    def _dataclass(self, cls: type) -> Iterator[Declared]:
        import dataclasses

        fields = dataclasses.fields(cls)
        for base in cls.__mro__[:-1]:
            for name, annotation in annotations_of(base).items():
                if "__dataclass_fields__" not in vars(base) and hasattr(base, "__dataclass_fields__"):
                    if not (name.startswith("_") or is_class_variable(annotation)):
                        raise self.place.error(
                            f"Config.{name} is in {base.__name__}, which derives from a dataclass and is none. "
                            "Put @dataclass above it."
                        )
        for field in fields:
            if not field.init:
                continue
            default: Any = field.default
            if default is dataclasses.MISSING:
                factory: Any = field.default_factory
                default = MISSING if factory is dataclasses.MISSING else factory()
            base = next(base for base in cls.__mro__ if field.name in annotations_of(base) or base is object)
            yield field.name, self._annotation(field.type, base, field.name, default), default

    def _base_model(self, cls: Any, group: Group) -> Iterator[Declared]:
        undefined = sys.modules["pydantic_core"].PydanticUndefined
        by_name = cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name")
        before: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            alias = field.validation_alias
            alias = getattr(alias, "choices", [alias])[0]
            if isinstance(alias, str) and alias != name:
                group.aliases[alias] = name
                if not by_name:
                    group.keys[name] = alias
            default = field.default
            if field.default_factory is not None:
                takes_data = getattr(field, "default_factory_takes_validated_data", False)
                default = field.default_factory(before) if takes_data else field.default_factory()
            before[name] = default = MISSING if default is undefined else default
            yield name, field.annotation, default


def allows_extra(cls: Any) -> bool:
    return bool(cls.model_config.get("extra") == "allow")


def is_model(cls: Any) -> bool:
    """Whether a class that is used as a type has fields of its own, so that it is a nested configuration."""
    if not isinstance(cls, type):
        return False
    if hasattr(cls, "__dataclass_fields__") or is_base_model(cls):
        return True
    if type(cls) is not type or not cls.__flags__ & HEAP_TYPE or hasattr(cls, "__attrs_attrs__"):
        return False
    bases = cls.__mro__[:-1]
    if any(base.__module__.partition(".")[0] in sys.stdlib_module_names - {"__main__"} for base in bases):
        return False
    names = [
        name for base in bases for name in (*annotations_of(base), *vars(base)) if not name.startswith("_")
    ]
    return any(is_value(getattr(cls, name, None)) for name in names)


def is_value(value: Any) -> bool:
    """Whether a class attribute is a default or a nested class, rather than a method or a property."""
    if isinstance(value, type):
        return not (issubclass(value, BaseException) or hasattr(value, "__members__"))
    return not (callable(value) or is_descriptor(value))


def is_descriptor(value: Any) -> bool:
    return hasattr(type(value), "__get__")


def is_only_a_type(cls: type, annotations: Iterable[Any]) -> bool:
    """Whether a nested class is used in the annotation of a field, so that it is none itself."""
    word, full = re.compile(rf"\b{re.escape(cls.__name__)}\b"), f"{cls.__module__}.{cls.__qualname__}"
    for annotation in annotations:
        if annotation is cls or (isinstance(annotation, str) and word.search(annotation)):
            return True
        if not isinstance(annotation, (type, str)) and full in repr(annotation):
            return True
    return False


def is_required(default: Any) -> bool:
    return isinstance(default, str) and default == REQUIRED
