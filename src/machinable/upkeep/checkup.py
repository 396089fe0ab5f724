"""The checks of a whole storage, one after the other."""

from __future__ import annotations

import os

from machinable.identity.ids import is_component_id
from machinable.index import open_index
from machinable.records.listing import is_execution_name
from machinable.records.mirror.looking import look_below
from machinable.records.record import META, Record
from machinable.records.shapes import rebuild_shapes
from machinable.records.sweep import leftovers
from machinable.store.files import failure
from machinable.types import Status
from machinable.upkeep.components import Known, check_component
from machinable.upkeep.elsewhere import check_objects
from machinable.upkeep.executions import check_execution
from machinable.upkeep.finding import WRONG, Finding, leftover
from machinable.upkeep.snapshots import check_environments, check_snapshot, known_shapes, snapshot_names
from machinable.wording import counted

__all__ = ["Contents", "check_storage", "contents_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOVING = {str(status) for status in (Status.RUNNING, Status.QUEUED, Status.LOST)}
_HOUSEHOLD = ("", META, f"{META}/trash", f"{META}/environments")


class Contents:
    """What lies in a storage.

    Attributes:
        components: The paths of the records, relative to the storage.
        executions: The names of the directories of executions.
    """

    __slots__ = ("components", "executions")

    def __init__(self, components: list[str], executions: list[str]) -> None:
        self.components = components
        self.executions = executions


def contents_of(root: str) -> Contents:
    """What lies in a storage; nothing if there is none. Raises StorageError if it can not be listed."""
    look_below(root)
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return Contents([], [])
    except OSError as error:
        raise failure(error, root, "read") from error
    components = [name for name in names if is_component_id(name)]
    executions = [
        name for name in names if is_execution_name(name) and os.path.isdir(os.path.join(root, name))
    ]
    for name in executions:
        try:
            inside = sorted(os.listdir(os.path.join(root, name)))
        except OSError:
            continue  # told by its own check
        components += [f"{name}/{each}" for each in inside if is_component_id(each)]
    return Contents(components, executions)


def check_storage(
    root: str, contents: Contents, tick: Callable[[int, int], object] = lambda count, total: None
) -> Iterator[Finding]:
    """All that is wrong in a storage.

    Args:
        tick: Told how many things of how many were checked.
    """
    yield from _household(root)
    shapes, found = known_shapes(root)
    snapshots = snapshot_names(root)
    known = Known(
        {path.rpartition("/")[2] for path in contents.components},
        {name.partition("~")[0] for name in contents.executions},
        shapes,
    )
    total = len(contents.components) + len(contents.executions) + len(snapshots)
    done = 0
    for path in contents.components:
        tick(done, total)
        done += 1
        for finding in check_component(Record(os.path.join(root, *path.split("/")), root), path, known):
            if finding.kind == "shapes":
                found.append(finding)
            else:
                yield finding
    yield from _of_shapes(root, found)
    for name in contents.executions:
        tick(done, total)
        done += 1
        yield from check_execution(root, name)
    for name in snapshots:
        tick(done, total)
        done += 1
        yield from check_snapshot(root, name)
    yield from check_environments(root)
    yield from check_objects(root, contents.components)
    yield from _index(root, known)


def _household(root: str) -> Iterator[Finding]:
    """What processes that are gone left in the directories that all records share."""
    shapes = os.path.join(root, META, "shapes")
    places = [*_HOUSEHOLD, *(f"{META}/shapes/{name}" for name in _names(shapes))]
    for place in places:
        try:
            found = leftovers(os.path.join(root, place), root)
        except OSError:
            continue
        for path in found:
            yield leftover(path, place)


def _index(root: str, known: Known) -> Iterator[Finding]:
    """Whether searches find what the records say."""
    if not os.path.isdir(root):
        return
    index = open_index(root)
    index.refresh()
    told = {row["path"]: row["status"] for row in (*index.select(), *index.damaged())}
    wrong = [
        path
        for path, status in known.states.items()
        # What runs may have gone on since it was looked at.
        if told.get(path) != status and not {status, told.get(path)} & _MOVING
    ]
    wrong += [path for path in told if not os.path.lexists(os.path.join(root, *path.split("/")))]
    if wrong:

        def fix() -> str:
            return f"made the index of {counted(index.rebuild(), 'component')} anew"

        what = f"the index is wrong about {counted(len(wrong), 'component')}, the first being {wrong[0]}"
        where = os.path.relpath(index.path, root) if index.path is not None else "index"
        mend = "Make it anew: machinable index rebuild"
        yield Finding(WRONG, "index", where, what, mend, fix, is_safe=True)


def _names(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if not name.startswith(".")]
    except OSError:
        return []


def _of_shapes(root: str, found: list[Finding]) -> Iterator[Finding]:
    """One finding for all that is wrong with the cache, since one remedy mends all of it."""
    if not found:
        return

    def fix() -> str:
        try:
            rebuild_shapes(root)
        except OSError as error:
            raise failure(error, os.path.join(root, META, "shapes")) from error
        return "made the cache anew"

    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    mend = "Make the cache anew, or delete it: machinable does the former at its next launch"
    yield Finding(WRONG, "shapes", first.where, first.what + more, mend, fix, is_safe=True)
