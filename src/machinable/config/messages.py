"""Where a value came from, and what is said when it does not fit."""

from __future__ import annotations

from machinable.config.field import FieldInfo
from machinable.errors import ConfigurationError
from machinable.identity.canonical import plain, shown
from machinable.wording import nearest

__all__ = ["DEFAULT", "Place", "thawed"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.config.group import Group

DEFAULT = "the default"
"""The source of a value that stands in `Config` itself."""

_BOOLEANS = ("yes", "no", "on", "off", "y", "n", "t", "f", "1", "0")


class Place:
    """Where values are being set: whose configuration it is, and who gave the value."""

    __slots__ = ("call", "interface", "module", "root", "source", "sources", "unset")

    def __init__(
        self, module: str, source: str, interface: type | None = None, root: Group | None = None
    ) -> None:
        self.module = module  # as the user calls it
        self.source = source  # `get`, `~small`, `command line: lr=abc`, or DEFAULT
        self.interface = interface  # its `config_*` methods are looked for; None: text is just text
        self.root = root
        self.call: Callable[[str], Any] | None = None  # calls a `config_*` method now
        self.sources: dict[str, str] = {}  # of values that are judged only later, by pydantic
        self.unset = False  # whether a value was set to "???"

    def wrong(self, where: str, value: Any, expected: str) -> ConfigurationError:
        """The error for a value that is not what its field takes."""
        what = f"{shown(value)} ({type(value).__name__})" if value is not None else "None"
        if self.source is DEFAULT:
            return ConfigurationError(
                f"{self.module}: Config.{where} has the default {what}, but {expected} is expected."
            )
        return ConfigurationError(
            f"{self.module}: {where} is {what} from {self.source}, but {expected} is expected."
            f"{self._hint(value, expected)}"
        )

    def _hint(self, value: Any, expected: str) -> str:
        """What the value was probably meant to be, if it looks like something else."""
        if (
            "a bool" in expected
            and self.source.startswith("command line")
            and str(value).lower() in _BOOLEANS
        ):
            return " Write true or false."
        name, bracket, _ = value.partition("(") if isinstance(value, str) else ("", "", "")
        name = name.strip()
        if not bracket or not name.isidentifier() or self.interface is None:
            return ""
        known = [member[7:] for member in dir(self.interface) if member.startswith("config_")]
        if value.count("(") != value.count(")"):
            return f" If it is a call of config_{name}, its brackets are not balanced."
        near = nearest(name, known)
        if near == name:
            return ""
        if near is not None:
            return f" Did you mean '{near}{value.strip()[len(name) :]}'?"
        return (
            f" {self.interface.__name__} has: {', '.join(f'{each}(…)' for each in known)}." if known else ""
        )

    def error(self, text: str) -> ConfigurationError:
        return ConfigurationError(f"{self.module}: {text}")

    def plain(self, value: Any, where: str) -> Any:
        """The value in plain JSON, whether it is given plainly, as a configuration or as an instance of a model."""
        where = f"{self.module}: {'Config.' if self.source is DEFAULT else ''}{where}"
        try:
            return plain(value, where)
        except ConfigurationError:
            given = thawed(value)
            if given is value:
                raise
            return plain(given, where)


def thawed(value: Any, depth: int = 0) -> Any:
    """The value with configurations and instances of models in it as dicts; itself, if it holds none."""
    kind = type(value)
    if depth > 100:  # it contains itself, which `plain` refuses
        return value
    if isinstance(value, FieldInfo):
        return thawed(value.default, depth + 1)
    if hasattr(kind, "_default_"):  # a ConfigView, which is built on top of this file
        return value.to_dict()
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses

        fields = [field.name for field in dataclasses.fields(value)]
        return {name: thawed(getattr(value, name), depth + 1) for name in fields if hasattr(value, name)}
    if hasattr(kind, "__pydantic_fields__") and hasattr(kind, "model_validate"):
        items = {name: getattr(value, name) for name in kind.model_fields} | (value.model_extra or {})
        return {name: thawed(item, depth + 1) for name, item in items.items()}
    if kind is dict:
        items = {key: thawed(item, depth + 1) for key, item in value.items()}
        return items if any(items[key] is not item for key, item in value.items()) else value
    if kind is list or kind is tuple:
        parts = [thawed(item, depth + 1) for item in value]
        return parts if any(new is not old for new, old in zip(parts, value, strict=True)) else value
    return value
