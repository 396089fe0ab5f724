"""Records, put into a storage elsewhere: the claims that keep others away, then the files, their ends last."""

from __future__ import annotations

import os

from machinable.copying.held import Held, read_file
from machinable.errors import StorageError
from machinable.records.mirror.contents import hash_file
from machinable.records.mirror.keys import claim_key, end_key, file_key
from machinable.records.mirror.objects import Claimed, Ended, FileEntry, encode_end, line
from machinable.records.mirror.publishing import attempt_lines, claim_remotely
from machinable.records.record import META, TOMBSTONE
from machinable.store import owner

__all__ = ["Remote"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from machinable.store.store import Store

#: What is larger is not read into memory at once, in bytes.
_SMALL_BYTES = 4 << 20


class Remote:
    """A storage elsewhere, as the target of a copy.

    Args:
        verify: Whether to read back every file; otherwise their sizes are compared, the content being checked on its
            way (by the signature of a request, by SSH) and again whenever it is loaded (by the manifest).
    """

    def __init__(self, root: str, store: Store, verify: bool) -> None:
        self.root = root
        self._store = store
        self._verify = verify

    def add(self, source: Held, done: Callable[[int], None]) -> bool:
        """Publishes a record that is not there. `False`: another has it by now. Raises StorageError."""
        if source.component is None:
            self._store.put(
                f"{source.place}/{META}/{TOMBSTONE}", read_file(os.path.join(source.meta, TOMBSTONE))
            )
            return True
        return self._publish(source, {}, done)

    def replace(self, source: Held, target: Held, done: Callable[[int], None]) -> bool:
        """Adds the attempts that the target lacks; what it has of the earlier ones stays as it is."""
        known = {
            path: FileEntry(path, file.size, file.hash, file.attempt)
            for path, file in target.files.items()
            if file.hash is not None
        }
        return self._publish(source, known, done)

    def _publish(self, source: Held, known: dict[str, FileEntry], done: Callable[[int], None]) -> bool:
        store, place = self._store, source.place
        component = read_file(os.path.join(source.meta, "component.json"))
        lines = {number: _lines(source, number) for number in source.attempts}
        for number, each in lines.items():
            if not claim_remotely(store, place, number, each[0], component if number == 1 else None):
                key = claim_key(place, number)
                if Claimed(store.get(key), key).nonce != _nonce(source, number):
                    return False
        last = max(lines)
        ended = len(source.attempts[last]) > 1 and source.attempts[last][-1].get("kind") in _ENDS
        # Under the keys of the first attempt, where a record that was made in one go has them; later ones must not
        # spoil what an earlier manifest lists.
        attempt = 1 if ended and not known else last
        entries = self._send(source, known, attempt, done)
        for number, each in lines.items():
            if number != last and not self._end(source, number, each, component, None):
                return False
        row = _last_row(source)
        if not self._end(source, last, lines[last], component, entries if ended else None, row):
            return False
        self._send_notes(source, source.notes)
        self._check(source, entries)
        return True

    def _send(
        self, source: Held, known: dict[str, FileEntry], attempt: int, done: Callable[[int], None]
    ) -> list[FileEntry]:
        entries, small, large = [], [], []
        for path, file in source.files.items():
            local = os.path.join(source.directory, path)
            hash = source.hash_of(path)
            if file.hash is not None and hash != file.hash:
                raise StorageError(f"{local} is not what the manifest of its record says. It was not copied.")
            before = known.get(path)
            if before is not None and (before.size, before.hash) == (file.size, hash):
                entries.append(before)
                continue
            entries.append(FileEntry(path, file.size, hash, attempt))
            key = file_key(source.place, attempt, path)
            if file.size <= _SMALL_BYTES:
                small.append((key, read_file(local)))
            else:
                large.append((key, local))
        if small:
            self._store.put_many(small)
            done(sum(len(data) for _, data in small))
        if large:
            self._store.upload(large, lambda key, size: done(size))
        return entries

    def _end(
        self,
        source: Held,
        number: int,
        lines: list[bytes],
        component: bytes,
        files: list[FileEntry] | None,
        row: bytes | None = None,
    ) -> bool:
        key = end_key(source.place, number)
        if source.attempts[number][-1].get("kind") not in _ENDS:
            lines = [
                *lines,
                line({"kind": "lost", "time": _last_time(source, number), "by": owner.token()}).strip(),
            ]
        data = encode_end(number, lines, component, files, row)
        if self._store.can_claim:
            if self._store.create(key, data):
                return True
        elif not self._has(key):
            self._store.put(key, data)
            return True
        there = Ended(self._store.get(key), key)
        return there.nonce == _nonce(source, number) and len(there.lines) == len(lines)

    def _has(self, key: str) -> bool:
        try:
            self._store.get(key)
        except FileNotFoundError:
            return False
        return True

    def _check(self, source: Held, entries: list[FileEntry]) -> None:
        """Compares what arrived with what was sent. Raises StorageError."""
        sizes = {entry.key: entry.size for entry in self._store.entries(source.place)}
        for entry in entries:
            key = file_key(source.place, entry.attempt, entry.path)
            if sizes.get(key) != entry.size:
                raise StorageError(
                    f"{self._store.url}/{key} has {sizes.get(key, 'no')} bytes, but {entry.size} were sent. "
                    "Remove the record there, and copy it again."
                )
            if self._verify:
                self._read_back(key, entry)

    def _read_back(self, key: str, entry: FileEntry) -> None:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="machinable-") as directory:
            path = os.path.join(directory, "file")
            self._store.download([(key, path)])
            if hash_file(path) != entry.hash:
                raise StorageError(
                    f"{self._store.url}/{key} does not hold what was sent. Remove the record there, and copy it again."
                )

    def complete(self, source: Held, target: Held, paths: Iterable[str], done: Callable[[int], None]) -> None:
        """Adds files that a record of the target has lost."""
        for path in paths:
            key = file_key(source.place, max(source.attempts), path)
            self._store.upload([(key, os.path.join(source.directory, path))])
            done(source.files[path].size)

    def add_notes(self, source: Held, target: Held, names: Iterable[str]) -> None:
        """Adds what users said of a record."""
        self._send_notes(source, names)

    def _send_notes(self, source: Held, names: Iterable[str]) -> None:
        self._store.put_many(
            (f"{source.place}/{META}/notes/{name}", read_file(os.path.join(source.meta, "notes", name)))
            for name in sorted(names)
        )


_ENDS = {"finished", "failed", "interrupted", "withdrawn"}


def _lines(source: Held, number: int) -> list[bytes]:
    found = attempt_lines(source.meta, number)
    return [each for each in found if not each.startswith(b'{"kind":"lost"')]


def _nonce(source: Held, number: int) -> str:
    return str((source.attempts[number][0].get("owner") or {}).get("nonce"))


def _last_time(source: Held, number: int) -> float:
    return float(source.attempts[number][-1].get("time", 0.0))


def _last_row(source: Held) -> bytes | None:
    """The last complete row of the table."""
    path = os.path.join(source.directory, "record.jsonl")
    if "record.jsonl" not in source.files:
        return None
    data = read_file(path)
    end = data.rfind(b"\n")
    return data[data.rfind(b"\n", 0, end) + 1 : end] if end > 0 else None
