"""Interface: what is configured. And those that set the scene: Project, Storage, Scope, Index."""

from __future__ import annotations

import os

from machinable import context
from machinable.config.resolve import resolve
from machinable.config.schema import module_of
from machinable.config.versions import normalise
from machinable.errors import ConfigurationError, ProjectError
from machinable.identity.canonical import plain
from machinable.modules.importing import name_of
from machinable.store.location import locate

__all__ = ["Index", "Interface", "Project", "Scope", "Storage"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from machinable.config.resolve import Resolution
    from machinable.config.view import ConfigView

    Version = str | dict[str, Any] | Sequence["Version"] | None


class Interface:
    """A class with a configuration. Components, executions, scopes, storages and projects are interfaces.

    Args:
        version: What differs from the defaults of `Config`: a dict (keys may be dotted), `"~name"` for a method
            `version_name`, or a list of those, merged left to right.
    Raises:
        ConfigurationError: If the version does not fit `Config`.
    """

    _resolution: Resolution
    _view: ConfigView
    _layers: list[Any]

    def __init__(self, version: Version = None) -> None:
        self._configure(version)

    def _configure(self, version: Version, *, require: bool = True) -> None:
        try:
            self._layers = normalise(version)
        except ConfigurationError as error:
            raise ConfigurationError(f"{module_of(type(self))}: {error}") from None
        self._resolution = resolve(self, self._layers, self._assign, require=require)
        self._view = self._resolution.view

    def _assign(self, view: ConfigView) -> None:
        self._view = view

    @property
    def config(self) -> Any:
        """The resolved configuration: read-only, by attribute and by item; `.to_dict()` makes a plain dict."""
        return self._view

    @property
    def module(self) -> str:
        """The name by which `get` finds the class."""
        return name_of(context.current().root(), type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_arguments(self._resolution.update)})"


def _arguments(update: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in update.items())


class Scope(Interface):
    """A dict that becomes part of the identity of whatever is requested inside it.

    Nested scopes merge, the inner one wins:

        with Scope({"fold": 1}):
            get("train").launch()
    """

    __machinable_name__ = "scope"

    def __init__(self, version: Version = None) -> None:
        super().__init__(version)
        values = plain(self._view.to_dict(), "scope")
        assert isinstance(values, dict)
        self._values: dict[str, Any] = values

    def __enter__(self) -> Self:
        context.enter(scope=self._values)
        return self

    def __exit__(self, *exception: object) -> None:
        context.leave()


class Storage(Interface):
    """Where records live: a directory, or `mem://`.

        with Storage("~/results"):
            get("train").launch()

    Args:
        url: A path or URL; also `{"path": …}` as a version.
    Raises:
        StorageError: If the URL can not be a storage.
    """

    __machinable_name__ = "storage"

    Config = {"path": "storage"}

    def __init__(self, url: str | os.PathLike[str] | dict[str, Any] | list[Any] = "storage") -> None:
        super().__init__({"path": os.fspath(url)} if isinstance(url, (str, os.PathLike)) else url)
        self.directory: str = locate(self.config.path)

    def __enter__(self) -> Self:
        context.enter(storage=self.directory)
        return self

    def __exit__(self, *exception: object) -> None:
        context.leave()


class Index(Interface):
    """Where the index of a storage lies: a cache for search, in the storage by default.

        with Index("/scratch/me/results.sqlite"):
            get.all("train").where("lr < 0.1")

    An index is made when it is needed and can be deleted at any time. One that lies elsewhere is of use where the
    storage is slow or can not be written.

    Args:
        path: A file that need not exist; or a directory, for a file `index.sqlite` in it. Also `{"path": …}`.
    Raises:
        ConfigurationError: If no path is given.
    """

    __machinable_name__ = "index"

    Config = {"path": "???"}

    def __init__(self, path: str | os.PathLike[str] | dict[str, Any] | list[Any]) -> None:
        super().__init__({"path": os.fspath(path)} if isinstance(path, (str, os.PathLike)) else path)
        text = os.path.expanduser(self.config.path)
        if not text or "\0" in text:
            raise ConfigurationError(f"{self.config.path!r} is not a file that an index could be kept in.")
        is_directory = text.endswith(("/", os.sep)) or os.path.isdir(text)
        self.path: str = os.path.abspath(os.path.join(text, "index.sqlite") if is_directory else text)

    def __enter__(self) -> Self:
        context.enter(index=self.path)
        return self

    def __exit__(self, *exception: object) -> None:
        context.leave()


class Project(Interface):
    """A directory of Python modules, entered by `with Project("path"):`.

    Raises:
        ProjectError: If there is no such directory.
    """

    __machinable_name__ = "project"

    Config = {"path": "."}

    def __init__(self, path: str | os.PathLike[str] | dict[str, Any] | list[Any] = ".") -> None:
        super().__init__({"path": os.fspath(path)} if isinstance(path, (str, os.PathLike)) else path)
        self.root: str = os.path.realpath(os.path.expanduser(self.config.path))
        if not os.path.isdir(self.root):
            raise ProjectError(
                f"There is no project directory {self.config.path!r} (looked for {self.root})."
            )

    def __enter__(self) -> Self:
        context.enter(project=self.root)
        return self

    def __exit__(self, *exception: object) -> None:
        context.leave()
