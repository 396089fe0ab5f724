"""What came of a copy."""

from __future__ import annotations

from machinable.wording import counted, size

__all__ = ["Report"]


class Report:
    """Counts, and what has to be named.

    Attributes:
        copied, updated, same, later: How many records.
        files: How many files were copied with them, and `bytes` how large they were.
        shared: How many documents besides records: executions and their runs, code, environments.
        running: The places of records that were left out since they run.
        different: Place and reason of what the target has otherwise.
        damaged: Place and reason of what could not be read.
        places: The places of the records that were copied or updated.
    """

    __slots__ = (
        "bytes",
        "copied",
        "damaged",
        "different",
        "files",
        "later",
        "places",
        "running",
        "same",
        "shared",
        "updated",
    )

    def __init__(self) -> None:
        self.copied = self.updated = self.same = self.later = 0
        self.files = self.bytes = self.shared = 0
        self.running: list[str] = []
        self.different: list[tuple[str, str]] = []
        self.damaged: list[tuple[str, str]] = []
        self.places: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether the target has all now that is not running."""
        return not self.different and not self.damaged

    def summary(self, dry: bool = False) -> str:
        """One line."""
        files = f"{counted(self.files, 'file')}, {size(self.bytes)}"
        parts = [f"{'would copy' if dry else 'copied'} {counted(self.copied, 'component')} ({files})"]
        if self.updated:
            parts.append(f"{self.updated} brought up to date")
        parts.append(f"{self.same} there already")
        if self.later:
            parts.append(f"{self.later} later there")
        if self.shared:
            parts.append(f"{counted(self.shared, 'document')} besides")
        if self.running:
            parts.append(f"{len(self.running)} running, left out")
        if self.different:
            parts.append(f"{len(self.different)} different, left alone")
        if self.damaged:
            parts.append(f"{len(self.damaged)} damaged, left out")
        return " · ".join(parts)
