"""The zip of a snapshot, written so that the same content gives the same bytes everywhere."""

from __future__ import annotations

import os

from machinable.snapshot.content import content_hash, read_file
from machinable.snapshot.listing import LINK, Entry
from machinable.snapshot.rules import LARGEST_FILE_BYTES

__all__ = ["is_whole", "write"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

# ZIP, APPNOTE.TXT 6.3: local header, entry of the central directory, its end, and the 64-bit forms of the latter.
_LOCAL = "<4sHHHHHIIIHH"
_CENTRAL = "<4sHHHHHHIIIHHHHHII"
_END = "<4sHHHHIIH"
_END_BYTES = 22
_END_64 = "<4sQHHIIQQQQ"
_LOCATOR_64 = "<4sIQI"
_ENDS_64_BYTES = 56 + 20
_OFFSET_64 = "<HHQ"

_UNIX = 3 << 8
_STORED = 0
_UTF8 = 0x800
_FIRST_DAY = 1 << 5 | 1  # 1980-01-01, the earliest that a zip can hold
_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF


def write(file: BinaryIO, root: str, entries: list[Entry]) -> list[Entry]:
    """Writes the files as they are now; returns what they were, since a file may have changed after it was listed.

    Stored, not compressed: what a compressor makes of the same bytes depends on its version, and snapshots should be
    the same on all machines. Nor are they large: code, without files over 10 MB, once per content.

    Our own writer, since that of the standard library marks entries by its version, and can not name a file whose
    name is not UTF-8: such a name stands as its bytes, without the flag for UTF-8, which is what Unix tools expect.
    """
    prefix = os.fsencode(root) + b"/"
    central: list[bytes] = []
    written: list[Entry] = []
    offset = 0
    for entry in entries:
        try:
            data = entry.target if entry.mode == LINK else read_file(prefix + entry.path)
        except OSError:
            continue  # deleted, or made unreadable, a moment ago
        if len(data) > LARGEST_FILE_BYTES:
            continue
        written.append(Entry(entry.path, entry.mode, content_hash(data), entry.target))
        local, listed = _headers(entry, data, offset)
        file.write(local)
        file.write(data)
        central.append(listed)
        offset += len(local) + len(data)
    directory = b"".join(central)
    file.write(directory)
    file.write(_end(len(central), len(directory), offset))
    return written


def _headers(entry: Entry, data: bytes, offset: int) -> tuple[bytes, bytes]:
    import struct
    import zlib

    name = entry.path
    flags = _UTF8 if not name.isascii() and _is_utf8(name) else 0
    extra = struct.pack(_OFFSET_64, 1, 8, offset) if offset >= _MOST_32 else b""
    version = 45 if extra else 20
    common = (flags, _STORED, 0, _FIRST_DAY, zlib.crc32(data), len(data), len(data), len(name))
    local = struct.pack(_LOCAL, b"PK\3\4", 20, *common, 0) + name
    attributes = entry.mode << 16
    listed = struct.pack(
        _CENTRAL,
        b"PK\1\2",
        _UNIX | version,
        version,
        *common,
        len(extra),
        0,
        0,
        0,
        attributes,
        min(offset, _MOST_32),
    )
    return local, listed + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    import struct

    end = b""
    if count >= _MOST_16 or size >= _MOST_32 or offset >= _MOST_32:
        end = struct.pack(_END_64, b"PK\6\6", 56 - 12, _UNIX | 45, 45, 0, 0, count, count, size, offset)
        end += struct.pack(_LOCATOR_64, b"PK\6\7", 0, offset + size, 1)
    short = min(count, _MOST_16)
    return end + struct.pack(
        _END, b"PK\5\6", 0, 0, short, short, min(size, _MOST_32), min(offset, _MOST_32), 0
    )


def is_whole(path: str) -> bool:
    """Whether a snapshot is there to its last byte: a crash of the machine may cut short even what was renamed."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _END_BYTES, 0))
            end = file.read(_END_BYTES)
    except OSError:
        return False
    if len(end) != _END_BYTES or not end.startswith(b"PK\5\6"):
        return False
    directory_size, offset = int.from_bytes(end[12:16], "little"), int.from_bytes(end[16:20], "little")
    rest = size - _END_BYTES - directory_size - offset
    return _MOST_32 in (offset, directory_size) or rest in (0, _ENDS_64_BYTES)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
