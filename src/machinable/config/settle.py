"""Values that a class judges as a whole, by pydantic or in its `__post_init__`, and may change by that."""

from __future__ import annotations

import sys

from machinable.config.build import build, feed
from machinable.config.delegated import Delegated
from machinable.config.group import Group
from machinable.config.messages import DEFAULT, Place, thawed
from machinable.errors import ConfigurationError
from machinable.identity.canonical import encode_text, shown

__all__ = ["plain_of_model", "settled"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def settled(group: Group, values: dict[str, Any], place: Place, prefix: str = "") -> dict[str, Any]:
    """The values as the user's classes leave them.

    Raises:
        ConfigurationError: If a class refuses them, or would change them once more when given its own result: a
            stored configuration could then not be read back as it was.
    """
    if not group.settles:
        return values
    result = dict(values)
    for name, node in group.nodes.items():
        if isinstance(node, Group):
            result[name] = settled(node, result[name], place, f"{prefix}{name}.")
    if group.form not in ("dataclass", "pydantic"):
        return result
    result = _judged(group, result, place, prefix)
    again = _judged(group, result, place, prefix)
    for name, value in result.items():
        if name in again and encode_text(again[name]) != encode_text(value):
            raise place.error(
                f"{prefix}{name} becomes {shown(value)}, and {shown(again[name])} when that is given, by "
                f"{group.source.__name__} itself. Leave the field as it is given, and derive from it in a property."
            )
    return result


def _judged(group: Group, values: dict[str, Any], place: Place, prefix: str) -> dict[str, Any]:
    try:
        return _read(group, build(group, values), place, prefix)
    except ConfigurationError:
        raise
    except Exception as error:
        if hasattr(error, "errors") and hasattr(error, "error_count"):
            raise place.error(_complaints(group, values, error, place, prefix)) from error
        what = f"{prefix[:-1]}: " if prefix else ""
        raise place.error(f"{what}{group.source.__name__} refuses the configuration: {error}") from error


def _read(group: Group, instance: Any, place: Place, prefix: str) -> dict[str, Any]:
    """The values of an instance."""
    result: dict[str, Any] = {}
    for name, node in group.nodes.items():
        value = instance[name] if group.form == "dict" else getattr(instance, name)
        if isinstance(node, Group):
            result[name] = _read(node, value, place, f"{prefix}{name}.")
        elif isinstance(node.kind, Delegated):
            result[name] = node.kind.normal(plain_of_model(value, prefix + name, place), prefix + name, place)
        else:
            result[name] = node.kind.convert(place.plain(value, prefix + name), prefix + name, place)
    if group.form == "pydantic":
        for name, value in (instance.model_extra or {}).items():
            result[name] = plain_of_model(value, prefix + name, place)
    return result


def plain_of_model(value: Any, where: str, place: Place) -> Any:
    """A value of a pydantic model in plain JSON. Types that only pydantic knows take its JSON form."""
    try:
        return place.plain(value, where)
    except ConfigurationError:
        value = thawed(value)
        if isinstance(value, dict):
            return place.plain(
                {key: plain_of_model(item, f"{where}.{key}", place) for key, item in value.items()}, where
            )
        if isinstance(value, (list, tuple)):
            return [plain_of_model(item, f"{where}[{number}]", place) for number, item in enumerate(value)]
        # Sets have no order and secrets show no value, so neither tells configurations apart.
        if isinstance(value, (set, frozenset, bytes, float, str)) or hasattr(value, "get_secret_value"):
            raise
        try:
            text = sys.modules["pydantic_core"].to_jsonable_python(value)
        except Exception:
            text = value
        return place.plain(text, where)


def _complaints(group: Group, values: dict[str, Any], error: Any, place: Place, prefix: str) -> str:
    """What pydantic says, in one line."""
    texts = []
    for complaint in error.errors(include_url=False, include_context=False):
        where, known = prefix, feed(group, values)
        names = {key: name for name, key in group.keys.items()}
        steps: Any = known
        for number, step in enumerate(complaint["loc"]):
            if not isinstance(steps, (dict, list)) or (isinstance(steps, list) and not isinstance(step, int)):
                break
            if isinstance(steps, dict) and step not in steps:
                break
            where = (
                f"{where[:-1]}[{step}]."
                if isinstance(step, int)
                else f"{where}{names.get(step, step) if not number else step}."
            )
            steps = steps[step]
        where, given, message = where[:-1], complaint["input"], complaint["msg"]
        if where == prefix[:-1]:
            texts.append(f"{where + ': ' if where else ''}{message}")
        else:
            source = _source(where, place)
            texts.append(f"{where} is {shown(given)} ({type(given).__name__}) from {source}. {message}")
    more = f" (and {len(texts) - 2} more)" if len(texts) > 2 else ""
    return "; ".join(texts[:2]) + more


def _source(where: str, place: Place) -> str:
    """Who gave the value that stands there."""
    while where:
        if where in place.sources:
            return place.sources[where]
        cut = max(where.rfind("."), where.rfind("["))
        where = where[: max(cut, 0)]
    return DEFAULT
