"""What the suite of storages needs: two machines, and a look at what lies in the storage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from machinable.store.location import locate
from machinable.store.opening import open_store
from machinable.store.url import scheme_of
from machinable.testing.machines import Machines
from machinable.testing.storage_subjects import SUBJECT

__all__ = ["StorageSuite"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class StorageSuite:
    """What a storage is, and does not promise. See `machinable.testing.storages.StorageConformance`."""

    #: Whether several processes see the same storage; not so where it lies in the memory of one.
    between_processes = True
    #: Whether of many that launch the same component at the same time only one runs it.
    excludes = True
    #: Why a promise does not hold for this storage, by the name of the test, which is then skipped with this reason.
    unsupported: dict[str, str] = {}
    #: Modules that take long to load, and that every process needs for this storage.
    preload: tuple[str, ...] = ()
    #: How many launch the same component at the same time.
    racers = 8
    #: How long anything is waited for, in seconds.
    patience_seconds: float = 60.0

    def setup_method(self, method: Any) -> None:
        """Skips what the storage does not promise."""
        self._machines: list[Machines] = []
        reason = self.unsupported.get(method.__name__)
        if reason is None and not self.between_processes and "concurrent" in method.__name__:
            reason = "it lies in the memory of one process"
        if reason is None and "survive" in method.__name__ and type(self).outage is StorageSuite.outage:
            reason = "the tests do not know how to disturb this storage"
        if reason is not None:
            import pytest  # type: ignore[import-not-found,unused-ignore]

            pytest.skip(reason)

    def teardown_method(self, method: Any) -> None:
        """Ends what a failed test left running."""
        for each in self._machines:
            each.close()

    def machines(self, root: Path, url: str) -> Machines:
        """Two machines, `here` and `elsewhere`, with a project that has the module `subject`."""
        root = root / "project"
        root.mkdir()
        made = Machines(root, url, not self.between_processes, self.preload, self.patience_seconds)
        made.write("subject.py", SUBJECT)
        self._machines.append(made)
        return made

    def keys(self, url: str) -> dict[str, int]:
        """The names and sizes of all that is in the storage, apart from caches. Override it where it is no URL."""
        scheme = scheme_of(url)
        if scheme is not None and scheme[0] not in ("file", "osfs", "mem"):
            found = {entry.key: entry.size for entry in open_store(url).entries()}
        else:
            root = Path(locate(url))
            paths = (path for path in root.rglob("*") if path.is_file())
            found = {path.relative_to(root).as_posix(): path.stat().st_size for path in paths}
        caches = (".machinable/alive/", ".machinable/index", ".machinable/swept", ".machinable/changes/")
        return {key: size for key, size in found.items() if not key.startswith(caches)}

    def remove_key(self, url: str, key: str) -> None:
        """Deletes one file of the storage behind machinable's back. Override it where it is no URL."""
        scheme = scheme_of(url)
        if scheme is not None and scheme[0] not in ("file", "osfs", "mem"):
            open_store(url).delete([key])
        else:
            os.unlink(os.path.join(locate(url), key))

    def outage(self, url: str, how: str) -> Callable[[], None] | None:
        """Has all that is written to the storage fail from now on, and returns what ends that.

        Override it where you can: without, the tests of faults are skipped. `how` is "down" (nobody answers), "busy"
        (the server has errors, or asks to slow down), "cut" (connections break in the midst of what is sent) or
        "refused" (credentials that have expired).
        """
        return None
