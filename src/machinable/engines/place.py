"""Where a node of a cluster has what a run needs: the project, the storage, and room of the node's own."""

from __future__ import annotations

import io
import os
import stat
import sys
import time

from machinable import snapshot
from machinable.errors import MachinableError
from machinable.modules.residence import activated
from machinable.records.record import META
from machinable.store import owner
from machinable.store.files import create, remove_file, remove_tree

__all__ = ["Marker", "Place", "Site", "working_directory"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

_PREFIX = "machinable-node-"

#: How long a network file system may take to show a file that was made a moment ago, in seconds.
_VISIBLE_SECONDS = 2.0

#: What nodes left behind of coordinators on other machines is removed after this time, in seconds.
_FOREIGN_SECONDS = 86400.0


def working_directory() -> str | None:
    """Where this process works; `None` if that was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


class Site:
    """What a node is told of a run: where things are, as the coordinator sees it.

    Attributes:
        run: The run's token.
        project: The root of the project.
        code: The hash of its snapshot.
        storages: The directories of all storages that components of the run or their inputs lie in, the run's first.
        marker: The name of a file in the first storage by which a node knows that it sees that; `None`: it does.
        directory: The working directory.
        arguments: `sys.argv`.
    """

    __slots__ = ("arguments", "code", "directory", "marker", "project", "run", "storages")

    def __init__(
        self,
        run: str,
        project: str,
        code: str,
        storages: list[str],
        marker: str | None,
        directory: str | None,
        arguments: list[str],
    ) -> None:
        self.run = run
        self.project = project
        self.code = code
        self.storages = storages
        self.marker = marker
        self.directory = directory
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return Site, (
            self.run,
            self.project,
            self.code,
            self.storages,
            self.marker,
            self.directory,
            self.arguments,
        )


class Marker:
    """A file in a storage, as long as a run lasts, by which nodes know that they see that very storage."""

    def __init__(self, storage: str) -> None:
        self.name = f".visible.{owner.token()}"
        self._path = os.path.join(storage, META, self.name)
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        os.close(create(self._path, b""))

    def remove(self) -> None:
        """Removes it."""
        remove_file(self._path)


class Place:
    """What one process on a node knows of a run.

    Attributes:
        project: Where the project's code is here; `None` as long as it is not.
        sees_storage: Whether the coordinator's storage is there under the same path.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._base = _base_of(site.run)
        self.sees_storage = site.marker is None or _is_visible(
            os.path.join(site.storages[0], META), site.marker
        )
        self.project: str | None = None
        if _is_unchanged(site):
            self.project = site.project
        elif os.path.isdir(self._code):
            self.project = self._code
        self._enter_project()

    @property
    def _code(self) -> str:
        return os.path.join(self._base, "code")

    def restore(self, data: bytes) -> None:
        """Puts the snapshot here, unless another process of this node has done so."""
        if self.project is not None:
            return
        if _holds(self.site.project, io.BytesIO(data)):
            self.project = self.site.project
            self._enter_project()
            return
        self._make_room()
        token = owner.token()
        archive, prepared = (os.path.join(self._base, f".{name}.{token}") for name in ("zip", "code"))
        try:
            with open(archive, "xb") as file:
                file.write(data)
            snapshot.restore(archive, prepared)
            _link_the_rest(self.site.project, prepared, self.site.storages)
            try:
                os.rename(prepared, self._code)
            except OSError:
                if not os.path.isdir(self._code):
                    raise
        finally:
            remove_file(archive)
            remove_tree(prepared)
        self.project = self._code
        self._enter_project()

    def _enter_project(self) -> None:
        if self.project is not None:
            with activated(self.project, lasting=True):
                pass

    def enter(self) -> None:
        """Goes to the working directory of the coordinator, or to the project, where that is not here."""
        sys.argv[:] = self.site.arguments
        for directory in (self.site.directory, self.project):
            if directory is not None and os.path.isdir(directory):
                os.chdir(directory)
                return

    def private(self, storage: int) -> str:
        """The storage of the node's own that stands for the one of that number."""
        return os.path.join(self._base, f"storage-{storage}")

    def roots(self) -> list[str]:
        """All of them."""
        return self.roots_of(self.site)

    @staticmethod
    def roots_of(site: Site) -> list[str]:
        """The storages of a node's own for a run."""
        base = _base_of(site.run)
        return [os.path.join(base, f"storage-{number}") for number in range(len(site.storages))]

    def relocations(self, relayed: bool) -> dict[str, str]:
        """What is where on this node, by the path that the coordinator knows."""
        moved = {}
        if self.project is not None and self.project != self.site.project:
            moved[self.site.project] = self.project
        if relayed:
            self._make_room()
            moved.update(zip(self.site.storages, self.roots(), strict=True))
        return moved

    def _make_room(self) -> None:
        if not os.path.isdir(self._base):
            _sweep(os.path.dirname(self._base))
            os.makedirs(self._base, 0o700, exist_ok=True)

    @staticmethod
    def clear(run: str) -> None:
        """Removes what was put on this node for a run that has ended."""
        remove_tree(_base_of(run))


def _base_of(run: str) -> str:
    """What a node has of its own for a run."""
    from tempfile import gettempdir

    return os.path.join(gettempdir(), f"{_PREFIX}{run}")


def _is_visible(directory: str, marker: str) -> bool:
    end = time.monotonic() + _VISIBLE_SECONDS
    while True:
        try:
            if marker in os.listdir(
                directory
            ):  # a listing is asked of the server where a look-up may be cached
                return True
        except OSError:
            return False
        if time.monotonic() > end:
            return False
        time.sleep(0.05)


def _is_unchanged(site: Site) -> bool:
    """Whether the project lies here under the same path, with the very code of the snapshot."""
    if not os.path.isdir(site.project):
        return False
    try:
        if not snapshot.changed_since(site.project, site.storages[0], site.code):
            return True
    except (MachinableError, OSError):
        pass
    archive = os.path.join(site.storages[0], META, "code", f"{site.code}.zip")
    try:
        with open(archive, "rb") as file:
            return _holds(site.project, file)
    except OSError:
        return False


def _holds(project: str, archive: BinaryIO) -> bool:
    """Whether all files of a snapshot are in the project as they were then, whatever else came into it since."""
    from zipfile import BadZipFile, ZipFile
    from zlib import crc32

    try:
        with ZipFile(archive) as files:
            for info in files.infolist():
                path = os.path.join(project, info.filename)
                if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
                    continue
                if os.path.getsize(path) != info.file_size:
                    return False
                with open(path, "rb") as file:
                    if crc32(file.read()) != info.CRC:
                        return False
    except (OSError, BadZipFile, ValueError):
        return False
    return True


def _link_the_rest(project: str, restored: str, storages: list[str]) -> None:
    """Links what a snapshot leaves out, such as data, where this node has the project although its code changed."""
    kept = {os.path.realpath(storage) for storage in storages}
    waiting = [""]
    while waiting:
        part = waiting.pop()
        try:
            names = os.listdir(os.path.join(project, part))
        except OSError:
            continue
        for name in names:
            relative = os.path.join(part, name)
            source, target = os.path.join(project, relative), os.path.join(restored, relative)
            if name in (".git", "__pycache__") or os.path.realpath(source) in kept:
                continue
            if not os.path.lexists(target):
                os.symlink(source, target)
            elif os.path.isdir(target) and not os.path.islink(target):
                waiting.append(relative)


def _sweep(parent: str) -> None:
    """Removes what was put here for runs whose coordinators are gone."""
    try:
        with os.scandir(parent) as entries:
            found = [entry for entry in entries if entry.name.startswith(_PREFIX)]
    except OSError:
        return
    for entry in found:
        alive = owner.token_is_alive(entry.name[len(_PREFIX) :])
        try:
            if alive is None:
                alive = time.time() - entry.stat(follow_symlinks=False).st_mtime < _FOREIGN_SECONDS
        except OSError:
            continue
        if not alive:
            remove_tree(entry.path)
