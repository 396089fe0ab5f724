"""JSON documents of the format: how they are written, and what is said of those that can not be read."""

from __future__ import annotations

import json
import os

from machinable.errors import DamagedRecord, StorageError
from machinable.identity.canonical import encode_text
from machinable.records.decoding import decode
from machinable.records.elsewhere import share
from machinable.store.files import failure, read, write_whole

__all__ = ["FORMAT", "encode", "load", "load_dated", "parse", "publish_dated"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1


def encode(values: dict[str, Any], *, versioned: bool = True) -> bytes:
    """A document with these values as a line of JSON. `format` comes first, where it is `versioned`."""
    text = encode_text(values)
    if versioned:
        text = f'{{"format":{FORMAT},{text[1:]}'
    # What no UTF-8 has (a file name that is none) becomes the escape that JSON has for it.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def load(path: str) -> dict[str, Any]:
    """Reads the document at `path`. Raises FileNotFoundError, DamagedRecord, StorageError (a newer format)."""
    return parse(read(path), path)


def publish_dated(directory: str, values: dict[str, Any], moment: float, token: str) -> None:
    """Adds a document to a directory of immutable ones, which are in the order of their times.

    Args:
        moment: The time of the document, in seconds since the epoch.
        token: A new name, unique in the world.
    Raises:
        StorageError: If it can not be written.
    """
    path = os.path.join(directory, f"{int(moment * 1000):013d}-{token}.json")
    data = encode(values)
    share(path, data)
    try:
        os.makedirs(directory, exist_ok=True)
        parent, kinds = os.path.split(directory)
        write_whole(path, data, os.path.join(parent, f".{kinds.removesuffix('s')}.{token}"))
    except OSError as error:
        raise failure(error, path) from error


def load_dated(directory: str) -> list[dict[str, Any]]:
    """The documents that `publish_dated` added, the oldest first; none if there is no directory. Raises as `load`."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [load(os.path.join(directory, name)) for name in names]


def parse(data: bytes, path: str, *, versioned: bool = True) -> dict[str, Any]:
    """The document in `data`; `path` is for the messages. Lines after the first of a file are not `versioned`.

    Raises:
        DamagedRecord: `recoverable` where the file is empty, filled with zeros or cut short.
        StorageError: If it was written in a later format.
    """
    intact = data.rstrip(b"\0")
    try:
        document = decode(intact)
    except ValueError as error:
        cut = not intact.strip() or intact != data or _ends_early(intact, error)
        what = (
            "is empty" if not intact.strip() else "was cut short" if cut else f"is not valid JSON ({error})"
        )
        raise DamagedRecord(
            f"{path} {what}. Restore the file, or move the record away to run it anew.", cut
        ) from error
    if not isinstance(document, dict):
        raise DamagedRecord(f"{path} does not hold a JSON object. Restore the file, or move the record away.")
    if not versioned:
        return document
    version = document.get("format")
    if not isinstance(version, int) or version < 1:
        raise DamagedRecord(
            f"{path} does not say which format it has. Restore the file, or move the record away."
        )
    if version > FORMAT:
        raise StorageError(
            f"{path} has format {version}; this machinable reads up to {FORMAT}. Upgrade machinable to read it."
        )
    return document


def _ends_early(data: bytes, error: ValueError) -> bool:
    """Whether JSON can not be read only because its end is missing."""
    if isinstance(error, UnicodeDecodeError):
        return error.end >= len(data) and "unexpected end" in error.reason
    if not isinstance(error, json.JSONDecodeError):
        return False
    rest = error.doc[error.pos :].rstrip()
    if not rest or error.msg.startswith("Unterminated string"):
        return True
    if "escape" in error.msg:
        return len(rest) < len("\\uXXXX")
    return any(word.startswith(rest) for word in ("true", "false", "null", "-", ".", "e-", "e+", "E-", "E+"))
