"""The configuration as components see it: read-only, by attribute and by item."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from machinable.config.build import build
from machinable.config.field import FieldInfo
from machinable.config.forms import Reader
from machinable.config.group import Group, Leaf
from machinable.config.kinds import ANYTHING, fresh
from machinable.config.messages import DEFAULT, Place
from machinable.errors import ConfigurationError
from machinable.wording import listed, nearest

__all__ = ["ConfigView", "view_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

FREE = Group("dict", rest=ANYTHING)
SHADOWED = frozenset(("get", "items", "keys", "values"))


class ConfigView(Mapping[str, "Any"]):
    """A frozen configuration: `config.lr`, `config["lr"]`, `config.optimizer.lr`; a mapping like any other.

    Lists are copies, so changing one changes nothing else. Methods and properties of a `Config` class work as on
    an instance of it. A field named like a method of this class (`items`) hides the method.
    """

    __slots__ = ("_state",)

    # values, group, defaults, updates, module, instance of the user's class once it is needed
    _state: list[Any]

    @property
    def _default_(self) -> ConfigView:
        """The configuration if no version were given."""
        _, group, defaults, _, module, _ = self._state
        return view_of(defaults, group, defaults, {}, module)

    @property
    def _update_(self) -> ConfigView:
        """What the version changed."""
        _, _, _, updates, module, _ = self._state
        return view_of(updates, FREE, updates, updates, module)

    def to_dict(self) -> dict[str, Any]:
        """All values in plain JSON, as a dict that nobody else has."""
        copy: dict[str, Any] = fresh(self._state[0])
        return copy

    def __getitem__(self, key: str) -> Any:
        state = self._state
        group = state[1]
        try:
            value = state[0][key]
        except KeyError:
            raise KeyError(_missing(state, key)) from None
        node = group.nodes.get(key)
        if node.__class__ is Leaf:
            if node.exact is value.__class__:
                return value
            if node.kind.opaque:
                from copy import deepcopy

                return deepcopy(getattr(self._built(), key))
            return node.python(value, _reading)
        if node is None:
            return (group.rest or ANYTHING).python(value, _reading)
        defaults, updates = state[2].get(key), state[3].get(key)
        return view_of(
            value,
            node,
            defaults if type(defaults) is dict else node.defaults,
            updates if type(updates) is dict else {},
            state[4],
        )

    def __getattr__(self, name: str) -> Any:
        state = self._state
        values = state[0]
        if name in values:
            value = values[name]
            node = state[1].nodes.get(name)
            # What `self[name]` does with scalars: components read their configuration in their loops.
            return value if node.__class__ is Leaf and node.exact is value.__class__ else self[name]
        source = state[1].source
        if isinstance(source, type) and not name.startswith("_"):
            # What a `__post_init__` sets is known to the instance alone.
            if hasattr(source, name) or (state[1].settles and hasattr(self._built(), name)):
                return getattr(self._built(), name)
        raise AttributeError(_missing(state, name))

    def _built(self) -> Any:
        """An instance of the user's class with these values."""
        state = self._state
        if state[5] is None:
            state[5] = build(state[1], state[0])
        return state[5]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._state[0]))

    def __len__(self) -> int:
        return len(self._state[0])

    def __contains__(self, key: object) -> bool:
        return key in self._state[0]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ConfigView):
            return bool(self._state[0] == other._state[0])
        if isinstance(other, Mapping):
            return bool(self._state[0] == other) or {key: self[key] for key in self} == other
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refuse(name)

    def __delattr__(self, name: str) -> NoReturn:
        _refuse(name)

    def __setitem__(self, key: str, value: object) -> NoReturn:
        _refuse(key)

    def __delitem__(self, key: str) -> NoReturn:
        _refuse(key)

    def __copy__(self) -> ConfigView:
        return self

    def __deepcopy__(self, memo: object) -> ConfigView:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        values, group, defaults, updates, module, _ = self._state
        source = group.source if _travels(group.source) else None
        return _restored, (values, source, defaults, updates, module)

    def __dir__(self) -> list[str]:
        source = self._state[1].source
        own = [name for name in dir(source) if not name.startswith("_")] if isinstance(source, type) else []
        return sorted({*(name for name in self if name.isidentifier()), *own, *object.__dir__(self)})

    def __repr__(self) -> str:
        return f"Config({self._state[0]!r})"

    def _repr_html_(self) -> str:
        from html import escape

        updates = self._state[3]
        rows = []
        for key, value in self._state[0].items():
            text = (
                escape(repr(value)) if type(value) is not dict else view_of(value, FREE, {}, {})._repr_html_()
            )
            name = f"<b>{escape(key)}</b>" if key in updates else escape(key)
            rows.append(
                f"<tr><td style='text-align:left'>{name}</td><td style='text-align:left'>{text}</td></tr>"
            )
        return f"<table>{''.join(rows)}</table>"


class _Shadowing(ConfigView):
    """A configuration with fields that are named like the methods of a mapping. The fields win."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name in SHADOWED and name in object.__getattribute__(self, "_state")[0]:
            return self[name]
        return object.__getattribute__(self, name)


_set_state = ConfigView.__dict__["_state"].__set__
_new = object.__new__


def view_of(
    values: dict[str, Any],
    group: Group,
    defaults: dict[str, Any],
    updates: dict[str, Any],
    module: str = "",
) -> ConfigView:
    """A view of values that nobody will change any more."""
    view: ConfigView = _new(ConfigView if SHADOWED.isdisjoint(values) else _Shadowing)
    _set_state(view, [values, group, defaults, updates, module, None])
    return view


def _reading(group: Group | None, values: dict[str, Any]) -> ConfigView:
    return view_of(values, group or FREE, group.defaults if group is not None else {}, {})


def _missing(state: list[Any], name: str) -> str:
    values, module = state[0], state[4]
    near = nearest(name, values) if isinstance(name, str) else None
    hint = (
        f"Did you mean {near!r}?"
        if near is not None
        else f"It has: {listed(values)}."
        if values
        else "It is empty."
    )
    return f"{module or 'This part'} has no configuration key {name!r}. {hint}"


def _refuse(name: object) -> NoReturn:
    raise ConfigurationError(
        f"The configuration is read-only, so {name!r} can not be set. Use component.derive(...) or get(...)."
    )


def _travels(source: Any) -> bool:
    """Whether another process can be expected to import all classes that a `Config` consists of."""
    if isinstance(source, FieldInfo):
        return _travels(source.default)
    if isinstance(source, dict):
        return all(_travels(value) for value in source.values())
    if isinstance(source, (list, tuple)):
        return all(_travels(value) for value in source)
    cls = source if isinstance(source, type) else type(source)
    found: Any = sys.modules.get(cls.__module__) if cls.__module__ != "__main__" else None
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def _restored(values: dict[str, Any], source: Any, defaults: Any, updates: Any, module: str) -> ConfigView:
    """A view in another process; without the methods and types of its class, where that is not there."""
    group = FREE
    if source is not None:
        try:
            group = Reader(object, Place(module, DEFAULT)).read(source)
        except ConfigurationError:
            pass
    return view_of(values, group, defaults, updates, module)
