"""The file-system calls that publish: exclusive, whole, and telling what really happened when the answer is unclear."""

from __future__ import annotations

import errno
import os

from machinable.errors import StorageError

__all__ = [
    "INNER",
    "create",
    "failure",
    "open_appending",
    "publish_directory",
    "publish_file",
    "read",
    "reason",
    "remove_file",
    "remove_tree",
    "sync_tree",
    "write_all",
    "write_whole",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
_OCCUPIED = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}

#: The file inside a claim that was published as a directory, where the file system has no hard links.
INNER = "attempt.jsonl"


def reason(error: OSError) -> str:
    """Why the file system refused, and what to do about it, for the end of a sentence."""
    reasons = {
        errno.ENOSPC: "the disk is full; free some space",
        errno.EDQUOT: "the disk quota is used up; free some space",
        errno.EROFS: "the storage is read-only; choose another with --storage or Storage(path)",
        errno.EACCES: "permission denied; choose another storage or change its permissions",
        errno.EPERM: "permission denied; choose another storage or change its permissions",
        errno.ENOTDIR: "a part of the path is a file, not a directory; choose another storage",
        errno.ENAMETOOLONG: "the path is too long",
        errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    }
    return reasons.get(error.errno or 0, error.strerror or str(error))


def failure(error: OSError, path: str, doing: str = "write") -> StorageError:
    """The one line that tells a user what the file system refused, and what to do about it."""
    in_the_way = (
        error.errno == errno.EEXIST
    )  # what is created for itself alone has a name that nobody else has
    why = "a file stands where a directory is needed; choose another storage" if in_the_way else reason(error)
    return StorageError(f"Can not {doing} {path}: {why}.")


def read(path: str) -> bytes:
    """All bytes of a file. Raises OSError as it comes."""
    descriptor = os.open(path, _READ)
    try:
        size = os.fstat(descriptor).st_size
        data = os.read(descriptor, size + 1)
        if len(data) == size:  # one more call, of the end of the file, would tell nothing new
            return data
        parts = [data]
        while data:
            data = os.read(descriptor, 1 << 20)
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def open_appending(path: str) -> int:
    """A descriptor that appends to the file, which is created where there is none."""
    return os.open(path, _APPEND, 0o666)


def create(path: str, data: bytes) -> int:
    """Creates `path` exclusively, writes `data`, and returns the descriptor, open for appending."""
    descriptor = os.open(path, _NEW, 0o666)
    try:
        write_all(descriptor, data)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Writes every byte: one call where the system takes them all, as it does for regular files."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def write_whole(path: str, data: bytes, temporary: str) -> None:
    """Publishes a file under `path`, replacing what was there: aside first, then renamed."""
    try:
        os.close(create(temporary, data))
        os.replace(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise


def publish_directory(prepared: str, path: str, is_ours: Callable[[], bool]) -> bool:
    """Renames a prepared directory to `path` and says whether that succeeded; `False`: another has the name.

    Args:
        is_ours: Asked when the answer of the file system is unclear (a repeated call over NFS fails although the
            first one succeeded): whether what now stands at `path` is what was prepared.
    """
    try:
        os.rename(prepared, path)
    except OSError as error:
        if not os.path.isdir(prepared) and is_ours():
            return True
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def publish_file(prepared: str, path: str, is_ours: Callable[[], bool]) -> bool:
    """Publishes a prepared file under a name that nobody has; `False`: another has it. The file stays open elsewhere.

    By a hard link, which is exclusive on every POSIX file system and over NFS; where there are none, by the rename of
    a directory that holds it, which fails where the name is taken.
    """
    try:
        os.link(prepared, path)
    except FileExistsError:
        if not is_ours():
            return False
    except OSError as error:
        if os.path.lexists(path):
            if not is_ours():
                return False
        elif error.errno in _NO_LINKS:
            return _publish_in_directory(prepared, path)
        else:
            raise
    os.unlink(prepared)
    return True


def _publish_in_directory(prepared: str, path: str) -> bool:
    directory = prepared + ".d"
    os.mkdir(directory)
    os.rename(prepared, os.path.join(directory, INNER))
    try:
        os.rename(directory, path)
    except OSError as error:
        remove_tree(directory)
        if error.errno in _OCCUPIED:
            return False
        raise
    return True


def remove_file(path: str) -> None:
    """Removes a file, if there is one and it can be removed: what could not be is swept up later."""
    try:
        os.unlink(path)
    except OSError:
        pass


def remove_tree(path: str) -> None:
    """Removes a directory and what is in it; one that is gone already is fine."""
    import shutil  # loads all of the compression libraries

    shutil.rmtree(path, ignore_errors=True)


def sync_tree(path: str) -> None:
    """Has every file and directory below `path` written to the disk itself."""
    for directory, _, names in os.walk(path):
        for name in [*names, ""]:
            target = os.path.join(directory, name) if name else directory
            try:
                descriptor = os.open(
                    target, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                )
            except OSError:
                continue  # a link, a socket, a file that the component removed meanwhile
            try:
                os.fsync(descriptor)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EROFS, errno.EBADF):  # no regular file
                    raise
            finally:
                os.close(descriptor)
