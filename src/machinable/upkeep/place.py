"""What kind of place a storage is in: its file system, what that can do, and what its clock says."""

from __future__ import annotations

import os
import sys
import time

from machinable.records.record import META
from machinable.store import owner
from machinable.store.files import remove_file
from machinable.version import __version__

__all__ = ["describe_place"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NETWORK = ("nfs", "lustre", "gpfs", "beegfs", "cifs", "smb", "ceph", "glusterfs", "fuse.sshfs", "afs", "9p")


def describe_place(root: str) -> dict[str, Any]:
    """Python, machinable, and where the storage is, as plain JSON; what can not be told is null.

    Whether there are hard links, and what the clock says, is found out by a file that is removed at once.
    """
    kind = _file_system(root)
    found: dict[str, Any] = {
        "machinable": __version__,
        "python": sys.version.split()[0],
        "system": " ".join(os.uname()[::2]) if hasattr(os, "uname") else sys.platform,
        "storage": root,
        "exists": os.path.isdir(root),
        "file_system": kind,
        "network": kind.startswith(_NETWORK) if kind is not None else None,
        "writable": False,
        "hard_links": None,
        "clock_offset_seconds": None,
    }
    if found["exists"]:
        found |= _probed(root)
    return found


def _probed(root: str) -> dict[str, Any]:
    meta = os.path.join(root, META)
    path = os.path.join(meta if os.path.isdir(meta) else root, f".probe.{owner.token()}")
    other = f"{path[: path.rindex('.')]}.{owner.token()}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return {}
    try:
        offset = os.fstat(descriptor).st_mtime - time.time()
        links = True
        try:
            os.link(path, other)
        except OSError:
            links = False
        return {"writable": True, "hard_links": links, "clock_offset_seconds": round(offset, 3)}
    finally:
        os.close(descriptor)
        remove_file(path)
        remove_file(other)


def _file_system(path: str) -> str | None:
    """The kind of file system that a path is on, as Linux names it; `None` elsewhere."""
    path = os.path.realpath(path)
    best, kind = "", None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                # proc(5): … root mount-point options [tags] - type source options; spaces are written as \040.
                fields, _, rest = line.partition(" - ")
                point = fields.split()[4].replace("\\040", " ").rstrip("/")
                if (path == point or path.startswith(point + "/")) and len(point) >= len(best):
                    best, kind = point, rest.split()[0]
    except (OSError, IndexError):
        return None
    return kind
