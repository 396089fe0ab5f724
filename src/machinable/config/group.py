"""Groups: the fields of a `Config`, nested as the user wrote them, and how changes are set in their values."""

from __future__ import annotations

import re

from machinable.config.field import MISSING, REQUIRED, FieldInfo
from machinable.config.messages import Place
from machinable.errors import ConfigurationError
from machinable.identity.canonical import shown
from machinable.wording import listed, nearest

__all__ = ["Call", "Group", "Leaf", "is_call"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from machinable.config.kinds import Kind, Reading

# Integers that a reader of JSON takes without asking; others go through `plain`.
SMALL = 2**63
INDEX = re.compile(r"\[(\d+)\]")


class Call(str):
    """A value `name(args)` that a method `config_name` will replace."""

    __slots__ = ()


class Leaf:
    """A field that holds one value."""

    __slots__ = ("declared", "default", "exact", "identifying", "kind", "was")

    def __init__(self, kind: Kind, default: Any, info: FieldInfo) -> None:
        self.kind = kind
        self.exact = kind.exact
        self.default = default  # plain, or REQUIRED
        self.declared = info is not MISSING  # by `Field`, which the user's own class takes for the default
        self.identifying = info.identifying
        self.was = info.was

    def python(self, value: Any, reading: Reading) -> Any:
        """The kept value as the user reads it."""
        if type(value) is Call or value == REQUIRED:
            return str(value)
        return self.kind.python(value, reading)


class Group:
    """Fields by name. Their values are a plain dict; changing it copies what it touches, never more.

    Attributes:
        form: `dict`, `class`, `dataclass` or `pydantic`.
        source: The dict or class that it was read from; None where there is none.
        nodes: Its fields.
        rest: The kind of fields that are not in `nodes`; None where all others are refused.
        defaults: The values if nothing is changed.
        aliases: Further names under which values may be given.
        keys: The names that a pydantic model wants to be given for fields, where they are not the fields' own.
        renamed: The present name of each name given by `was`.
        settles: Whether the values are to be judged as a whole (by pydantic, by a `__post_init__`).
    """

    __slots__ = (
        "aliases",
        "defaults",
        "form",
        "identifying",
        "keys",
        "nodes",
        "renamed",
        "rest",
        "settles",
        "source",
        "was",
    )

    def __init__(self, form: str, source: Any = None, rest: Kind | None = None) -> None:
        self.form = form
        self.source = source
        self.rest = rest
        self.nodes: dict[str, Leaf | Group] = {}
        self.defaults: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        self.identifying = True
        self.was: str | None = None
        self.settles = False

    def add(self, name: str, node: Leaf | Group) -> None:
        """One more field, at its default."""
        self.nodes[name] = node
        self.defaults[name] = node.default if isinstance(node, Leaf) else node.defaults
        if node.was is not None:
            self.renamed[node.was] = name
        self.settles = self.settles or (isinstance(node, Group) and node.settles)

    def names(self, prefix: str = "") -> Iterator[str]:
        """The dotted names of all leaves."""
        for name, node in self.nodes.items():
            if isinstance(node, Group):
                yield from node.names(f"{prefix}{name}.")
            else:
                yield prefix + name

    def kind_of(self, key: str) -> Kind | None:
        """What the field of a dotted key takes; None where there is no such field."""
        group = self
        while True:
            name, _, below = (key, "", "") if key in group.nodes else key.partition(".")
            node = group.nodes.get(group.aliases.get(name, name))
            if isinstance(node, Leaf):
                return None if below else node.kind
            if node is None:
                return None if below else group.rest
            group, key = node, below

    def expected(self) -> str:
        return f"a dict of {listed(self.nodes)}" if self.nodes else "a dict"

    def merge(
        self, values: dict[str, Any], updates: dict[str, Any], changes: Any, prefix: str, place: Place
    ) -> None:
        """Sets `changes` in `values`, and notes them in `updates`. Both dicts belong to the caller.

        Raises:
            ConfigurationError: If a key is unknown, or a value does not fit its field.
        """
        for key, given in changes.items():
            self._set(values, updates, key, given, prefix, place)

    def quick(self, values: dict[str, Any], updates: dict[str, Any], changes: dict[str, Any]) -> bool:
        """Sets `changes` as `merge` does, if they are all scalars of the very types of their fields.

        Returns whether they are; if not, some may be set already, and `merge` is to be called.
        """
        nodes = self.nodes
        for key, given in changes.items():
            node = nodes.get(key)
            kind = given.__class__
            if node.__class__ is not Leaf or kind is not node.exact:
                return False
            if kind is float:
                if given - given != 0.0:  # infinite or NaN
                    return False
                given += 0.0  # -0.0 becomes 0.0
            elif kind is int:
                if not -SMALL < given < SMALL:
                    return False
            elif kind is str:
                if not given.isascii() or given[-1:] in (")", "?"):  # perhaps a call, or "???"
                    return False
            elif kind is not bool:
                return False
            values[key] = updates[key] = given
        return True

    def _set(
        self, values: dict[str, Any], updates: dict[str, Any], key: Any, given: Any, prefix: str, place: Place
    ) -> None:
        if type(key) is not str:
            raise place.error(
                f"{prefix or 'the configuration '}has the key {key!r} ({type(key).__name__}), but keys are text."
            )
        if key not in self.nodes and "[" in key:
            key = INDEX.sub(r".\1", key)  # `layers[0].units` is `layers.0.units`
        name, _, below = (key, "", "") if key in self.nodes else key.partition(".")
        name = self.aliases.get(name, name)
        node = self.nodes.get(name)
        where = prefix + name
        if name == "" or (below == "" and key.endswith(".")) or (node is None and self.rest is None):
            raise self.unknown(key, prefix, place)
        if isinstance(node, Group):
            source = place.source  # a method that makes the changes is their source
            changes = {below: given} if below else node.as_changes(given, where, place)
            # A copy: what stands may be the default, or on show in an earlier view.
            values[name] = dict(values[name])
            node.merge(values[name], updates.setdefault(name, {}), changes, f"{where}.", place)
            place.source = source
            return
        kind = node.kind if node is not None else self.rest
        assert kind is not None
        if isinstance(given, str) and not below and is_call(given, place):
            values[name] = updates[name] = Call(given)
            return
        if kind.merges and (below or type(given) is dict):
            model = kind.groups[0]
            given = model.complete({below: given} if below else given, where, place, values.get(name))
        elif below:
            given = self._reached(values.get(name), below, given, where, place)
        place.sources[where] = place.source
        if type(given) is str and given == REQUIRED:
            place.unset = True
        else:
            given = kind.convert(place.plain(given, where), where, place)
        values[name] = updates[name] = given

    def _reached(self, standing: Any, below: str, given: Any, where: str, place: Place) -> Any:
        """The value of a field after a dotted key has set something inside of it."""
        if standing is None or (type(standing) is str and standing == REQUIRED):
            standing = {}
        name, _, further = below.partition(".")
        inner: Any = None
        if type(standing) is dict and name:
            inner = standing.get(name)
        elif type(standing) is list and name.isdecimal() and int(name) < len(standing):
            inner = standing[int(name)]
        else:
            raise place.error(
                f"there is no key {shown(where + '.' + below)}, since {where} is {shown(standing)}. "
                f"Give {where!r} as a whole."
            )
        if further:
            given = self._reached(inner, further, given, f"{where}.{name}", place)
        if type(standing) is list:
            return [given if number == int(name) else item for number, item in enumerate(standing)]
        return {**standing, name: given}

    def as_changes(self, given: Any, where: str, place: Place) -> Any:
        """What was given for the whole group, as a dict of changes."""
        if type(given) is dict:
            return given
        if type(given) is str and place.call is not None and is_call(given, place):
            return self.as_changes(place.call(given), where, place)
        if isinstance(self.source, type) and isinstance(given, self.source):
            return {name: getattr(given, name) for name in self.nodes if hasattr(given, name)}
        given = place.plain(given, where)
        if type(given) is not dict:
            raise place.wrong(where, given, self.expected())
        return given

    def complete(self, given: Any, where: str, place: Place, standing: Any = None) -> dict[str, Any]:
        """The values of a model inside of a field: what is given, else what stands, else the defaults."""
        values = dict(standing if type(standing) is dict else self.defaults)
        self.merge(values, {}, self.as_changes(given, where, place), f"{where}.", place)
        return values

    def unknown(self, key: str, prefix: str, place: Place) -> ConfigurationError:
        """The error for a key that does not exist."""
        full = prefix + key
        head, _, below = key.partition(".")
        if head in self.renamed:
            now = prefix + self.renamed[head] + ("." + below if below else "")
            return _no_such_key(place, full, f"It is {now!r} now.")
        own = [prefix + name for name in (*self.names(), *self.nodes, *self.aliases)]
        near = nearest(full, own + (list(place.root.names()) if place.root is not None else []))
        if near is not None and near != full:
            return _no_such_key(place, full, f"Did you mean {near!r}?")
        names = listed(prefix + name for name in self.nodes)
        return _no_such_key(place, full, f"It has: {names}." if names else "It has none.")


def _no_such_key(place: Place, key: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{place.module} has no configuration key {shown(key)}. {hint}")


def is_call(text: str, place: Place) -> bool:
    """Whether the class defines the method that this text calls."""
    if not text.endswith(")") or place.interface is None:
        return False
    return hasattr(place.interface, f"config_{text.partition('(')[0].strip()}")
