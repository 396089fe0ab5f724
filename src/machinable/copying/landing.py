"""Records, put into a storage that is a directory."""

from __future__ import annotations

import os

from machinable.copying.held import Held
from machinable.errors import StorageError
from machinable.records.attempt import attempt_name
from machinable.records.changes import mark_changed
from machinable.records.mirror.contents import hash_file
from machinable.records.record import META, TOMBSTONE
from machinable.records.trash import move_to_trash
from machinable.store import owner
from machinable.store.files import INNER, failure, publish_directory, remove_tree, sync_tree
from machinable.store.landing import Landing, write_at

__all__ = ["Directory", "copy_file"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CHUNK = 1 << 20


class Directory:
    """The storage in a directory, as the target of a copy."""

    def __init__(self, root: str) -> None:
        self.root = root

    def add(self, source: Held, done: Callable[[int], None]) -> bool:
        """Publishes a record that is not there, whole. `False`: it is there by now. Raises StorageError."""
        return self._publish(source, None, done)

    def replace(self, source: Held, target: Held, done: Callable[[int], None]) -> bool:
        """Puts a later state of a record in place of an earlier one, which goes to the trash."""
        return self._publish(source, target, done)

    def _publish(self, source: Held, before: Held | None, done: Callable[[int], None]) -> bool:
        target = os.path.join(self.root, *source.place.split("/"))
        parent, name = os.path.split(target)
        prepared = os.path.join(parent, f".{name}.{owner.token()}")
        try:
            os.makedirs(os.path.join(prepared, META))
            for path in _metadata(source):
                copy_file(os.path.join(source.directory, path), os.path.join(prepared, path))
            if before is not None:  # what was said of it there stays
                for note in sorted(before.notes - source.notes):
                    inside = os.path.join(META, "notes", note)
                    copy_file(os.path.join(before.directory, inside), os.path.join(prepared, inside))
            for path, file in source.files.items():
                copy_file(os.path.join(source.directory, path), os.path.join(prepared, path), file.hash)
                done(file.size)
            sync_tree(prepared)
            if before is not None:
                move_to_trash(self.root, before.directory)
            return publish_directory(prepared, target, lambda: False)
        except OSError as error:
            raise failure(error, target) from error
        finally:
            remove_tree(prepared)

    def complete(self, source: Held, target: Held, paths: Iterable[str], done: Callable[[int], None]) -> None:
        """Adds files that a record of the target has lost."""
        try:
            for path in paths:
                file = source.files[path]
                copy_file(
                    os.path.join(source.directory, path), os.path.join(target.directory, path), file.hash
                )
                done(file.size)
        except OSError as error:
            raise failure(error, target.directory) from error

    def add_notes(self, source: Held, target: Held, names: Iterable[str]) -> None:
        """Adds what users said of a record."""
        mark_changed(self.root, target.directory)
        try:
            for name in names:
                inside = os.path.join(META, "notes", name)
                copy_file(os.path.join(source.directory, inside), os.path.join(target.directory, inside))
        except OSError as error:
            raise failure(error, target.directory) from error


def _metadata(source: Held) -> list[str]:
    """The paths of a record's documents, in its directory."""
    if source.component is None:
        return [os.path.join(META, TOMBSTONE)]
    names = ["component.json"]
    for number in source.attempts:
        name = attempt_name(number)
        inner = os.path.isdir(os.path.join(source.meta, name))
        names.append(os.path.join(name, INNER) if inner else name)
    return [
        os.path.join(META, name) for name in [*names, *(os.path.join("notes", note) for note in source.notes)]
    ]


def copy_file(source: str, target: str, expected: str | None = None) -> int:
    """Copies a file whole, and reads it back. Returns its size.

    Args:
        expected: The hash that its manifest tells, if there is one.
    Raises:
        OSError: As it comes.
        StorageError: If what was written, or what was read, is not what it should be.
    """
    from hashlib import blake2b

    digest, size = blake2b(digest_size=16), 0
    with open(source, "rb", buffering=0) as file, Landing(target) as descriptor:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            write_at(descriptor, chunk, size)
            size += len(chunk)
        status = os.fstat(file.fileno())
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
    hash = digest.hexdigest()
    if expected is not None and hash != expected:
        os.unlink(target)
        raise StorageError(f"{source} is not what the manifest of its record says. It was not copied.")
    if os.stat(target).st_size != size or hash_file(target) != hash:
        raise StorageError(
            f"{target} does not hold what was written to it: is the disk broken? Nothing was changed."
        )
    return size
