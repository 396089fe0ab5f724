"""What `with` sets: project, storage, scope, execution and index, in one frozen value in one ContextVar."""

from __future__ import annotations

import os
import time
from contextvars import ContextVar

from machinable.modules.project import find_root, settings
from machinable.store.location import locate

__all__ = ["Context", "current", "enter", "leave", "replace"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Context:
    """The surroundings of a request. A value: entering a `with` makes a new one that remembers the old.

    Threads start with an empty one, asyncio tasks with a copy: none sees what another enters.
    """

    __slots__ = ("execution", "index", "outer", "project", "scope", "storage")

    def __init__(
        self,
        project: str | None = None,
        storage: str | None = None,
        scope: dict[str, Any] | None = None,
        execution: Any = None,
        outer: Context | None = None,
        index: str | None = None,
    ) -> None:
        self.project = project  # the project's root, where one was entered
        self.storage = storage  # the storage's directory, where one was entered
        self.scope: dict[str, Any] = scope if scope is not None else {}
        self.execution = execution  # what collects launches (component.launching.Launcher), if anything
        self.outer = outer
        self.index = index  # the file of the index, where one was entered

    def root(self) -> str:
        """The project in force: the one entered, else the one around the working directory."""
        return self.project if self.project is not None else _root_around(os.getcwd())

    def settings(self) -> dict[str, Any]:
        """`[tool.machinable]` of the project in force."""
        return _settings_of(self.root())

    def directory(self) -> str:
        """The storage in force: entered, `MACHINABLE_STORAGE`, the project's setting, else `./storage`."""
        return self.resolved()[1]

    def resolved(self) -> tuple[str, str, dict[str, Any]]:
        """The project's root, the storage's directory and the project's settings in force."""
        root = self.root()
        settings = _settings_of(root)
        if self.storage is not None:
            return root, self.storage, settings
        environment = os.environ.get("MACHINABLE_STORAGE")
        if environment:
            return root, locate(environment), settings
        return root, locate(settings.get("storage") or "storage", root), settings


#: How long a look at the file system for the project holds: a sweep asks for thousands of components in a moment.
_FRESH_SECONDS = 0.25

_roots: dict[str, tuple[float, str]] = {}
_settings: dict[str, tuple[float, dict[str, Any]]] = {}


def _root_around(directory: str) -> str:
    known, now = _roots.get(directory), time.monotonic()
    if known is None or now > known[0]:
        known = _roots[directory] = (now + _FRESH_SECONDS, find_root(directory))
    return known[1]


def _settings_of(root: str) -> dict[str, Any]:
    known, now = _settings.get(root), time.monotonic()
    if known is None or now > known[0]:
        known = _settings[root] = (now + _FRESH_SECONDS, settings(root))
    return known[1]


_current: ContextVar[Context] = ContextVar("machinable")
_EMPTY = Context()


def current() -> Context:
    """The context in force here."""
    return _current.get(_EMPTY)


def enter(
    *,
    project: str | None = None,
    storage: str | None = None,
    scope: dict[str, Any] | None = None,
    execution: Any = None,
    index: str | None = None,
) -> None:
    """Puts what is given in force until `leave`; a scope is merged into the one around it."""
    now = current()
    _current.set(
        Context(
            now.project if project is None else project,
            now.storage if storage is None else storage,
            now.scope if scope is None else {**now.scope, **scope},
            now.execution if execution is None else execution,
            now,
            now.index if index is None else index,
        )
    )


def replace(context: Context) -> Context:
    """Puts `context` in force in place of the present one, which is returned to be put back."""
    before = current()
    _current.set(context)
    return before


def leave() -> None:
    """Restores what was in force before the last `enter`."""
    _current.set(current().outer or _EMPTY)
