"""URLs of storages: their normal form, their parts, and what of them nobody else may see."""

from __future__ import annotations

import os
import re

from machinable.blake import blake2b
from machinable.errors import StorageError

__all__ = ["OBJECT_STORES", "Location", "parse", "password_variable", "redacted", "scheme_of"]

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+"
_PASSWORD = r"(://[^/@\s:]*):[^/\s]*@"
_ALIASES = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "azure": "az",
    "adl": "az",
    "abfs": "az",
    "abfss": "az",
    "ssh": "sftp",
}

#: Schemes of object stores, which obstore serves.
OBJECT_STORES = {"s3", "gs", "az"}


class Location:
    """The parts of a storage's URL.

    Attributes:
        scheme: In lower case, aliases resolved (`s3a` is `s3`).
        host: Bucket, container, or `user@host:port`; empty where the protocol has none.
        path: Below the host, without slashes at its ends; an absolute path for sftp and ftp.
        password: Of the URL, or from the environment of a parent that was given it. Never printed, never stored.
        url: All of it but the password, in its normal form.
    """

    __slots__ = ("host", "password", "path", "scheme", "url")

    def __init__(self, scheme: str, host: str, path: str, password: str | None) -> None:
        self.scheme = scheme
        self.host = host
        self.path = path
        self.password = password
        self.url = f"{scheme}://{host}" + (f"/{path}" if path else "")


def scheme_of(text: str) -> tuple[str, str] | None:
    """The scheme in lower case and the rest of a URL; `None` for a path."""
    scheme, separator, rest = text.partition("://")
    return (scheme.lower(), rest) if separator and re.fullmatch(_SCHEME, scheme) else None


def parse(url: str) -> Location:
    """The parts of the URL of a storage on another machine.

    Example:
        >>> parse("s3://bucket//results/").url
        's3://bucket/results'

    Raises:
        StorageError: If it can not be the URL of a storage.
    """
    split = scheme_of(url.strip())
    if split is None:
        raise StorageError(f"{url!r} is not the URL of a storage, such as s3://bucket/prefix.")
    scheme, rest = split
    scheme = _ALIASES.get(scheme, scheme)
    host, _, path = rest.partition("/")
    user, at, machine = host.rpartition("@")
    user, _, password = user.partition(":")
    names_account = scheme == "az" and "." in machine  # abfss://container@account.dfs.core.windows.net/path
    if at and scheme in OBJECT_STORES and not names_account:
        raise StorageError(
            f"{scheme}://{machine}/{path}: credentials do not belong into the URL. Give them as the cloud's own "
            "tools read them, for instance in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    host = f"{user}@{machine}" if user else machine
    parts = [part for part in path.split("/") if part and part != "."]
    location = Location(scheme, host, "/".join(parts), password or None)
    if ".." in parts or any(ord(character) < 32 for character in rest):
        raise StorageError(
            f"{location.url!r} is not the URL of a storage: it has '..' or control characters."
        )
    if scheme in OBJECT_STORES and not host:
        raise StorageError(f"{location.url} names no bucket. Give one, as in {scheme}://bucket/prefix.")
    if location.password is None:
        location.password = os.environ.get(password_variable(location.url))
    return location


def password_variable(url: str) -> str:
    """The environment variable by which the children of this process learn the password of a URL."""
    return f"MACHINABLE_PASSWORD_{blake2b(url.encode(), digest_size=8).hexdigest().upper()}"


def redacted(text: str) -> str:
    """A text without the passwords of URLs in it.

    Example:
        >>> redacted("--storage=ftp://me:secret@host/x")
        '--storage=ftp://me@host/x'
    """
    return re.sub(_PASSWORD, r"\1@", text) if "://" in text else text
