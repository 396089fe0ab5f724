"""From what a user calls a storage (a path, a URL) to the directory that holds it."""

from __future__ import annotations

import os
import re

from machinable.errors import StorageError
from machinable.store import memory

__all__ = ["locate"]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://(.*)$", re.DOTALL)


def locate(url: str | os.PathLike[str], base: str | None = None) -> str:
    """The directory of the storage that `url` names, as an absolute path. Creates nothing, `mem://` excepted.

    Args:
        url: A path (`~` is the home directory), `file://…`, `osfs://…`, or `mem://` (with an optional name).
        base: What a relative path is relative to; the working directory by default.
    Raises:
        StorageError: If the URL is empty or its scheme is not supported.
    """
    text = os.fspath(url) if isinstance(url, (str, os.PathLike)) else url
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise StorageError(f"{text!r} is not a storage. Give a directory, such as './storage', or 'mem://'.")
    match = _SCHEME.match(text)
    if match is not None:
        scheme, rest = match[1].lower(), match[2]
        if scheme == "mem":
            return memory.directory(rest)
        if scheme not in ("file", "osfs"):
            raise StorageError(
                f"{text!r}: storages of the kind {scheme}:// are not supported. Use a directory or 'mem://'."
            )
        text = rest or "/"
        if scheme == "file" and text.startswith("localhost/"):
            text = text[len("localhost") :]
    text = os.path.expanduser(text)
    return os.path.normpath(os.path.join(base or os.getcwd(), text))
