"""Claims in any storage: in a directory, or, where that mirrors a storage elsewhere, there first."""

from __future__ import annotations

from importlib import import_module

from machinable.records import claim
from machinable.records.mirror.place import store_at

__all__ = ["claim_new", "send_unsent", "take_over", "warn_of_races"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.records.claim import Claim
    from machinable.records.record import Record, State


def claim_new(root: str, directory: str, document: bytes, fields: dict[str, Any]) -> Claim | None:
    """As `records.claim.claim_new`, in any storage."""
    store = store_at(root)
    if store is None:
        return claim.claim_new(root, directory, document, fields)
    claimed: Claim | None = _remotely().claim_new(store, root, directory, document, fields)
    return claimed


def take_over(record: Record, state: State, fields: dict[str, Any]) -> Claim | None:
    """As `records.claim.take_over`, in any storage."""
    store = store_at(record.root)
    if store is None:
        return claim.take_over(record, state, fields)
    claimed: Claim | None = _remotely().take_over(store, record, state, fields)
    return claimed


def send_unsent(record: Record, state: State) -> bool:
    """Sends what an attempt of this machine could not, when it ended. `False`: it was taken over meanwhile.

    Raises:
        StorageError: If the storage can still not be reached.
    """
    store = store_at(record.root)
    if store is None or state.attempt is None:
        return True
    sent: bool = _remotely().send_unsent(store, record, state, state.attempt.number)
    return sent


def warn_of_races(root: str) -> None:
    """Tells the user, once, of a storage that can not exclude concurrent writers. Raises StorageError."""
    store = store_at(root)
    if store is not None:
        _remotely().warn_of_races(store)


def _remotely() -> Any:
    """By name: loaded where there is a mirror."""
    return import_module("machinable.records.mirror.claiming")
