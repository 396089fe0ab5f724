"""The two documents that an attempt consists of in an object store: its claim, and its end with the manifest."""

from __future__ import annotations

import json

from machinable.errors import DamagedRecord
from machinable.records.documents import FORMAT, parse

__all__ = ["Claimed", "Ended", "FileEntry", "encode_claim", "encode_end", "line"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


class FileEntry:
    """A file that a manifest lists."""

    __slots__ = ("attempt", "hash", "path", "size")

    def __init__(self, path: str, size: int, hash: str, attempt: int) -> None:
        self.path = path  # relative to the record's directory, with `/`
        self.size = size  # in bytes
        self.hash = hash  # of the content: 32 hexadecimal digits
        self.attempt = attempt  # which attempt uploaded it


class Claimed:
    """The claim of an attempt, read."""

    __slots__ = ("component", "started")

    def __init__(self, data: bytes, key: str) -> None:
        document = parse(data, key)
        self.started: dict[str, Any] = _object(document, "started", key)
        self.component: dict[str, Any] | None = document.get("component")

    @property
    def nonce(self) -> str:
        """The owner's."""
        return str((self.started.get("owner") or {}).get("nonce"))


class Ended:
    """The end of an attempt, read."""

    __slots__ = ("component", "files", "lines", "row")

    def __init__(self, data: bytes, key: str) -> None:
        document = parse(data, key)
        lines = document.get("lines")
        if not isinstance(lines, list) or not lines or not all(isinstance(each, dict) for each in lines):
            raise DamagedRecord(f"{key} lacks 'lines'. Restore the object, or remove the record.")
        self.lines: list[dict[str, Any]] = lines  # of the attempt, the one that ends it included
        self.component: dict[str, Any] = _object(document, "component", key)
        self.row: dict[str, Any] | None = document.get("row")  # the last of the table
        listed = document.get("files")
        self.files: list[FileEntry] | None = None  # `None`: it was taken over, so nobody wrote a manifest
        if isinstance(listed, list):
            number = int(document["attempt"])
            try:
                self.files = [
                    FileEntry(each["path"], each["size"], each["hash"], each.get("attempt", number))
                    for each in listed
                ]
            except (KeyError, TypeError, AttributeError) as error:
                raise DamagedRecord(
                    f"{key}: the manifest can not be read ({error}). Restore the object."
                ) from error

    @property
    def kind(self) -> str:
        """The kind of the last line: `finished`, `failed`, `interrupted` or `lost`."""
        kinds = [str(each.get("kind")) for each in self.lines]
        return next((kind for kind in kinds if kind not in ("started", "waiting", "waited")), kinds[-1])

    @property
    def nonce(self) -> str:
        """The owner's."""
        return str((self.lines[0].get("owner") or {}).get("nonce"))


def encode_claim(number: int, started: bytes, component: bytes | None) -> bytes:
    """The claim of attempt `number`, from the line that starts it and, with the first, component.json."""
    document = b',"component":' + component.strip() if component is not None else b""
    head = f'{{"format":{FORMAT},"kind":"claim","attempt":{number},"started":'.encode()
    return head + started.strip() + document + b"}\n"


def encode_end(
    number: int,
    lines: Sequence[bytes],
    component: bytes,
    files: Iterable[FileEntry] | None,
    row: bytes | None = None,
) -> bytes:
    """The end of attempt `number`: the attempt's lines, component.json, the last row of the table, the manifest."""
    listed = b""
    if files is not None:
        listed = (
            b',"files":'
            + json.dumps([_listed(each, number) for each in files], separators=(",", ":")).encode()
        )
    head = f'{{"format":{FORMAT},"kind":"end","attempt":{number},"lines":['.encode()
    parts = [head, b",".join(lines), b'],"component":', component.strip()]
    return b"".join([*parts, b',"row":', row.strip() if row is not None else b"null", listed, b"}\n"])


def _listed(entry: FileEntry, number: int) -> dict[str, Any]:
    listed: dict[str, Any] = {"path": entry.path, "size": entry.size, "hash": entry.hash}
    return listed if entry.attempt == number else {**listed, "attempt": entry.attempt}


def line(document: dict[str, Any]) -> bytes:
    """A document as a line of a local file."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _object(document: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    found = document.get(key)
    if not isinstance(found, dict):
        raise DamagedRecord(f"{where} lacks {key!r}. Restore the object, or remove the record.")
    return found
