"""The trash of a storage: nothing is deleted on the way of a launch, it is moved aside."""

from __future__ import annotations

import os
import time

from machinable.errors import DamagedRecord
from machinable.records import clock
from machinable.records.changes import mark_changed
from machinable.records.documents import encode, parse
from machinable.records.elsewhere import publish_tombstone, withdraw
from machinable.records.record import LOST_SECONDS, META, TOMBSTONE
from machinable.store import owner
from machinable.store.files import create, failure, remove_tree

__all__ = ["bury", "leave_tombstone", "move_to_trash"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def move_to_trash(root: str, directory: str, about: bytes | None = None) -> str:
    """Moves a record's directory into `.machinable/trash/` and returns where it is now.

    Args:
        about: What is said of it there, where the storage is elsewhere.
    Raises:
        OSError: If it can not be moved.
        StorageError: If a storage elsewhere can not be reached.
    """
    return _rename(root, directory, lambda target: withdraw(root, directory, target, about))


def _rename(root: str, directory: str, before: Callable[[str], None]) -> str:
    trash = os.path.join(root, META, "trash")
    target = os.path.join(trash, f"{os.path.basename(directory)}.{int(time.time())}-{owner.token()}")
    os.makedirs(trash, exist_ok=True)
    mark_changed(root, directory)
    before(target)
    os.rename(directory, target)
    return target


def leave_tombstone(directory: str, identity: str) -> None:
    """Publishes a tombstone where a record was: look-ups go on to the newer ones. Raises OSError."""
    parent, name = os.path.split(directory)
    prepared = os.path.join(parent, f".{name}.{owner.token()}")
    try:
        os.makedirs(os.path.join(prepared, META))
        data = encode({"kind": "tombstone", "id": name, "identity": identity, "time": time.time()})
        publish_tombstone(directory, data)
        os.close(create(os.path.join(prepared, META, TOMBSTONE), data))
        os.rename(prepared, directory)
    finally:
        remove_tree(prepared)


def bury(root: str, directory: str) -> str | None:
    """Moves a record to the trash whose component.json was cut by a crash; `None`: another process did, or does.

    Several launchers may find the same damaged record, and the first to bury it publishes a new one under the same
    name at once. A marker created exclusively inside the damaged directory itself, reached by a descriptor and not by
    its name, makes sure that nobody buries that new one.

    Raises:
        StorageError: If the storage can not be written.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        return None
    try:
        if not _is_cut(descriptor, directory) or not _mark(descriptor, root):
            return None
        if not os.path.samestat(os.fstat(descriptor), os.stat(directory)):
            return None
        # Of a mirror it is only the copy that is damaged.
        return _rename(root, directory, lambda target: None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(error, directory, "move to the trash") from error
    finally:
        os.close(descriptor)


def _is_cut(directory: int, path: str) -> bool:
    descriptor = os.open(os.path.join(META, "component.json"), os.O_RDONLY, dir_fd=directory)
    try:
        parse(os.read(descriptor, 1 << 24), path)
    except DamagedRecord as error:
        return error.recoverable
    finally:
        os.close(descriptor)
    return False


def _mark(directory: int, root: str) -> bool:
    """Whether this process is the one to bury. Where one died before it had, the next number is for its heir."""
    number = 1
    while True:
        path = os.path.join(META, f"burial-{number}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=directory)
        except FileExistsError:
            if not _gave_up(path, directory, root):
                return False
            number += 1
            continue
        try:
            os.write(descriptor, owner.token().encode())
        finally:
            os.close(descriptor)
        return True


def _gave_up(path: str, directory: int, root: str) -> bool:
    descriptor = os.open(path, os.O_RDONLY, dir_fd=directory)
    try:
        alive = owner.token_is_alive(os.read(descriptor, 256).decode("ascii", "replace"))
        if alive is None:  # of another machine, or killed before it could say who it is
            return clock.now(root) - os.fstat(descriptor).st_mtime > LOST_SECONDS
        return not alive
    finally:
        os.close(descriptor)
