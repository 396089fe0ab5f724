"""What `machinable TARGET --help` shows of a class: all that can be typed after its name."""

from __future__ import annotations

import shlex

from machinable.api import Component
from machinable.cli.fields import described
from machinable.cli.methods import COMMON, own_methods, parameters_of
from machinable.component.uses import describe_uses
from machinable.config.schema import schema_of

__all__ = ["describe_class"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def describe_class(target: str, cls: type) -> str:
    """The docstring, configuration, versions, inputs and methods of an interface class."""
    schema = schema_of(cls)
    fields = list(described(schema.group))
    versions = [name for name in _names(cls) if name.startswith("version_")]
    own = own_methods(cls)
    words = f"{target} [key=value]… [@version]… [--method]…"
    if not issubclass(cls, Component):
        words = f"TARGET {target} [key=value]… [@version]…"
    lines = [f"machinable {words}", "", *_docstring(cls)]
    lines += _section("Configuration", list(fields))
    if schema.free:
        lines += ["Configuration: any key=value, since the class has no Config.", ""]
    lines += _section(
        "Versions", [("@" + _call(cls, name, "version_"), _summary(cls, name)) for name in versions]
    )
    if issubclass(cls, Component):
        uses = describe_uses(cls.uses)
        lines += _section("Uses", [(f"uses.{name}", str(used)) for name, used in uses.items()])
        lines += _section("Methods", [("--" + _call(cls, name), _summary(cls, name)) for name in own])
        lines += _section("Of every component", [("--" + name, _summary(cls, name)) for name in COMMON])
    lines += ["Examples:", *(f"  {example}" for example in _examples(target, cls, fields, versions, own))]
    return "\n".join(lines)


def _docstring(cls: type) -> list[str]:
    import inspect

    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    return [*text.splitlines(), ""] if text else []


def _section(title: str, rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [f"{title}:", *(f"  {line}".rstrip() for line in cells), ""]


def _names(cls: type) -> list[str]:
    return list(dict.fromkeys(name for base in cls.__mro__ for name in vars(base)))


def _call(cls: type, name: str, prefix: str = "") -> str:
    """A method as it is typed: `small`, or `sized(width, depth=2)`."""
    import inspect

    method = inspect.getattr_static(cls, name)
    bound = 0 if isinstance(method, staticmethod) else 1
    try:
        told = parameters_of(getattr(method, "__func__", method), bound)
    except (TypeError, ValueError):  # some built-in functions do not tell
        told = "()"
    return name.removeprefix(prefix) + (told if told != "()" else "")


def _summary(cls: type, name: str) -> str:
    text = (getattr(getattr(cls, name), "__doc__", None) or "").strip()
    return text.splitlines()[0] if text else ""


def _examples(
    target: str, cls: type, fields: list[tuple[str, str, str]], versions: list[str], own: list[str]
) -> Iterator[str]:
    if not issubclass(cls, Component):
        setting = _setting(fields)
        yield f"machinable TARGET {shlex.quote(target)}{setting} --launch"
        return
    yield f"machinable {shlex.quote(target)}{_setting(fields)} --launch"
    start = f"machinable {shlex.quote(target)}{_required(fields)}"
    if versions:
        yield f"{start} {shlex.quote('@' + versions[0].removeprefix('version_'))} --launch"
    if own:
        yield f"{start} --launch --{own[0]}"


def _setting(fields: list[tuple[str, str, str]]) -> str:
    """What has to be given, else the first field at its default, as an example of a value."""
    required = _required(fields)
    if required or not fields:
        return required
    key, _, default = fields[0]
    return " " + shlex.quote(f"{key}={_typed(default.partition('  (')[0])}")


def _required(fields: list[tuple[str, str, str]]) -> str:
    return "".join(f" {key}=…" for key, _, default in fields if default.startswith("required"))


def _typed(default: str) -> str:
    """A default as one would type it."""
    plain = {"None": "null", "True": "true", "False": "false"}
    if default in plain:
        return plain[default]
    return default[1:-1] if default[:1] == default[-1:] == "'" else default
