"""Sending an attempt to the storage: parts while it runs, then all of its files, and its end with the manifest last."""

from __future__ import annotations

import os
import stat
import time

from machinable.blake import blake2b
from machinable.errors import Superseded
from machinable.records.attempt import attempt_name
from machinable.records.measurements import MEASUREMENTS
from machinable.records.mirror.contents import Stored, hash_file
from machinable.records.mirror.keys import CHECKPOINTS, claim_key, end_key, file_key, part_key
from machinable.records.mirror.objects import Claimed, Ended, FileEntry, encode_claim, encode_end, line
from machinable.records.mirror.place import META, key_of, shown, unsent_name
from machinable.store import owner
from machinable.store.files import INNER, failure, read, remove_file, write_whole

__all__ = [
    "Sent",
    "attempt_lines",
    "claim_remotely",
    "files_in",
    "publish_end",
    "publish_loss",
    "resend",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from machinable.store.store import Store

#: What is larger is not read into memory at once, in bytes.
_SMALL_BYTES = 4 << 20

#: How much of small files is in memory at a time, in bytes.
_BATCH_BYTES = 64 << 20

#: How much of the end of a table is read first, in bytes.
_TAIL_BYTES = 1 << 16

#: How much of a growing file goes up in one part at most, in bytes.
_PART_BYTES = 8 << 20


def claim_remotely(store: Store, place: str, number: int, started: bytes, component: bytes | None) -> bool:
    """Publishes the claim of an attempt; `False`: another has it. Raises StorageError."""
    return _create(store, claim_key(place, number), encode_claim(number, started, component))


def _create(store: Store, key: str, data: bytes) -> bool:
    if store.can_claim:
        return store.create(key, data)
    # Nothing excludes others here; all that can be done is to look first.
    try:
        return store.get(key) == data
    except FileNotFoundError:
        store.put(key, data)
        return True


class _Batch:
    """Files on their way, of which small ones are in memory."""

    __slots__ = ("_bytes", "_small", "_store", "large", "sent")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._small: list[tuple[str, bytes]] = []
        self._bytes = 0
        self.large: list[tuple[str, str]] = []
        self.sent: dict[str, tuple[FileEntry, int]] = {}

    def add(self, key: str, data: bytes) -> None:
        """A small file."""
        self._small.append((key, data))
        self._bytes += len(data)

    @property
    def is_full(self) -> bool:
        """Whether it takes enough memory to be sent."""
        return self._bytes > _BATCH_BYTES

    def send(self) -> None:
        """Sends all of them. Raises StorageError."""
        if self._small:
            self._store.put_many(self._small)
        if self.large:
            self._store.upload(self.large)
        self._small, self.large, self._bytes = [], [], 0


class Sent:
    """What of an attempt is in the storage by now."""

    __slots__ = ("_parts", "_store", "directory", "files", "number", "place")

    def __init__(self, store: Store, root: str, directory: str, number: int) -> None:
        self._store = store
        self.directory = directory
        self.place = key_of(root, directory)
        self.number = number
        self.files: dict[str, tuple[FileEntry, int]] = {}  # by path, with the time of the local file
        self._parts: dict[str, int] = {}  # of files that grow: how much of each

    def adopt(self, stored: dict[str, Stored]) -> None:
        """Takes note of what earlier attempts sent, and is in the mirror as they sent it. Raises OSError."""
        for path, each in stored.items():
            if len(each.keys) == 1:
                local = os.path.join(self.directory, path)
                entry = FileEntry(path, each.size, each.hash or hash_file(local), each.attempt)
                self.files[path] = (entry, os.stat(local).st_mtime_ns)

    def send_growth(self, names: Iterable[str]) -> None:
        """Sends what was appended to files since the last time, up to the last complete line. Raises as `send`."""
        for name in names:
            begin = self._parts.get(name, 0)
            try:
                with open(os.path.join(self.directory, name), "rb") as file:
                    file.seek(begin)
                    while data := file.read(_PART_BYTES):
                        data = data[: data.rfind(b"\n") + 1]
                        if not data:
                            break
                        self._store.put(part_key(self.place, self.number, name, begin), data)
                        begin += len(data)
                        self._parts[name] = begin
                        file.seek(begin)
            except FileNotFoundError:
                continue

    def send(self, paths: Iterable[str]) -> list[FileEntry]:
        """Sends those files that changed since they were sent, and returns what a manifest says of all of them.

        Raises:
            StorageError: If they can not be read or sent.
        """
        entries: list[FileEntry] = []
        batch = _Batch(self._store)
        for path in paths:
            local = os.path.join(self.directory, path)
            try:
                status = os.stat(local)
                known = self.files.get(path)
                if known is not None and (known[0].size, known[1]) == (status.st_size, status.st_mtime_ns):
                    entries.append(known[0])
                    continue
                key = file_key(self.place, self.number, path)
                if status.st_size <= _SMALL_BYTES:
                    data = read(local)
                    entry = FileEntry(path, len(data), blake2b(data, digest_size=16).hexdigest(), self.number)
                    batch.add(key, data)
                else:
                    entry = FileEntry(path, status.st_size, hash_file(local), self.number)
                    batch.large.append((key, local))
            except FileNotFoundError:
                continue  # the component removed it meanwhile
            except OSError as error:
                raise failure(error, local, "read") from error
            entries.append(entry)
            batch.sent[path] = (entry, status.st_mtime_ns)
            if batch.is_full:
                self._flush(batch)
        self._flush(batch)
        return entries

    def _flush(self, batch: _Batch) -> None:
        batch.send()
        self.files.update(batch.sent)
        batch.sent.clear()

    def send_checkpoint(self, iteration: int) -> None:
        """Sends a checkpoint: its mark last, so that what can be seen of it is complete. Raises StorageError."""
        prefix = f"{CHECKPOINTS}{iteration}/"
        mark = f"{prefix}checkpoint.json"
        self.send(path for path in files_in(self.directory) if path.startswith(prefix) and path != mark)
        self.send([mark])

    def withdraw_checkpoints(self, kept: Iterable[int]) -> None:
        """Removes the checkpoints of this attempt that are not kept any more. Raises StorageError."""
        prefixes = tuple(f"{CHECKPOINTS}{iteration}/" for iteration in kept)
        gone = [path for path in self.files if path.startswith(CHECKPOINTS) and not path.startswith(prefixes)]
        own = [path for path in gone if self.files[path][0].attempt == self.number]
        marks = [path for path in own if path.endswith("/checkpoint.json")]
        for paths in (marks, [path for path in own if path not in marks]):
            if paths:
                self._store.delete([file_key(self.place, self.number, path) for path in paths])
        for path in gone:
            del self.files[path]

    def withdraw_parts(self) -> None:
        """Removes the parts of files that were sent whole by now. Raises StorageError."""
        if self._parts:
            prefix = f"{self.place}/{META}/parts-{self.number}"
            self._store.delete([entry.key for entry in self._store.entries(prefix)])
            self._parts.clear()


def files_in(directory: str) -> Iterator[str]:
    """The paths of all files that belong to a record's content, checkpoints included, relative and with `/`."""
    folders = [""]
    while folders:
        inside = folders.pop()
        try:
            with os.scandir(os.path.join(directory, inside)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            if path == META:
                folders.append(CHECKPOINTS.rstrip("/"))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif _is_file(entry):
                yield path


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)  # what a link leads to is sent in its place
    except OSError:
        return False


def publish_end(store: Store, sent: Sent) -> None:
    """Sends the files of an attempt that has ended in the mirror, then its end. Doing it again does no harm.

    Raises:
        Superseded: If another owner took over.
        StorageError: If something could not be sent.
    """
    directory, number = sent.directory, sent.number
    meta = os.path.join(directory, META)
    manifest = sent.send(files_in(directory))
    try:
        lines = attempt_lines(meta, number)
        data = encode_end(
            number, lines, read(os.path.join(meta, "component.json")), manifest, _last_line(directory)
        )
    except OSError as error:
        raise failure(error, meta, "read") from error
    key = end_key(sent.place, number)
    if not _create(store, key, data):
        there = Ended(store.get(key), key)
        if there.kind == "lost" or there.nonce != Ended(data, key).nonce:
            raise Superseded(
                f"{shown(directory)}: attempt {number} was silent for too long, and another process took over. "
                "Nothing more of it is published; ask for the component again to get the result."
            )
        data = store.get(key)
    try:
        write_whole(
            os.path.join(meta, f"end-{number}.json"), data, os.path.join(meta, f".end.{owner.token()}")
        )
    except OSError as error:
        raise failure(error, meta) from error
    for earlier in range(1, number + 1):
        remove_file(os.path.join(meta, unsent_name(earlier)))
    sent.withdraw_parts()


def publish_loss(store: Store, root: str, directory: str, number: int, nonce: str) -> bool:
    """Ends an attempt in the place of its owner, who is gone or silent. `False`: it has an end by now.

    Of the owner's end and this one only one can be there: a process that was taken over publishes nothing.

    Args:
        nonce: Of the process that takes over.
    Raises:
        StorageError: If it can not be sent, or the attempt not be read.
    """
    meta, place = os.path.join(directory, META), key_of(root, directory)
    try:
        lines = attempt_lines(meta, number)
        lost = line({"kind": "lost", "time": time.time(), "by": nonce})
        data = encode_end(
            number, [*lines[:1], lost.strip()], read(os.path.join(meta, "component.json")), None
        )
    except FileNotFoundError:
        return False
    except OSError as error:
        raise failure(error, meta, "read") from error
    return _create(store, end_key(place, number), data)


def resend(store: Store, root: str, directory: str, number: int) -> None:
    """Sends what an ended attempt of this machine could not send. Raises as `publish_end` does."""
    place, meta = key_of(root, directory), os.path.join(directory, META)
    try:
        lines = attempt_lines(meta, number)
        component = read(os.path.join(meta, "component.json"))
    except OSError as error:
        raise failure(error, meta, "read") from error
    key = claim_key(place, number)
    # Somebody may have removed the record from the storage meanwhile, and claimed the name anew.
    if not _create(store, key, encode_claim(number, lines[0], component)):
        claimed, ours = Claimed(store.get(key), key), Claimed(encode_claim(number, lines[0], None), key)
        if claimed.nonce != ours.nonce:
            raise Superseded(
                f"{shown(directory)} was removed while it could not be sent, and made anew by another process. "
                f"What this machine has of it is in {directory}."
            )
    sent = Sent(store, root, directory, number)
    publish_end(store, sent)
    store.delete([entry.key for entry in store.entries(f"{place}/{META}/parts-{number}")])


def attempt_lines(meta: str, number: int) -> list[bytes]:
    """The complete lines of an attempt in the mirror, up to the one that ends it. Raises OSError."""
    path = os.path.join(meta, attempt_name(number))
    if os.path.isdir(path):
        path = os.path.join(path, INNER)
    lines = read(path).split(b"\n")[:-1]
    return [each for each in lines if not each.startswith(b'{"kind":"unsent"')]


def _last_line(directory: str) -> bytes | None:
    """The last complete row of the table, as it stands there."""
    try:
        with open(os.path.join(directory, MEASUREMENTS), "rb") as file:
            size, length = file.seek(0, os.SEEK_END), _TAIL_BYTES
            while True:
                start = max(0, size - length)
                file.seek(start)
                data = file.read(size - start)
                end = data.rfind(b"\n")
                begin = data.rfind(b"\n", 0, max(end, 0)) + 1
                if begin or not start:
                    return data[begin:end] if end > 0 else None
                length *= 16
    except (FileNotFoundError, NotADirectoryError):
        return None
