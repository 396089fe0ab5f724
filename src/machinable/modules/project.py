"""The project: where its root is, and what its `[tool.machinable]` sets."""

from __future__ import annotations

import os
import re

from machinable.errors import ProjectError
from machinable.wording import nearest

__all__ = ["find_root", "settings"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = "pyproject.toml"
CODE_CHANGED = ("warn", "error", "off")
SETTINGS = ("name", "storage", "takeover_seconds", "code_changed")

Stamp = tuple[int, int, int]

# Patterns are compiled when first used, which most processes never do.
_HEADER = rb"(?m)^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*machinable[ \t]*\][ \t]*(?:#.*)?\r?$"
# The rarer ways to write the same table in TOML. Only these are worth loading a parser: `machinable` stands in
# many a file as a dependency.
_OTHER_FORMS = (
    rb"""(?m)^[ \t]*(?:\[[ \t]*["']?tool["']?[ \t]*\]"""
    rb"""|\[?\[?[ \t]*["']?tool["']?[ \t]*[.=][^\r\n]*machinable)"""
)
_LINE = r"""([A-Za-z0-9_-]+)[ \t]*=[ \t]*(?:"([^"\\]*)"|'([^']*)'|([1-9][0-9]*))[ \t]*(?:#.*)?"""

_roots: dict[str, tuple[str, Stamp | None, Stamp | None]] = {}
_settings: dict[str, tuple[Stamp | None, dict[str, Any]]] = {}


def find_root(cwd: str) -> str:
    """The nearest parent of `cwd` (itself included) whose `pyproject.toml` has `[tool.machinable]`, else `cwd`.

    Raises:
        ProjectError: If a `pyproject.toml` that may have the table can not be parsed.
    """
    known = _roots.get(cwd)
    if known is not None:
        root, directory, file = known
        if _stamp(cwd) == directory and (file is None or _stamp(root + os.sep + FILE) == file):
            return root
    start = os.path.realpath(cwd)
    stamp = _stamp(cwd)
    root = start
    while True:
        file = _stamp(os.path.join(root, FILE))
        if file is not None and _has_table(os.path.join(root, FILE)):
            break
        parent = os.path.dirname(root)
        if parent == root:
            root, file = start, _stamp(os.path.join(start, FILE))
            break
        root = parent
    _roots[cwd] = root, stamp, file
    return root


def settings(root: str) -> dict[str, Any]:
    """What `[tool.machinable]` of the project at `root` sets; not to be changed by the caller.

    Returns:
        Some of `name` (str), `storage` (str), `takeover_seconds` (float, in seconds), `code_changed`
        (`"warn"`, `"error"`, `"off"`): those that are set.
    Raises:
        ProjectError: For a setting that does not exist or has the wrong type, and for broken TOML.
    """
    path = root + os.sep + FILE
    stamp = _stamp(path)
    known = _settings.get(root)
    if known is not None and known[0] == stamp:
        return known[1]
    table = {} if stamp is None else _table(path, _read(path))
    values = {key: _checked(path, key, value) for key, value in table.items()}
    _settings[root] = stamp, values
    return values


def _stamp(path: str) -> Stamp | None:
    """What changes when the file does; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ProjectError(f"{path} can not be read: {error.strerror}.") from error


def _has_table(path: str) -> bool:
    try:
        data = _read(path)
    except ProjectError:
        return False  # somebody else's file above the working directory
    if b"machinable" not in data:
        return False
    if re.search(_HEADER, data):
        return True
    if not re.search(_OTHER_FORMS, data):
        return False
    tool = _parse(path, data).get("tool")
    return isinstance(tool, dict) and "machinable" in tool


def _table(path: str, data: bytes) -> dict[str, Any]:
    if b"machinable" not in data:
        return {}
    simple = _simple_table(data)
    if simple is not None:
        return simple
    tool = _parse(path, data).get("tool", {})
    table = tool.get("machinable", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ProjectError(f"{path}: [tool.machinable] must be a table, but is {table!r}.")
    return table


def _simple_table(data: bytes) -> dict[str, Any] | None:
    """The table if it holds nothing but plain strings and integers: loading a TOML parser takes 20 ms."""
    headers = re.findall(_HEADER, data)
    if len(headers) != 1 or b"tool.machinable." in data or b'"""' in data or b"'''" in data:
        return None
    body = re.split(_HEADER, data, maxsplit=1)[1]
    table: dict[str, Any] = {}
    for raw in body.splitlines():
        try:
            line = raw.decode("utf-8").strip(" \t")
        except UnicodeDecodeError:
            return None
        if line.startswith("["):
            break
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(_LINE, line)
        if match is None or match[1] in table:
            return None
        key, double, single, number = match.groups()
        table[key] = int(number) if number is not None else double if double is not None else single
    return table


def _parse(path: str, data: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not valid TOML: {error}.") from error


def _checked(path: str, key: str, value: object) -> object:
    if key not in SETTINGS:
        near = nearest(key, SETTINGS)
        hint = f"Did you mean {near!r}?" if near else f"There are: {', '.join(SETTINGS)}."
        raise ProjectError(f"{path}: [tool.machinable] has no setting {key!r}. {hint}")
    if key == "takeover_seconds":
        expected = "a number of seconds above 0"
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
    elif key == "code_changed":
        expected = " or ".join(f'"{choice}"' for choice in CODE_CHANGED)
        fits = value in CODE_CHANGED
    else:
        expected = "a text that is not empty"
        fits = isinstance(value, str) and bool(value.strip())
    if not fits:
        raise ProjectError(f"{path}: [tool.machinable] {key} is {value!r}, but must be {expected}.")
    return value
