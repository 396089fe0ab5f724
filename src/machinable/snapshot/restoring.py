"""Restoring a snapshot: all is checked before the first file is written, and nothing lands outside the target."""

from __future__ import annotations

import os
import re
import stat

from machinable.errors import StorageError
from machinable.records.elsewhere import fetch_shared
from machinable.snapshot.links import is_absolute, leads_out, lies_below_a_link
from machinable.snapshot.rules import readable
from machinable.store import owner
from machinable.store.files import failure, remove_tree

__all__ = ["restore"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_UTF8 = 0x800
_LONGEST_TARGET_BYTES = 4096


def restore(zip_path: str, target: str, overwrite: bool = False) -> int:
    """Writes the files of a snapshot into a directory, and returns how many there are.

    Args:
        target: A directory that does not exist, or is empty. It appears as a whole if it does not exist.
        overwrite: Whether it may hold files: those of the snapshot replace theirs, the others stay.
    Raises:
        StorageError: If the snapshot is missing or damaged or would write outside of the target, and if the target is
            in use or can not be written.
    """
    from zipfile import BadZipFile, ZipFile
    from zlib import error as ZlibError

    target = os.path.realpath(target)
    _check_target(target, overwrite)
    fetch_shared(zip_path)
    try:
        with ZipFile(zip_path) as archive:
            files, links = _checked(zip_path, archive)
            _restore(archive, files, links, target)
    except FileNotFoundError as error:
        if error.filename != zip_path:
            raise failure(error, str(error.filename or target)) from error
        raise StorageError(f"There is no snapshot {zip_path}.") from error
    except OSError as error:
        raise failure(error, str(error.filename or target), "restore to") from error
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise StorageError(f"The snapshot {zip_path} is damaged: {error}.") from error
    return len(files) + len(links)


def _check_target(target: str, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not os.path.isdir(target):
        raise StorageError(f"{target} is a file; give a directory to restore to.")
    try:
        if os.listdir(target) and not overwrite:
            raise StorageError(
                f"{target} is not empty; give another directory, or allow its files to be overwritten."
            )
    except OSError as error:
        raise failure(error, target, "read") from error


def _checked(zip_path: str, archive: ZipFile) -> tuple[dict[bytes, ZipInfo], dict[bytes, bytes]]:
    """The files of a snapshot, and the targets of its links, by path; refuses what is not plainly in the target."""
    files: dict[bytes, ZipInfo] = {}
    links: dict[bytes, bytes] = {}
    for info in archive.infolist():
        path = _path_of(info)
        if info.is_dir():
            path = path[:-1]
        if reason := _reason_against(path):
            raise StorageError(f"The snapshot {zip_path} is refused: {readable(path)!r} {reason}.")
        if info.is_dir():
            continue
        if path in files or path in links:
            raise StorageError(f"The snapshot {zip_path} is refused: it holds {readable(path)!r} twice.")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFLNK:
            if info.file_size > _LONGEST_TARGET_BYTES:
                raise StorageError(
                    f"The snapshot {zip_path} is refused: {readable(path)!r} is no proper link."
                )
            links[path] = archive.read(info)
        elif kind in (0, stat.S_IFREG):
            files[path] = info
        else:
            raise StorageError(
                f"The snapshot {zip_path} is refused: {readable(path)!r} is neither a file nor a link."
            )
    occupied = files.keys() | links.keys()
    for path in sorted(occupied):
        if path in links and (not links[path] or b"\0" in links[path] or leads_out(path, links)):
            link = f"{readable(path)!r} -> {readable(links[path])!r}"
            raise StorageError(
                f"The snapshot {zip_path} is refused: the link {link} leads out of the target."
            )
        if lies_below_a_link(path, occupied):
            raise StorageError(
                f"The snapshot {zip_path} is refused: {readable(path)!r} lies below a file or a link."
            )
    return files, links


def _path_of(info: ZipInfo) -> bytes:
    # Without the flag for UTF-8, zipfile takes the bytes of a name for code page 437, which has a character for each.
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def _reason_against(path: bytes) -> str:
    parts = re.split(rb"[/\\]", path)
    if is_absolute(path):
        return "is an absolute path"
    if b".." in parts:
        return "leads out of the target"
    if not path or b"\0" in path or b"" in path.split(b"/") or b"." in parts:
        return "is no proper path"
    if os.name == "nt" and (b":" in path or b"\\" in path):
        return "is no path on Windows"
    return ""


def _restore(archive: ZipFile, files: dict[bytes, ZipInfo], links: dict[bytes, bytes], target: str) -> None:
    exists = os.path.isdir(target)
    parent, name = os.path.split(target)
    if exists:
        _check_places(target, [*files, *links])
        prepared = os.path.join(target, f".restored-{owner.token()}")
    else:
        os.makedirs(parent, exist_ok=True)
        prepared = os.path.join(parent, f".{name}.{owner.token()}")
    try:
        _write(archive, files, links, prepared)
        if not exists:
            os.rename(prepared, target)
            return
        source, destination = os.fsencode(prepared) + b"/", os.fsencode(target) + b"/"
        for path in [*files, *links]:
            os.makedirs(os.path.dirname(destination + path), exist_ok=True)
            os.replace(source + path, destination + path)
    finally:
        remove_tree(prepared)


def _check_places(target: str, paths: list[bytes]) -> None:
    """Refuses a target whose own links would lead a file elsewhere, or that has a directory where a file belongs."""
    prefix = os.fsencode(target) + b"/"
    seen: set[bytes] = set()
    for path in paths:
        if os.path.isdir(prefix + path) and not os.path.islink(prefix + path):
            raise StorageError(
                f"{readable(prefix + path)} is a directory where a file belongs; remove it first."
            )
        directory = os.path.dirname(path)
        while directory and directory not in seen:
            seen.add(directory)
            if os.path.lexists(prefix + directory) and (
                os.path.islink(prefix + directory) or not os.path.isdir(prefix + directory)
            ):
                raise StorageError(
                    f"{readable(prefix + directory)} is not a directory of its own; remove it first."
                )
            directory = os.path.dirname(directory)


def _write(archive: ZipFile, files: dict[bytes, ZipInfo], links: dict[bytes, bytes], prepared: str) -> None:
    import shutil

    os.mkdir(prepared)
    prefix = os.fsencode(prepared) + b"/"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    for path, info in files.items():
        os.makedirs(os.path.dirname(prefix + path), exist_ok=True)
        mode = 0o777 if info.external_attr >> 16 & stat.S_IXUSR else 0o666
        try:
            descriptor = os.open(prefix + path, flags, mode)
        except FileExistsError as error:
            raise StorageError(
                f"{readable(path)!r} can not stand beside a file whose name differs in case."
            ) from error
        with os.fdopen(descriptor, "wb") as file, archive.open(info) as source:
            shutil.copyfileobj(source, file)
    # After all files, so that nothing is written through one.
    for path, link in links.items():
        os.makedirs(os.path.dirname(prefix + path), exist_ok=True)
        os.symlink(link, prefix + path)
