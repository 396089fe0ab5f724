"""The environment that a component ran in: Python and the installed packages, kept once per content in a storage."""

from __future__ import annotations

import os
import sys

from machinable.blake import blake2b
from machinable.records.documents import encode, load
from machinable.records.elsewhere import fetch_shared, share
from machinable.records.record import META
from machinable.store import owner
from machinable.store.files import failure, write_whole

__all__ = ["describe", "load_environment", "remember_environment"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIRECTORY = "environments"
_SUFFIXES = (".dist-info", ".egg-info")

_described: tuple[str, bytes] | None = None
_paths: dict[str, str] = {}  # of this environment's document, by storage


def describe() -> tuple[str, bytes]:
    """The hash of this process's environment, 32 hexadecimal digits, and the document. Found out once per process.

    Packages are told by the names of their metadata directories, which takes a millisecond; reading the metadata
    themselves takes a hundred.
    """
    global _described
    if _described is None:
        document = encode(
            {
                "kind": "environment",
                "python": sys.version.split()[0],
                "implementation": sys.implementation.name,
                "system": _system(),
                "packages": _packages(),
            }
        )
        _described = blake2b(document, digest_size=16).hexdigest(), document
    return _described


def remember_environment(root: str) -> str:
    """The hash of this process's environment, whose document is in the storage `root` from now on.

    Raises:
        StorageError: If the storage can not be written.
    """
    name, document = describe()
    path = _paths.get(root)
    if path is None:
        path = _paths[root] = os.path.join(root, META, DIRECTORY, f"{name}.json")
    # Looked at each time: a storage may be removed while this process lives.
    if not os.access(path, os.F_OK):
        directory = os.path.dirname(path)
        share(path, document)
        try:
            os.makedirs(directory, exist_ok=True)
            write_whole(path, document, os.path.join(root, META, f".environment.{owner.token()}"))
        except OSError as error:
            raise failure(error, path) from error
    return name


def load_environment(root: str, name: str) -> dict[str, Any] | None:
    """The document of an environment; `None` if the storage has it no more. Raises StorageError if it is damaged."""
    path = os.path.join(root, META, DIRECTORY, f"{name}.json")
    fetch_shared(path)
    try:
        return load(path)
    except FileNotFoundError:
        return None


def _system() -> str:
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return f"{sys.platform}-{machine}".rstrip("-")


def _packages() -> dict[str, str]:
    """The versions of the installed packages, by normalised name. Of several, the one that is imported."""
    found: dict[str, str] = {}
    for directory in dict.fromkeys(sys.path):
        try:
            names = os.listdir(directory or ".")
        except OSError:
            continue  # a zip, or nothing at all
        for name in names:
            if name.endswith(_SUFFIXES):
                package, _, version = name.rpartition(".")[0].partition("-")
                # Of an `egg-info` the version may be followed by that of Python: only the former is meant.
                version = version.partition("-py")[0]
                found.setdefault(package.lower().replace("_", "-").replace(".", "-"), version)
    return dict(sorted(found.items()))
