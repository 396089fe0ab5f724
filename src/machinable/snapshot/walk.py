"""The files of a project without Git: all that no `.gitignore` excludes."""

from __future__ import annotations

import os

from machinable.snapshot import rules
from machinable.snapshot.content import read_file
from machinable.snapshot.ignore import Ignore
from machinable.snapshot.rules import Storages

__all__ = ["walk"]

# By the length of the path of the directory that each `.gitignore` is in.
Patterns = list[tuple[int, Ignore]]

#: Made by tools, never written by hand.
SKIPPED = {b".git", b".hg", b".svn", b"__pycache__", b"node_modules", b".ipynb_checkpoints", b".tox", b".nox"}


def walk(root: str, storages: Storages) -> tuple[list[bytes], dict[bytes, str]]:
    """All files and links below `root` that belong to the project, those near the root first.

    Returns:
        Their paths with `/`, relative to the root; and the directories that were not looked into, with the reason.
    """
    prefix = os.fsencode(root) + b"/"
    found: list[bytes] = []
    unread: dict[bytes, str] = {}
    level: list[tuple[bytes, Patterns]] = [(b"", [])]
    while level:
        below: list[tuple[bytes, Patterns]] = []
        for directory, patterns in level:
            if len(found) > rules.MOST_FILES:
                unread[rules.top_directory(directory)] = rules.too_many()
                continue
            try:
                with os.scandir(prefix + directory) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                unread[directory] = f"unreadable: {error.strerror}"
                continue
            if any(entry.name == b".gitignore" for entry in entries):
                patterns = [*patterns, (len(directory), _patterns(prefix + directory + b".gitignore"))]
            for entry in entries:
                path = directory + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    if not _ignored(path, patterns, False) and not storages.hold(path):
                        found.append(path)
                elif not (
                    entry.name in SKIPPED
                    or _ignored(path, patterns, True)
                    or storages.are(path)
                    or os.path.lexists(entry.path + b"/pyvenv.cfg")
                    or os.path.lexists(entry.path + b"/conda-meta")
                ):
                    below.append((path + b"/", patterns))
        level = below
    return found, unread


def _ignored(path: bytes, patterns: Patterns, is_directory: bool) -> bool:
    """Whether the nearest `.gitignore` that says something about a path ignores it."""
    for start, ignore in reversed(patterns):
        said = ignore.verdict(path[start:], is_directory)
        if said is not None:
            return said
    return False


def _patterns(file: bytes) -> Ignore:
    try:
        return Ignore(read_file(file))
    except OSError:
        return Ignore(b"")
