"""Records of nodes that do not see the storage: the coordinator claims, beats and publishes in their place."""

from __future__ import annotations

import os
import stat
import time

from machinable.component.acquire import acquire
from machinable.component.heartbeat import Beating, beating
from machinable.engines.parcel import CHECKPOINTS, Orders, pack, unpack
from machinable.records.attempt import attempt_name
from machinable.records.record import META, State
from machinable.store import owner
from machinable.store.files import publish_directory, remove_file, remove_tree

__all__ = ["Relay"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from machinable.component.component import Component
    from machinable.engines.parcel import File, Files, Parcel
    from machinable.records.claim import Claim


class Relay:
    """One attempt that this process has claimed for a node, until its parcel has come back.

    Args:
        storages: The directories of the run's storages; see `Site`.
    """

    def __init__(self, component: Component, claim: Claim, storages: list[str]) -> None:
        self._claim = claim
        self._storages = storages
        self._storage = storages.index(component._core.storage)
        self._resumed_from = component._core.resumed_from
        self._beating: Beating = beating(claim.beat)
        self._beating.__enter__()

    @classmethod
    def open(cls, component: Component, storages: list[str]) -> Self | State:
        """Claims the component; or returns the state that leaves nothing to claim."""
        outcome = acquire(component, wait=False)
        return outcome if isinstance(outcome, State) else cls(component, outcome, storages)

    def orders(self) -> Orders:
        """What the node has to know."""
        claim = self._claim
        place = os.path.relpath(claim.directory, self._storages[self._storage])
        files = pack(claim.directory, checkpoints=2, attempt=claim.number)
        return Orders(self._storage, place, claim.number, claim.nonce, self._resumed_from, files)

    def publish(self, parcel: Parcel | None, problem: str, kind: str = "lost") -> None:
        """Puts what the component did into its record, and its end last, which releases the claim.

        Args:
            parcel: `None`, or without an end, if the process on the node could not tell.
            problem: Why not.
            kind: What the attempt counts as then.
        Raises:
            Superseded: If another owner took over; nothing is published then.
            StorageError: If the storage can not be written.
        """
        claim = self._claim
        try:
            claim.check()
            end: dict[str, Any] = {}
            if parcel is not None:
                _publish_files(claim, parcel)
                for storage, place, files in parcel.others:
                    _publish_other(os.path.join(self._storages[storage], place), files)
                end = dict(parcel.end or {})
                claim.began = time.monotonic() - float(end.pop("seconds", 0.0))
            kind = end.pop("kind", kind)
            if not end:
                end = {"reason": problem}
            end.pop("time", None)
            claim.end(kind, **end)
        finally:
            self.close()

    def close(self) -> None:
        """Gives the claim up, if it is not released yet."""
        self._beating.__exit__(None, None, None)
        self._claim.close()


def _publish_files(claim: Claim, parcel: Parcel) -> None:
    checkpoints: dict[str, Files] = {}
    for path, file in sorted(parcel.files.items()):
        target = _inside(claim.directory, path)
        if path.startswith(CHECKPOINTS + os.sep):
            number, _, rest = path[len(CHECKPOINTS) + 1 :].partition(os.sep)
            checkpoints.setdefault(number, {})[rest] = file
            continue
        if path in (os.path.join(META, "component.json"), os.path.join(META, attempt_name(claim.number))):
            continue
        _publish_file(claim, target, file)
    for number, files in checkpoints.items():
        prepared = claim.temporary()
        target = os.path.join(claim.directory, CHECKPOINTS, number)
        try:
            unpack(files, prepared)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.lexists(target):
                os.rename(target, claim.temporary())
            os.rename(prepared, target)
        finally:
            remove_tree(prepared)
    for path in parcel.removed:
        remove_file(_inside(claim.directory, path))
    _remove_empty(os.path.join(claim.directory, CHECKPOINTS))


def _publish_file(claim: Claim, target: str, file: File) -> None:
    content, mode, time_ns = file
    prepared = claim.temporary()
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        if stat.S_ISLNK(mode):
            os.symlink(os.fsdecode(content), prepared)
        else:
            with open(prepared, "xb") as stream:
                stream.write(content)
            os.chmod(prepared, stat.S_IMODE(mode))
            os.utime(prepared, ns=(time_ns, time_ns))
        os.replace(prepared, target)
    finally:
        remove_file(prepared)


def _publish_other(directory: str, files: Files) -> None:
    """The record of a component that was launched on the node; one that is there already stays."""
    if os.path.lexists(directory):
        return
    parent, name = os.path.split(directory)
    prepared = os.path.join(parent, f".{name}.{owner.token()}")
    try:
        unpack(files, prepared)
        publish_directory(prepared, directory, lambda: False)
    finally:
        remove_tree(prepared)


def _inside(directory: str, path: str) -> str:
    target = os.path.normpath(os.path.join(directory, path))
    if not target.startswith(directory + os.sep):
        raise ValueError(f"a node sent {path!r}, which is outside of the record")
    return target


def _remove_empty(directory: str) -> None:
    """Removes the checkpoints whose files are gone."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        part = os.path.join(directory, name)
        if not any(files for _, _, files in os.walk(part)):
            remove_tree(part)
