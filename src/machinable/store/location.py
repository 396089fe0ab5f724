"""From what a user calls a storage (a path, a URL) to the directory that holds it, or that mirrors it here."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.store import memory, remote
from machinable.store.url import scheme_of

__all__ = ["locate"]


def locate(url: str | os.PathLike[str], base: str | None = None) -> str:
    """The directory of the storage that `url` names, as an absolute path.

    For a storage on another machine it is that of its mirror, in the cache directory, which is created with a
    document that names the URL; nothing is sent over the network. Otherwise nothing is created, `mem://` excepted.

    Args:
        url: A path (`~` is the home directory), `file://…`, `osfs://…`, `mem://` (with an optional name), or the URL
            of a storage elsewhere: `s3://…`, `gs://…`, `az://…`, `sftp://…`, or another protocol of fsspec.
        base: What a relative path is relative to; the working directory by default.
    Raises:
        StorageError: If the URL is empty or can not be that of a storage.
    """
    text = os.fspath(url) if isinstance(url, (str, os.PathLike)) else url
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise StorageError(f"{text!r} is not a storage. Give a directory, such as './storage', or 'mem://'.")
    split = scheme_of(text)
    if split is not None:
        scheme, rest = split
        if scheme == "mem":
            return memory.directory(rest)
        if scheme not in ("file", "local", "osfs"):
            return remote.mirror_of(text)
        text = rest or "/"
        if scheme == "file" and text.startswith("localhost/"):
            text = text[len("localhost") :]
    text = os.path.expanduser(text)
    return os.path.normpath(os.path.join(base or os.getcwd(), text))
