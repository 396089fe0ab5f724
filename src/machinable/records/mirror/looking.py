"""Looking at the storage behind a mirror: what it knows of records comes into the mirror, as local storages have it."""

from __future__ import annotations

import os
import threading
import time

from machinable.errors import StorageError
from machinable.identity.ids import is_component_id, is_execution_id
from machinable.records.active import is_active_here
from machinable.records.attempt import attempt_name, number_of, read_attempt
from machinable.records.changes import mark_changed
from machinable.records.mirror import freshness, liveness
from machinable.records.mirror.installing import drop, install, is_ours, names_of, needed, note_waiting
from machinable.records.mirror.keys import Listing, place_in
from machinable.records.mirror.locking import Lock
from machinable.records.mirror.place import META, key_of, store_at, unsent_name
from machinable.records.mirror.sharing import fetch_keys
from machinable.store import owner
from machinable.store.files import failure
from machinable.store.location import locate

__all__ = ["Listed", "directory_at", "exists", "listing_of", "look", "look_below", "trust"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from machinable.store.store import Entry, Store

_covered = threading.local()


def look(root: str, directory: str, *, anew: bool = False) -> None:
    """Brings what the storage says of one record into its mirror; nothing where `root` is no mirror.

    Args:
        anew: Ask the storage even if it was asked a moment ago.
    Raises:
        StorageError: If the storage can not be reached, or the mirror not written.
    """
    store = store_at(root)
    if store is None:
        return
    if (anew or not _is_fresh(root, key_of(root, directory))) and not _runs_here(directory):
        listing_of(root, directory, store)


def listing_of(root: str, directory: str, store: Store) -> Listing:
    """What there is of one record now, after what the mirror lacked of it was brought there. Raises as `look`."""
    place, began = key_of(root, directory), time.time()
    listing = Listing(place, store.entries(place))
    _bring(root, store, [listing], began)
    freshness.note(root, place)
    return listing


def look_below(root: str, prefix: str = "") -> None:
    """As `look`, for all records below a directory (of an execution; of the whole storage), and its executions."""
    store = store_at(root)
    if store is None or _is_fresh(root, prefix):
        return
    began = time.time()
    listings: dict[str, Listing] = {}
    executions: list[Entry] = []
    for entry in store.entries(prefix):
        place = place_in(entry.key)
        if place is not None:
            if place not in listings:
                listings[place] = Listing(place)
            listings[place].add(entry)
        elif _is_of_execution(entry.key):
            executions.append(entry)
    for place in _places_here(root, prefix):
        if place not in listings:
            listings[place] = Listing(place)
    fetch_keys(root, [entry.key for entry in executions])
    _bring(root, store, listings.values(), began)
    freshness.note(root, prefix)


def exists(root: str, directory: str) -> bool:
    """Whether anything has the name of a record."""
    look(root, directory)
    return os.path.lexists(directory)


def directory_at(url: str) -> str | None:
    """Where the mirror has the record that lies at a URL, after a look at it; `None` for what is no such URL."""
    scheme, _, _ = url.partition("://")
    home, _, name = url.rstrip("/").rpartition("/")
    if scheme in ("", url, "file", "local", "osfs", "mem") or not is_component_id(name):
        return None
    above, _, execution = home.rpartition("/")
    inside = is_execution_id(execution.partition("~")[0]) and "://" in above
    root = locate(above if inside else home)
    directory = os.path.join(root, *([execution] if inside else []), name)
    if inside:
        look_below(root, execution)
    if not exists(root, directory) and inside:  # a prefix that looks like the ID of an execution
        root = locate(home)
        directory = os.path.join(root, name)
        look(root, directory)
    return directory


class Listed:
    """A context in which this thread's looks at what lies below some directories are answered by one listing each.

    Args:
        directories: Of executions; of the storage itself all records are listed.
        every_seconds: Where they were listed less long ago than that, they are not listed again.
    """

    __slots__ = ("_places", "_root", "_seconds")

    def __init__(self, root: str, directories: Iterable[str], every_seconds: float = 0.0) -> None:
        self._root = root
        self._seconds = every_seconds
        here = store_at(root) is not None
        self._places = [_prefix(root, each) for each in directories] if here else []

    def __enter__(self) -> None:
        for place in self._places:
            if not freshness.is_fresh(self._root, f"{place}/", self._seconds):
                look_below(self._root, place)
                freshness.note(self._root, f"{place}/")
        _covered.places = [*_places_covered(), *((self._root, place) for place in self._places)]

    def __exit__(self, *exception: object) -> None:
        covered = _places_covered()
        _covered.places = covered[: len(covered) - len(self._places)]


def _places_covered() -> list[tuple[str, str]]:
    places: list[tuple[str, str]] = getattr(_covered, "places", [])
    return places


def _prefix(root: str, directory: str) -> str:
    return "" if directory == root else key_of(root, directory)


def _is_fresh(root: str, place: str) -> bool:
    covered = _places_covered()
    if covered and ((root, place.partition("/")[0]) in covered or (root, "") in covered):
        return True
    return freshness.is_fresh(root, place)


def trust(root: str, directory: str) -> None:
    """Has the next look at a record pass, if the mirror knows the end of it.

    For who has just had it run by another process of this machine, and looked before.
    """
    if store_at(root) is None:
        return
    names = names_of(directory)
    highest = max(map(number_of, names), default=0)
    if highest and f"end-{highest}.json" in names:
        freshness.note(root, key_of(root, directory))


def _runs_here(directory: str) -> bool:
    """Whether a process of this machine runs a record: nobody knows more of it then."""
    meta, names = os.path.join(directory, META), names_of(directory)
    highest = max(map(number_of, names), default=0)
    if not highest or unsent_name(highest) not in names:
        return False
    try:
        attempt = read_attempt(meta, highest)
    except (OSError, StorageError):
        return False
    here = is_active_here(attempt.owner)
    return attempt.end is None and (owner.is_alive(attempt.owner) if here is None else here) is True


def _is_of_execution(key: str) -> bool:
    first, _, rest = key.partition("/")
    return is_execution_id(first.partition("~")[0]) and (
        rest == f"{META}/execution.json" or rest.startswith(f"{META}/runs/")
    )


def _places_here(root: str, prefix: str) -> list[str]:
    """The places of the records that the mirror has below a directory."""
    found = []
    for name in _names(os.path.join(root, prefix)):
        if is_component_id(name):
            found.append(f"{prefix}/{name}" if prefix else name)
        elif not prefix and is_execution_id(name.partition("~")[0]):
            found += [
                f"{name}/{inner}" for inner in _names(os.path.join(root, name)) if is_component_id(inner)
            ]
    return found


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _bring(root: str, store: Store, listings: Iterable[Listing], began: float) -> None:
    """Has the mirror hold what the listings tell of."""
    wanted: list[tuple[str, Listing, list[str]]] = []
    for listing in listings:
        directory = os.path.join(root, listing.place)
        names = names_of(directory)
        keys = needed(listing, directory, names) if listing.is_record else []
        if keys or (names and not listing.is_record):
            wanted.append((directory, listing, keys))
        elif listing.is_record:
            _age(store, directory, listing, names)
    if not wanted:
        return
    lacking = [key for _, _, keys in wanted for key in keys]
    documents = store.get_many(lacking) if lacking else {}
    try:
        with Lock(root):
            for directory, listing, keys in wanted:
                if listing.is_record:
                    if os.path.isdir(directory):
                        mark_changed(root, directory)
                    install(directory, listing, {key: documents[key] for key in keys if key in documents})
                else:
                    drop(directory, began)
    except OSError as error:
        raise failure(error, root) from error
    for directory, listing, _ in wanted:
        if listing.is_record:
            _age(store, directory, listing, names_of(directory), new=True)


def _age(store: Store, directory: str, listing: Listing, names: set[str], new: bool = False) -> None:
    """Gives the attempts of other machines the modification times that tell when they last showed that they live."""
    if is_ours(names):
        return
    highest = max(map(number_of, names), default=0)
    for number in listing.numbers if new else (highest,):
        entry = listing.ends.get(number) or listing.claims.get(number) or listing.plain.get(number)
        if entry is None or (number in listing.ends and not new):
            continue
        moment = entry.modified
        if number == highest and number not in listing.ends and number in listing.claims:
            moment = max(moment, _last_sign(store, os.path.join(directory, META), number, listing))
        try:
            os.utime(os.path.join(directory, META, attempt_name(number)), (liveness.here(store, moment),) * 2)
        except OSError:
            continue


def _last_sign(store: Store, meta: str, number: int, listing: Listing) -> float:
    try:
        attempt = read_attempt(meta, number)
        if attempt.waiting_for is not None and number not in listing.waiting:
            note_waiting(meta, number, None)
    except (OSError, StorageError):
        return 0.0
    if owner.same_machine(attempt.owner):  # then the process table tells
        return 0.0
    name = attempt.started.get("alive")
    return liveness.signs(store).get(str(name), 0.0)
