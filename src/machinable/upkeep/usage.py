"""How many bytes a storage takes, and for what."""

from __future__ import annotations

import json
import os

from machinable.identity.ids import is_component_id
from machinable.records.claim import is_reserved
from machinable.records.listing import is_execution_name
from machinable.records.record import META
from machinable.store.files import failure, read

__all__ = ["Files", "Usage", "files_below", "usage_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_APART = {
    "trash": "trash",
    "code": "code",
    "environments": "environments",
    "shapes": "shapes",
    "changes": "index",
    "index.sqlite": "index",
}

_OF_AN_ATTEMPT = ("files-", "parts-")


class Files:
    """How many files there are of some kind, and how many bytes they hold."""

    __slots__ = ("bytes", "count")

    def __init__(self) -> None:
        self.bytes = 0
        self.count = 0

    def add(self, size_bytes: int) -> None:
        """Counts one more."""
        self.bytes += size_bytes
        self.count += 1


class Usage:
    """What a component, or several, take.

    Attributes:
        path: Of the component, relative to the storage; empty for several.
        module: Its module; `None` where that can not be told.
        files: What it saved, `record.jsonl` included.
        logs: What it printed.
        checkpoints: Its checkpoints.
        meta: The rest of `.machinable`: what was asked for, attempts, notes.
    """

    __slots__ = ("checkpoints", "files", "logs", "meta", "module", "path")

    def __init__(self, path: str = "", module: str | None = None) -> None:
        self.path = path
        self.module = module
        self.files, self.logs, self.checkpoints, self.meta = Files(), Files(), Files(), Files()

    @property
    def execution(self) -> str | None:
        """The execution whose directory it lies in."""
        return self.path.rpartition("/")[0] or None

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.files.bytes + self.logs.bytes + self.checkpoints.bytes + self.meta.bytes

    def document(self) -> dict[str, int]:
        """The bytes by kind."""
        return {
            "bytes": self.bytes,
            "files": self.files.bytes,
            "checkpoints": self.checkpoints.bytes,
            "logs": self.logs.bytes,
            "meta": self.meta.bytes,
        }

    def add(self, other: Usage) -> None:
        """Counts those of another as well."""
        for name in ("files", "logs", "checkpoints", "meta"):
            own, more = getattr(self, name), getattr(other, name)
            own.bytes += more.bytes
            own.count += more.count


def usage_of(
    root: str,
    files: Iterable[tuple[str, int]] | None = None,
    module_of: Callable[[str], str | None] | None = None,
    tick: Callable[[int], object] = lambda count: None,
) -> tuple[list[Usage], dict[str, Files]]:
    """What each component takes, and what lies apart from components: `trash`, `code`, `index`, …, `other`.

    Args:
        files: Paths relative to the storage, with `/`, and sizes in bytes; by default those on the disk.
        module_of: The module of the component at a path; by default its document is read.
        tick: Told how many files were counted, from time to time.
    Raises:
        StorageError: If the storage can not be read.
    """
    components: dict[str, Usage] = {}
    apart: dict[str, Files] = {}
    module_of = module_of if module_of is not None else lambda path: _module_of(root, path)
    for number, (path, size_bytes) in enumerate(files if files is not None else files_below(root)):
        if not number % 256:
            tick(number)
        parts = path.split("/")
        depth = _depth(parts)
        if not depth:
            apart.setdefault(_kind_apart(parts), Files()).add(size_bytes)
            continue
        name = "/".join(parts[:depth])
        usage = components.get(name)
        if usage is None:
            usage = components[name] = Usage(name, module_of(name))
        _kind(usage, parts[depth:]).add(size_bytes)
    return list(components.values()), apart


def _depth(parts: list[str]) -> int:
    """How many parts of a path lead to the record that the file belongs to; 0 if it belongs to none."""
    if is_component_id(parts[0]) and len(parts) > 1:
        return 1
    if len(parts) > 2 and is_execution_name(parts[0]) and is_component_id(parts[1]):
        return 2
    return 0


def _kind_apart(parts: list[str]) -> str:
    if parts[0] == META and len(parts) > 1:
        kind = _APART.get(parts[1])
        return kind or ("index" if parts[1].startswith("index.sqlite") else "other")
    return "executions" if is_execution_name(parts[0]) else "other"


def _kind(usage: Usage, rest: list[str]) -> Files:
    if rest[0] == META:
        if len(rest) > 2 and rest[1].startswith(
            _OF_AN_ATTEMPT
        ):  # in an object store: of a later attempt, or a part
            return _kind(usage, rest[2:])
        return usage.checkpoints if len(rest) > 1 and rest[1] == "checkpoints" else usage.meta
    if len(rest) == 1 and rest[0] != "record.jsonl" and is_reserved(rest[0]):
        return usage.logs
    return usage.files


def files_below(root: str) -> Iterator[tuple[str, int]]:
    """All files below a directory: paths with `/`, and sizes in bytes. Links count as such, and are not followed.

    Raises:
        StorageError: If the directory itself can not be read; what can not be read below it is left out.
    """
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            entries = os.scandir(os.path.join(root, inside))
        except OSError as error:
            if not inside and not isinstance(error, FileNotFoundError):
                raise failure(error, root, "read") from error
            continue
        with entries:
            for entry in entries:
                path = f"{inside}/{entry.name}" if inside else entry.name
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    else:
                        yield path, entry.stat(follow_symlinks=False).st_size
                except OSError:
                    continue  # it went away this moment


def _module_of(root: str, path: str) -> str | None:
    try:
        document: Any = json.loads(read(os.path.join(root, path, META, "component.json")))
        module = document["request"]["module"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return module if isinstance(module, str) else None
