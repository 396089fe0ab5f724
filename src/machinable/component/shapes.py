"""Records of earlier shapes: the same request, made when the class had other fields, defaults or inputs."""

from __future__ import annotations

from contextvars import ContextVar

from machinable.component.uses import describe_uses, resolve_uses
from machinable.config.dotted import nested, value_at
from machinable.config.schema import schema_of
from machinable.errors import MachinableError
from machinable.identity.request import Request
from machinable.identity.seeds import plan_identity, split_identity, trial_seed
from machinable.notices import notice
from machinable.records.elsewhere import exists
from machinable.records.record import Record
from machinable.records.shapes import Shape, class_key, known_shapes

__all__ = ["find_by_shape", "shape_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component

_REQUIRED = "???"

_shapes: dict[type, Shape] = {}


def shape_of(cls: type[Component]) -> Shape:
    """The present shape of a class."""
    shape = _shapes.get(cls)
    if shape is None:
        shape = _shapes[cls] = Shape(dict(schema_of(cls).fields), describe_uses(cls.uses))
    return shape


def find_by_shape(component: Component) -> Record | None:
    """The record that answers the request under an earlier shape of its class, if shapes leave no doubt.

    An added field has to be asked for at what was its default in every known shape; a removed field counts at its
    default, if all shapes agree; inputs likewise, and an input that was itself found under an earlier shape counts as
    that record. Where there is doubt there is no match, and a note names the candidate.
    """
    core, request = component._core, component._request
    present = shape_of(type(component))
    earlier = [
        shape
        for shape in known_shapes(core.storage, class_key(request.module, request.class_name))
        if shape.name != present.name
    ]
    if not earlier and not component.uses:
        return None
    for config, uses, doubt in _candidates(component, present, earlier):
        asked = Request(
            module=request.module,
            class_name=request.class_name,
            config=config,
            scope=request.scope,
            uses=uses,
            namespace=request.namespace,
            seed=_earlier_seed(component, config),
            trial=request.trial,
            counter=request.counter,
        )
        directory = core.path_of(asked.id)
        if not exists(core.storage, directory):
            continue
        if doubt:
            notice(
                f"{component.module}: {asked.id} may be the same result, made before the class changed, but {doubt}. "
                "It is not used.",
                once=f"doubt {directory}",
            )
            continue
        record = Record.find(directory, core.storage)
        if record is not None and record.document.get("identity") == asked.identity:
            return record
    return None


def _candidates(
    component: Component, present: Shape, earlier: list[Shape]
) -> list[tuple[dict[str, Any], dict[str, str], str]]:
    """Configuration, inputs and doubt of each request that an earlier shape would have made of this one."""
    request = component._request
    found = []
    alternatives = [request.uses]
    actual = _found_inputs(component)
    if actual != request.uses:
        alternatives.append(actual)
        found.append((request.config, actual, ""))
    renames = schema_of(type(component)).renames
    shapes = [*earlier, present]
    for shape in earlier:
        fields, doubt = _earlier_fields(request.config, present, shape, shapes, renames)
        if fields is None:
            continue
        for uses in alternatives:
            inputs, doubt_of_inputs = _earlier_inputs(component, uses, present, shape, shapes)
            if inputs is not None:
                found.append((nested(fields), inputs, doubt or doubt_of_inputs))
    return found


def _earlier_seed(component: Component, config: dict[str, Any]) -> int | None:
    """The seed of the request: a planned component's derives from its configuration."""
    core, request = component._core, component._request
    if core.global_seed is None or core.trial is None:
        return request.seed
    identity = plan_identity(request.module, request.class_name, config)
    return trial_seed(core.global_seed, split_identity(identity, core.trial.split.total), core.trial.number)


#: While inputs of inputs are looked for: what each was found to be. One that many share would else be looked for once
#: for each way that leads to it, and of those there are exponentially many.
_found: ContextVar[dict[tuple[str, str], str] | None] = ContextVar("machinable_found", default=None)


def _found_inputs(component: Component) -> dict[str, str]:
    """The identities of the records that the inputs were found in."""
    known, token = _found.get(), None
    if known is None:
        known = {}
        token = _found.set(known)
    try:
        actual = {}
        for name, used in component.uses.items():
            key = (used._core.home, used._request.identity)
            if key not in known:
                record = used._record
                known[key] = (
                    str(record.document["identity"]) if record is not None else used._request.identity
                )
            actual[name] = known[key]
        return actual
    finally:
        if token is not None:
            _found.reset(token)


def _earlier_fields(
    config: dict[str, Any], present: Shape, shape: Shape, shapes: list[Shape], renames: dict[str, str]
) -> tuple[dict[str, Any] | None, str]:
    """The values that the fields of an earlier shape would have had; `None` if it could not have been asked so."""
    values: dict[str, Any] = {}
    for name in present.fields:
        value = value_at(config, name)
        old = name if name in shape.fields else renames.get(name, name)
        if old in shape.fields:
            values[old] = value
        elif any(value != other.fields[name] for other in shapes if name in other.fields):
            return None, ""
    doubt = ""
    for name, default in shape.fields.items():
        if name not in values:
            if default == _REQUIRED:
                return None, ""
            if any(other.fields[name] != default for other in shapes if name in other.fields):
                doubt = f"its field {name!r}, since removed, had several defaults"
            values[name] = default
    return values, doubt


def _earlier_inputs(
    component: Component, uses: dict[str, str], present: Shape, shape: Shape, shapes: list[Shape]
) -> tuple[dict[str, str] | None, str]:
    declared = set(present.uses) | set(shape.uses)
    inputs = {name: identity for name, identity in uses.items() if name not in declared or name in shape.uses}
    doubt = ""
    for name in declared - set(inputs):
        holders = [other.uses[name] for other in shapes if name in other.uses]
        agreed = all(target == holders[0] for target in holders)
        if name in shape.uses:  # removed since
            identity = _identity_of_default(component, name, shape.uses[name])
            if identity is None:
                return None, ""
            inputs[name] = identity
            if not agreed:
                doubt = f"its input {name!r}, since removed, had several defaults"
        elif not agreed or uses.get(name) != _identity_of_default(component, name, present.uses[name]):
            return None, ""
    return inputs, doubt


def _identity_of_default(component: Component, name: str, target: Any) -> str | None:
    fallback = type(component).base()
    try:
        inputs = resolve_uses(component.module, {name: target}, None, component._core, fallback)
        return inputs[name]._request.identity
    except MachinableError:
        return None
