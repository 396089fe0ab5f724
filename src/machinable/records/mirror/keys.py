"""The keys of a record in an object store, and what a listing of them says."""

from __future__ import annotations

from machinable.identity.ids import is_component_id, is_execution_id
from machinable.records.mirror.place import META
from machinable.store.files import INNER

__all__ = [
    "ALIVE",
    "CHECKPOINTS",
    "Listing",
    "alive_key",
    "claim_key",
    "end_key",
    "file_key",
    "part_key",
    "place_in",
    "waiting_key",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from machinable.store.store import Entry

#: Where checkpoints lie in a record.
CHECKPOINTS = f"{META}/checkpoints/"

#: Where processes show that they live.
ALIVE = f"{META}/alive"


def claim_key(place: str, number: int) -> str:
    """The claim of an attempt; `place` is the record's directory, relative to the storage."""
    return f"{place}/{META}/attempt-{number}.json"


def end_key(place: str, number: int) -> str:
    """The end of an attempt."""
    return f"{place}/{META}/end-{number}.json"


def waiting_key(place: str, number: int) -> str:
    """What the owner of an attempt waits for at the moment."""
    return f"{place}/{META}/waiting-{number}.json"


def file_key(place: str, attempt: int, path: str) -> str:
    """A file as an attempt left it. Each attempt has keys of its own, so that none can spoil what another published."""
    return f"{place}/{path}" if attempt == 1 else f"{place}/{META}/files-{attempt}/{path}"


def part_key(place: str, attempt: int, path: str, offset: int) -> str:
    """A part of a file that grows while the attempt runs."""
    return f"{place}/{META}/parts-{attempt}/{path}/{offset:012d}"


def alive_key(name: str) -> str:
    """The heartbeat of a process."""
    return f"{ALIVE}/{name}"


def place_in(key: str) -> str | None:
    """The place of the record that a key belongs to; `None` if it belongs to none."""
    first, _, rest = key.partition("/")
    if is_component_id(first):
        return first
    if is_execution_id(first.partition("~")[0]):
        second, slash, _ = rest.partition("/")
        if slash and is_component_id(second):
            return f"{first}/{second}"
    return None


class Listing:
    """What there is of a record, by a listing of its keys.

    Attributes:
        claims, ends: By number of the attempt, the entry of its claim and of its end.
        plain: Likewise, of attempts as local storages have them: somebody copied the record here.
        component: Whether there is a component.json, as in such a copy.
        notes: The keys of its notes.
        tombstone: The key of its tombstone, if there is one.
        waiting: The keys that say what the owner of an attempt waits for, by number.
        files: By number of the attempt, the entries of its files by path.
        parts: Likewise, of files that grow: their parts by offset.
    """

    __slots__ = (
        "claims",
        "component",
        "ends",
        "files",
        "notes",
        "parts",
        "place",
        "plain",
        "tombstone",
        "waiting",
    )

    def __init__(self, place: str, entries: Iterable[Entry] = ()) -> None:
        self.place = place
        self.claims: dict[int, Entry] = {}
        self.ends: dict[int, Entry] = {}
        self.plain: dict[int, Entry] = {}
        self.component = False
        self.notes: list[str] = []
        self.tombstone: str | None = None
        self.waiting: dict[int, str] = {}
        self.files: dict[int, dict[str, Entry]] = {}
        self.parts: dict[int, dict[str, dict[int, Entry]]] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Takes note of a key, which lies below the place."""
        path = entry.key[len(self.place) + 1 :]
        if not path.startswith(META + "/"):
            self.files.setdefault(1, {})[path] = entry
            return
        name = path[len(META) + 1 :]
        head, _, rest = name.partition("/")
        stem, _, suffix = head.rpartition(".")
        kind, _, digits = (stem or head).partition("-")
        number = int(digits) if digits.isascii() and digits.isdecimal() else 0
        if number and suffix == "json" and not rest:
            if kind == "attempt":
                self.claims[number] = entry
            elif kind == "end":
                self.ends[number] = entry
            elif kind == "waiting":
                self.waiting[number] = entry.key
        elif number and kind == "attempt" and suffix == "jsonl" and rest in ("", INNER):
            self.plain[number] = entry
        elif number and kind == "files" and rest:
            self.files.setdefault(number, {})[rest] = entry
        elif number and kind == "parts" and rest:
            file, _, offset = rest.rpartition("/")
            if file and offset.isascii() and offset.isdecimal():
                self.parts.setdefault(number, {}).setdefault(file, {})[int(offset)] = entry
        elif name == "component.json":
            self.component = True
        elif name == "tombstone.json":
            self.tombstone = entry.key
        elif name.startswith("notes/"):
            self.notes.append(entry.key)
        elif path.startswith(CHECKPOINTS):
            self.files.setdefault(1, {})[path] = entry

    @property
    def numbers(self) -> list[int]:
        """The numbers of all attempts, ascending."""
        return sorted({*self.claims, *self.ends, *self.plain})

    @property
    def is_record(self) -> bool:
        """Whether there is a record, or the tombstone of one."""
        return bool(self.claims or self.ends or self.plain or self.tombstone)
