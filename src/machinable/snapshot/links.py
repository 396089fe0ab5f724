"""Where the symbolic links of a snapshot lead, decided from the names alone."""

from __future__ import annotations

import os

__all__ = ["is_absolute", "leads_out", "lies_below_a_link"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping

# Linux gives up after 40 links in a row, Windows after 63.
_MORE_THAN_ANY_SYSTEM_FOLLOWS = 255


def is_absolute(path: bytes) -> bool:
    """Whether a path starts at a root or a drive, on this platform or on another."""
    if path.startswith((b"/", b"\\")):
        return True
    # `a:b` is a fair name of a file where there are no drives.
    return path[1:2] == b":" and path[:1].isalpha() and (os.name == "nt" or path[2:3] in (b"/", b"\\", b""))


def leads_out(path: bytes, links: Mapping[bytes, bytes]) -> bool:
    """Whether the link at `path` leads out of the tree that it is in. One that leads in a circle leads nowhere.

    Args:
        path: Relative to the root of the tree.
        links: All links of the tree: path -> target.
    """
    place: list[bytes] = []
    waiting = path.split(b"/")[::-1]
    followed = 0
    while waiting and followed < _MORE_THAN_ANY_SYSTEM_FOLLOWS:
        part = waiting.pop()
        if part == b"..":
            if not place:
                return True
            place.pop()
        elif part not in (b"", b"."):
            target = links.get(b"/".join([*place, part]))
            if target is None:
                place.append(part)
            elif is_absolute(target):
                return True
            else:
                followed += 1
                waiting.extend(target.replace(b"\\", b"/").split(b"/")[::-1])
    return False


def lies_below_a_link(path: bytes, links: Container[bytes]) -> bool:
    """Whether a directory that a path passes through is one of the links, so that it means another place."""
    end = path.find(b"/")
    while end >= 0:
        if path[:end] in links:
            return True
        end = path.find(b"/", end + 1)
    return False
