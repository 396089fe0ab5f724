"""What a snapshot leaves out: secrets, storages, and what is too large. All by name and size, without reading."""

from __future__ import annotations

import os
import stat

__all__ = ["LARGEST_FILE_BYTES", "Storages", "Surplus", "is_secret", "readable", "too_many", "top_directory"]

META = b".machinable"
LARGEST_FILE_BYTES = 10_000_000

# Only what Git does not track is counted. They stop a script that somebody runs in a home directory, or beside a
# data set that no `.gitignore` names.
MOST_FILES = 20_000
MOST_BYTES = 1_000_000_000

_SECRET_NAMES = {
    b".env",
    b".netrc",
    b"_netrc",
    b".pypirc",
    b".pgpass",
    b".htpasswd",
    b".git-credentials",
    b".credentials",
    b"kaggle.json",
    *(
        b"%s.%s" % (name, kind)
        for name in (b"secret", b"secrets")
        for kind in (b"json", b"yaml", b"yml", b"toml", b"ini")
    ),
}
_SECRET_ENDS = (b".pem", b".key", b".p12", b".pfx", b".keystore", b".jks")
_SECRET_STARTS = (b"id_rsa", b"id_dsa", b"id_ecdsa", b"id_ed25519")
_SECRET_JSON = (b"credential", b"client_secret", b"service_account", b"service-account")
_EXAMPLES = (b".example", b".sample", b".template", b".dist")


def is_secret(path: bytes) -> bool:
    """Whether a file's name says that it holds a password or a key.

    `.env`, `.env.*` (not `.env.example` and the like), `*.pem`, `*.key`, `*.p12`, `*.pfx`, `*.keystore`, `*.jks`,
    `id_rsa*` and its kin, `.netrc`, `.pypirc`, `.pgpass`, `.htpasswd`, `.git-credentials`, `.credentials`,
    `credential*.json`, `client_secret*.json`, `service_account*.json`, `kaggle.json`, and `secrets` as JSON, YAML,
    TOML or INI.
    """
    name = path.rpartition(b"/")[2].lower()
    return (
        name in _SECRET_NAMES
        or name.endswith(_SECRET_ENDS)
        or name.startswith(_SECRET_STARTS)
        or (name.startswith(b".env.") and not name.endswith(_EXAMPLES))
        or (name.startswith(_SECRET_JSON) and name.endswith(b".json"))
    )


def readable(path: bytes) -> str:
    """A path as texts and JSON documents name it, whatever its bytes are."""
    return path.decode("utf-8", "backslashreplace")


class Storages:
    """Which directories of a project are storages or records: the given one, and all that hold a `.machinable/`.

    The project's root is none, although a storage may lie in it: then the records in it are.
    """

    __slots__ = ("_known", "_prefix", "given")

    def __init__(self, root: str, storage: str) -> None:
        self._prefix = os.fsencode(root) + b"/"
        #: The given storage relative to the root, with `/`; several spellings where symbolic links are on the way.
        self.given: set[bytes] = set()
        for path in (os.path.abspath(storage), os.path.realpath(storage)):
            inside = path.startswith(root.rstrip(os.sep) + os.sep)
            if inside:
                self.given.add(os.fsencode(os.path.relpath(path, root)).replace(os.fsencode(os.sep), b"/"))
        self._known: dict[bytes, bool] = {b"": False}

    def hold(self, path: bytes) -> bool:
        """Whether a file lies in a storage (or is a link that stands for the given one)."""
        return self.are(path.rpartition(b"/")[0]) or path in self.given

    def are(self, directory: bytes) -> bool:
        """Whether a directory is a storage, or lies in one."""
        known = self._known.get(directory)
        if known is None:
            parent, _, name = directory.rpartition(b"/")
            known = (
                self.are(parent)
                or name == META
                or directory in self.given
                or _is_directory(self._prefix + directory + b"/" + META)
            )
            self._known[directory] = known
        return known


class Surplus:
    """Counts the files that Git does not track, and says which are too many."""

    __slots__ = ("bytes", "files")

    def __init__(self) -> None:
        self.files = self.bytes = 0

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether one more file fits in; counts it if so."""
        if self.files >= MOST_FILES or self.bytes + size_bytes > MOST_BYTES:
            return False
        self.files += 1
        self.bytes += size_bytes
        return True


def top_directory(path: bytes) -> bytes:
    """By what files that are too many are named: the directory in the root that they lie in, or themselves."""
    top, slash, _ = path.partition(b"/")
    return top + slash


def too_many() -> str:
    """Why files that are too many are left out."""
    return f"more than {MOST_FILES:,} files or {MOST_BYTES // 10**9} GB that Git does not track"


def _is_directory(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
