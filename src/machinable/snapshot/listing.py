"""The content of a snapshot: which files, what is in them, and the one hash over that."""

from __future__ import annotations

import os
import stat
from hashlib import blake2b

from machinable.snapshot import git
from machinable.snapshot.content import content_hash, read_file
from machinable.snapshot.links import leads_out, lies_below_a_link
from machinable.snapshot.rules import (
    LARGEST_FILE_BYTES,
    Storages,
    Surplus,
    is_secret,
    readable,
    too_many,
    top_directory,
)
from machinable.snapshot.walk import walk

__all__ = ["LINK", "Entry", "Listing", "list_project", "listing_hash"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from machinable.snapshot.cache import Cache

# As Git has them: of all permissions only the executable bit is content.
PLAIN, EXECUTABLE, LINK = 0o100644, 0o100755, 0o120000


class Entry:
    """One file or symbolic link. The content of a link is its target."""

    __slots__ = ("hash", "mode", "path", "target")

    def __init__(self, path: bytes, mode: int, hash: str, target: bytes = b"") -> None:
        self.path = path  # with `/`, relative to the root of the project
        self.mode = mode
        self.hash = hash  # BLAKE2b-256, in hexadecimal
        self.target = target


class Listing:
    """The files of a project, sorted by path, what was left out and why, and the state of the repository."""

    __slots__ = ("branch", "commit", "dirty", "entries", "left_out")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.left_out: dict[str, str] = {}
        self.commit: str | None = None
        self.branch: str | None = None
        self.dirty: bool | None = None  # None without Git


def listing_hash(entries: Iterable[Entry]) -> str:
    """The hash of a snapshot: 32 hexadecimal digits over the paths, modes and hashes of its files, sorted by path.

    Not over the zip, so that whether a project changed is known without writing one.

    Source:
        BLAKE2b-128, RFC 7693.
    """
    digest = blake2b(digest_size=16)
    for entry in entries:
        digest.update(b"%o %s %d:%s\n" % (entry.mode, entry.hash.encode(), len(entry.path), entry.path))
    return digest.hexdigest()


def list_project(root: str, storage: str, cache: Cache) -> Listing:
    """The content of a project as it is now. `root` is a real path."""
    storages = Storages(root, storage)
    listing = Listing()
    tree = git.ask(root, storages)
    if tree is None:
        found, unread = walk(root, storages)
        for path, reason in unread.items():
            listing.left_out[readable(path)] = reason
        _examine(listing, root, cache, set(), found)
    else:
        tracked = {path for path in tree.tracked if not storages.hold(path)}
        untracked = sorted(
            (path for path in tree.untracked - tree.tracked if not storages.hold(path)),
            key=lambda path: (path.count(b"/"), path),
        )
        new = _examine(listing, root, cache, tracked, untracked)
        listing.commit, listing.branch, listing.dirty = tree.commit, tree.branch, tree.changed or new > 0
    return listing


def _examine(listing: Listing, root: str, cache: Cache, tracked: set[bytes], untracked: list[bytes]) -> int:
    """Fills in the entries; returns how many are untracked. Those named first are kept if there are too many."""
    prefix = os.fsencode(root) + b"/"
    left_out = listing.left_out
    surplus, new = Surplus(), 0
    entries = []
    for path in [*tracked, *untracked]:
        try:
            status = os.lstat(prefix + path)
        except (FileNotFoundError, NotADirectoryError):
            continue  # deleted, yet still in Git's index
        except OSError as error:
            left_out[readable(path)] = f"unreadable: {error.strerror}"
            continue
        is_link = stat.S_ISLNK(status.st_mode)
        if not (is_link or stat.S_ISREG(status.st_mode)):
            continue  # a socket, a pipe; or a directory where Git knows a file
        if path not in tracked:
            if not is_link and is_secret(path):
                left_out[readable(path)] = "may hold a secret, and Git does not track it"
                continue
            new += 1
            if status.st_size <= LARGEST_FILE_BYTES and not surplus.has_room_for(status.st_size):
                left_out[readable(top_directory(path))] = too_many()
                continue
        if status.st_size > LARGEST_FILE_BYTES:
            left_out[readable(path)] = f"{status.st_size / 1e6:.1f} MB"
            continue
        try:
            entries.append(_link(prefix, path) if is_link else _file(prefix, path, status, cache))
        except FileNotFoundError:
            continue
        except OSError as error:
            left_out[readable(path)] = f"unreadable: {error.strerror}"
    listing.entries = _without_ways_out(entries, left_out)
    return new


def _link(prefix: bytes, path: bytes) -> Entry:
    target = os.readlink(prefix + path)
    return Entry(path, LINK, content_hash(target), target)


def _file(prefix: bytes, path: bytes, status: os.stat_result, cache: Cache) -> Entry:
    mode = EXECUTABLE if status.st_mode & stat.S_IXUSR else PLAIN
    known = cache.find(path, status)
    if known is None:
        known = content_hash(read_file(prefix + path))
        cache.remember(path, status, known)
    return Entry(path, mode, known)


def _without_ways_out(entries: list[Entry], left_out: dict[str, str]) -> list[Entry]:
    """The entries by path, without links that lead out of the project: nothing that a snapshot could restore."""
    links = {entry.path: entry.target for entry in entries if entry.mode == LINK}
    out = {path for path in links if leads_out(path, links)} if links else set()
    for path in out:
        left_out[readable(path)] = f"a link out of the project, to {readable(links[path])}"
    kept = [
        entry
        for entry in entries
        # Git still lists the files of a directory that was replaced by a link to another one.
        if entry.path not in out and not (links and lies_below_a_link(entry.path, links))
    ]
    kept.sort(key=lambda entry: entry.path)
    return kept
