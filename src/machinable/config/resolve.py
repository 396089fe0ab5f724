"""A class and the layers of a version become one configuration."""

from __future__ import annotations

from collections.abc import Mapping

from machinable.config.group import Call, Group
from machinable.config.kinds import fresh
from machinable.config.messages import Place, thawed
from machinable.config.parts import missing, split
from machinable.config.schema import Schema, schema_of
from machinable.config.settle import settled
from machinable.config.versions import parse_call
from machinable.config.view import view_of
from machinable.errors import ConfigurationError
from machinable.identity.canonical import shown
from machinable.wording import nearest

__all__ = ["Resolution", "resolve"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from machinable.config.view import ConfigView


class Resolution:
    """A resolved configuration. What its properties return is a copy and belongs to the caller."""

    __slots__ = ("_schema", "_updates", "_values", "view")

    def __init__(self, schema: Schema, values: dict[str, Any], updates: dict[str, Any]) -> None:
        group = schema.group
        self._schema = schema
        self._values = values
        self._updates = updates
        self.view: ConfigView = view_of(values, group, group.defaults, updates, schema.module)

    @property
    def identifying(self) -> dict[str, Any]:
        """The part that is identity: plain and nested, without the fields that do not identify."""
        schema = self._schema
        if schema.flat:
            return self._values.copy()
        if schema.has_others:
            return split(schema.group, self._values, {})
        copy: dict[str, Any] = fresh(self._values)
        return copy

    @property
    def others(self) -> dict[str, Any]:
        """The values of the fields that do not identify, by dotted name."""
        others: dict[str, Any] = {}
        if self._schema.has_others:
            split(self._schema.group, self._values, others)
        return others

    @property
    def update(self) -> dict[str, Any]:
        """What the layers set, plain and nested."""
        copy: dict[str, Any] = fresh(self._updates)
        return copy


def resolve(
    owner: object, layers: Sequence[Any], assign: Callable[[ConfigView], None], *, require: bool = True
) -> Resolution:
    """The configuration of `owner` under the layers of a version, from left to right.

    Args:
        owner: An instance of the interface class; its `version_*` and `config_*` methods are called.
        layers: Dicts of changes, and `~name(args)` or `@name(args)`, as from `normalise`.
        assign: Called with what stands so far before a method of the owner is called, so that it sees it.
        require: Whether a required value without a value is an error.
    Raises:
        ConfigurationError: If a key is unknown, a value does not fit, or a version does not exist.
    """
    schema = schema_of(type(owner))
    if not layers and schema.baseline is not None:
        return schema.baseline
    group = schema.group
    values: dict[str, Any] = group.defaults.copy()
    updates: dict[str, Any] = {}
    if schema.simple and layers:
        for layer in layers:
            if type(layer) is not dict or not group.quick(values, updates, layer):
                break
        else:
            return Resolution(schema, values, updates)
        values, updates = group.defaults.copy(), {}
    work = _Work(owner, schema, values, updates, assign)
    for layer in layers:
        work.apply(layer)
    complete = work.finish(require)
    resolution = Resolution(schema, work.values, updates)
    if not layers and complete and not schema.has_calls:
        schema.baseline = resolution
    return resolution


class _Work:
    """The state of one resolution."""

    __slots__ = ("assign", "owner", "place", "schema", "updates", "values")

    def __init__(
        self,
        owner: object,
        schema: Schema,
        values: dict[str, Any],
        updates: dict[str, Any],
        assign: Callable[[ConfigView], None],
    ) -> None:
        self.owner = owner
        self.schema = schema
        self.values = values
        self.updates = updates
        self.assign = assign
        self.place = Place(schema.module, "get", type(owner), schema.group)
        self.place.call = self.call

    def apply(self, layer: Any) -> None:
        """Sets the changes of one layer."""
        place = self.place
        if isinstance(layer, str):
            place.source = f"~{layer[1:]}"
            layer = self.version(layer)
        else:
            place.source = getattr(layer, "source", "get")
        self.schema.group.merge(self.values, self.updates, layer, "", place)

    def version(self, text: str) -> Mapping[str, Any]:
        """The changes that a method `version_name` returns."""
        name, arguments, named = parse_call(text[1:])
        method = getattr(self.owner, f"version_{name}", None)
        if method is None:
            known = [part[8:] for part in dir(type(self.owner)) if part.startswith("version_")]
            near = nearest(name, known)
            hint = (
                f"Did you mean '~{near}'?"
                if near
                else f"It has: {', '.join(known)}."
                if known
                else "It has none."
            )
            raise ConfigurationError(f"{self.schema.module} has no version '~{name}'. {hint}")
        self.show()
        changes = invoke(method, arguments, named, f"{self.schema.module}: ~{name}")
        if not isinstance(changes, Mapping):
            raise self.place.error(
                f"version_{name} returned {shown(changes)} ({type(changes).__name__}), "
                "but a dict of changes is expected."
            )
        return changes if isinstance(changes, dict) else dict(thawed(changes))

    def call(self, text: str) -> Any:
        """What a method `config_name` returns for a whole group, seeing what stands so far."""
        self.show()
        return self.returned(text)

    def returned(self, text: str) -> Any:
        name, arguments, named = parse_call(text)
        method = getattr(self.owner, f"config_{name}")
        self.place.source = f"config_{name}"
        return invoke(method, arguments, named, f"{self.schema.module}: config_{name}")

    def show(self) -> None:
        """Gives the owner a view of what stands so far."""
        schema, source = self.schema, self.place.source
        values, updates = dict(self.values), fresh(self.updates)
        if pending(values):
            values = self.evaluated(schema.group, values, updates, "")
        if schema.group.settles and not missing(schema.group, values):
            values = settled(schema.group, values, self.place)
        self.place.source = source
        self.assign(view_of(values, schema.group, schema.group.defaults, updates, schema.module))

    def finish(self, require: bool) -> bool:
        """Calls what is to be called and judges the whole. Returns whether all required values are there."""
        schema, place = self.schema, self.place
        if schema.has_calls or pending(self.updates):
            self.values = self.evaluated(schema.group, self.values, self.updates, "")
        if schema.may_miss or place.unset:
            absent = missing(schema.group, self.values)
            if absent and require:
                raise ConfigurationError(_required(schema.module, absent))
            if absent:
                return False
        if schema.group.settles:
            self.values = settled(schema.group, self.values, place)
        return True

    def evaluated(self, group: Group, values: dict[str, Any], updates: Any, prefix: str) -> dict[str, Any]:
        """The values with each `name(args)` replaced by what the method `config_name` returns."""
        result = dict(values)
        for name, value in values.items():
            node = group.nodes.get(name)
            if isinstance(node, Group):
                below = updates.get(name) if isinstance(updates, dict) else None
                result[name] = self.evaluated(node, value, below, f"{prefix}{name}.")
            elif type(value) is Call:
                # The method sees all values as they were given, calls as text.
                schema = self.schema
                self.assign(
                    view_of(dict(self.values), schema.group, schema.group.defaults, {}, schema.module)
                )
                found = self.returned(str(value))
                interface, self.place.interface = (
                    self.place.interface,
                    None,
                )  # text that it returns is just text
                group.merge(result, {}, {name: found}, prefix, self.place)
                self.place.interface = interface
                if isinstance(updates, dict) and name in updates:
                    updates[name] = result[name]
        return result


def invoke(method: Any, arguments: tuple[Any, ...], named: dict[str, Any], what: str) -> Any:
    """Calls a method of the user's. Arguments that it does not take are an error; what it raises itself passes."""
    try:
        return method(*arguments, **named)
    except TypeError:
        import inspect

        signature = inspect.signature(method)
        try:
            signature.bind(*arguments, **named)
        except TypeError as error:
            raise ConfigurationError(f"{what} takes the arguments {signature}: {error}.") from None
        raise


def pending(values: dict[str, Any]) -> bool:
    """Whether a value is a call still to be made."""
    return any(type(value) is Call or (type(value) is dict and pending(value)) for value in values.values())


def _required(module: str, names: list[str]) -> str:
    keys = ", ".join(repr(name) for name in names)
    what = "a value for the configuration key" if len(names) == 1 else "values for the configuration keys"
    return (
        f"{module} requires {what} {keys}. "
        f"Set it with {{{names[0]!r}: …}} in Python, {names[0]}=… on the command line."
    )
