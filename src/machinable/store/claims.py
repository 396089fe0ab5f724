"""Whether a storage's conditional writes exclude others: some servers accept the condition and ignore it."""

from __future__ import annotations

import json
import os
import time

from machinable.errors import StorageError
from machinable.store import owner
from machinable.store.files import write_whole

__all__ = ["Unconditional", "probe", "recall", "remember"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.store import Store

_LOOK_AGAIN_SECONDS = 86400.0  # a server that ignores conditions may be updated one day


class Unconditional(StorageError):
    """The server says that it does not know conditional writes."""


def probe(store: Store) -> bool:
    """Creates the same key twice, with different content: an honest store refuses the second one."""
    key = f".machinable/.probe.{owner.token()}"
    try:
        return store.create(key, b"first\n") and not store.create(key, b"second\n")
    except Unconditional:
        return False
    finally:
        try:
            store.delete([key])
        except StorageError:
            pass  # may write, may not delete: a few bytes are left, under a hidden name


def recall(path: str | None) -> bool | None:
    """What an earlier process found out and wrote to `path`; `None` if there is nothing that still holds."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            known = json.load(file)
        honest, when = bool(known["can_claim"]), float(known["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return honest if honest or 0 <= time.time() - when < _LOOK_AGAIN_SECONDS else None


def remember(path: str | None, honest: bool) -> None:
    """Writes down what was found out. That it can not be written costs later processes a probe of their own."""
    if path is None:
        return
    document = {"format": 1, "kind": "claims", "can_claim": honest, "time": time.time()}
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, json.dumps(document).encode() + b"\n", f"{path}.{owner.token()}")
    except OSError:
        pass
