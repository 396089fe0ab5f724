"""A component's files: written whole or not at all, read back as what they were, by their suffix."""

from __future__ import annotations

import errno
import os
import stat

from machinable.component.formats import DECODERS, ENCODERS, STREAMED, decode_plain, encode_plain, suffix_of
from machinable.errors import DependencyMissing, StorageError
from machinable.records.record import META
from machinable.store.files import read, reason, remove_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MISSING", "inside", "load", "save"]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


def save(path: str, data: Any, temporary: str) -> None:
    """Write `data` in the format of the suffix of `path`; readers see the file as before, or complete.

    Args:
        path: .json .jsonl .npy .npz .csv .parquet .p .txt, else `data` must be a str (UTF-8) or bytes.
        data: For .jsonl an iterable of JSON values, for .csv a list of dicts or a data frame, for .npz a
            dict of arrays, for .parquet a data frame, a list of dicts or a dict of columns. Arrays and NumPy
            numbers in JSON become lists and numbers.
        temporary: Where the file is written before it is renamed: on the same file system, a name that
            nobody else uses. Missing directories of both are created.
    Raises:
        StorageError: If `data` does not fit the format, or the file can not be written.
        DependencyMissing: If the format needs a library that is not installed.
    """
    suffix = suffix_of(path)
    content = b"" if suffix in STREAMED else ENCODERS.get(suffix, encode_plain)(path, data)
    try:
        try:
            fd = os.open(temporary, _CREATE, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(temporary), exist_ok=True)
            fd = os.open(temporary, _CREATE, 0o666)
        try:
            if suffix in STREAMED:
                with open(fd, "wb") as stream:
                    STREAMED[suffix](path, data, stream)
            else:
                try:
                    written = os.write(fd, content)
                    while written < len(content):
                        content = content[written:]
                        written = os.write(fd, content)
                finally:
                    os.close(fd)
            try:
                os.replace(temporary, path)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.replace(temporary, path)
        except BaseException:
            remove_file(temporary)
            raise
    except OSError as error:
        raise StorageError(f"{path} can not be written: {reason(error)}") from error


def load(path: str, default: Any = MISSING) -> Any:
    """What `save` wrote: .jsonl as a list, .csv as a list of dicts in which numbers are numbers again, .npz as a
    dict, .parquet as a frame of pandas or else Polars or else a table of PyArrow, other suffixes as str if
    UTF-8, else bytes.

    Raises:
        FileNotFoundError: If there is no such file and no `default`.
        StorageError: If the file can not be read, or does not hold its format.
    """
    try:
        content = read(path)
    except (FileNotFoundError, NotADirectoryError):
        if default is not MISSING:
            return default
        raise FileNotFoundError(
            errno.ENOENT, "there is no such file, and no default was given", path
        ) from None
    except OSError as error:
        raise StorageError(f"{path} can not be read: {reason(error)}") from error
    try:
        return DECODERS.get(suffix_of(path), decode_plain)(path, content)
    except (StorageError, DependencyMissing):
        raise
    except Exception as error:  # unpickling, for one, raises anything
        raise StorageError(f"{path} can not be read: {type(error).__name__}: {error}") from error


def inside(root: str, path: str | os.PathLike[str]) -> str:
    """The absolute path of a file of the record.

    Raises:
        StorageError: If `path` is absolute, has `..`, leads out of `root` by a symbolic link, or into
            `.machinable`. A link as the last part is fine: writing replaces the link itself.
    """
    if type(path) is str and path.replace(".", "_").isidentifier() and not path.startswith("."):
        return root + os.sep + path  # a name in the directory itself: nothing to look up
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise StorageError(f"{path!r} is not the name of a file.")
    if os.altsep:
        text = text.replace(os.altsep, os.sep)
    if os.path.isabs(text) or os.path.splitdrive(text)[0]:
        raise StorageError(
            f"{text!r} is an absolute path; files are named relative to the component's directory."
        )
    parts = [part for part in text.split(os.sep) if part and part != "."]
    if ".." in parts:
        raise StorageError(f"{text!r} leads out of the component's directory; leave out the '..'.")
    if parts and parts[0].lower() == META:  # some file systems ignore case
        raise StorageError(f"{text!r}: the directory {META} is machinable's own; choose another name.")
    full = root
    for part in parts[:-1]:
        full = os.path.join(full, part)
        try:
            if stat.S_ISLNK(os.lstat(full).st_mode):
                _refuse_outside(root, full, text)
        except (FileNotFoundError, NotADirectoryError):
            break
    return os.path.join(root, *parts)


def _refuse_outside(root: str, link: str, text: str) -> None:
    real_root, real = os.path.realpath(root), os.path.realpath(link)
    if real != real_root and not real.startswith(os.path.join(real_root, "")):
        raise StorageError(f"{text!r} leads out of the component's directory: {link} is a link to {real}.")
    if os.path.relpath(real, real_root).split(os.sep)[0].lower() == META:
        raise StorageError(
            f"{text!r} leads into {META}, which is machinable's own: {link} is a link to {real}."
        )
