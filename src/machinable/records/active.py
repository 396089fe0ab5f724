"""The attempts that this very process runs at the moment."""

from __future__ import annotations

import os

from machinable.store import owner

__all__ = ["is_active_here", "mark_active", "mark_ended", "runs_here"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_nonces: set[str] = set()


def mark_active(nonce: str) -> None:
    """This process has claimed the attempt of that nonce."""
    _nonces.add(nonce)


def mark_ended(nonce: str) -> None:
    """The attempt of that nonce ended, or can not be ended properly any more (a full disk)."""
    _nonces.discard(nonce)


def runs_here() -> bool:
    """Whether this process runs a component at the moment."""
    return bool(_nonces)


def is_active_here(attempt_owner: Mapping[str, Any]) -> bool | None:
    """Whether this process runs an attempt with that owner; `None` if the owner is another process."""
    if attempt_owner.get("pid") != os.getpid():
        return None
    if attempt_owner.get("nonce") in _nonces:
        return True
    return False if owner.same_machine(attempt_owner) else None
