"""What one storage's record is to that of another: the same, an earlier state of it, or something else."""

from __future__ import annotations

from enum import Enum

__all__ = ["Difference", "Verdict", "compare"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.copying.held import Held


class Verdict(Enum):
    """What the target has of a record of the source."""

    ABSENT = "absent"
    SAME = "same"
    EARLIER = "earlier"  # attempts are missing in the target, which has no others
    LATER = "later"  # the target has all of it, and further attempts
    INCOMPLETE = "incomplete"  # files are missing in the target
    DIFFERENT = "different"


class Difference:
    """How a record of the source and that of the target compare.

    Attributes:
        why: What is different, for a sentence.
        files: The paths that the target lacks.
        notes: The names of the notes that it lacks.
    """

    __slots__ = ("files", "notes", "verdict", "why")

    def __init__(
        self, verdict: Verdict, why: str = "", files: tuple[str, ...] = (), notes: tuple[str, ...] = ()
    ):
        self.verdict = verdict
        self.why = why
        self.files = files
        self.notes = notes


def compare(
    source: Held, target: Held | None, hash_of: Callable[[Held, str], str] | None = None
) -> Difference:
    """Compares what two storages hold of a record.

    Files are compared by their sizes, and by their hashes where both sides know them.

    Args:
        hash_of: Tells the hash of a file whose manifest does not; without it, unknown hashes are not compared.
    """
    if target is None:
        return Difference(Verdict.ABSENT)
    if source.component is None or target.component is None:
        if source.component is not None:
            return Difference(Verdict.DIFFERENT, "it was removed there")
        if target.component is not None:
            return Difference(Verdict.LATER)
        return Difference(Verdict.SAME)
    if source.component != target.component:
        same = source.component.get("identity") == target.component.get("identity")
        return Difference(
            Verdict.DIFFERENT,
            "it was made there as well, apart from this one" if same else "another has its name",
        )
    ahead, behind = _further(source.attempts, target.attempts), _further(target.attempts, source.attempts)
    if ahead is None or behind is None or (ahead and behind):
        return Difference(Verdict.DIFFERENT, "both sides have attempts that the other lacks")
    notes = tuple(sorted(source.notes - target.notes))
    if behind:
        return Difference(Verdict.LATER, notes=notes)
    if ahead:
        return Difference(Verdict.EARLIER, notes=notes)
    missing = []
    for path, file in source.files.items():
        other = target.files.get(path)
        if other is None:
            missing.append(path)
            continue
        if file.size != other.size:
            return Difference(Verdict.DIFFERENT, f"{path} has {other.size} bytes there and {file.size} here")
        mine, theirs = file.hash, other.hash
        if hash_of is not None and mine is None:
            mine = hash_of(source, path)
        if hash_of is not None and theirs is None:
            theirs = hash_of(target, path)
        if mine is not None and theirs is not None and mine != theirs:
            return Difference(Verdict.DIFFERENT, f"{path} has other bytes there")
    if missing:
        return Difference(Verdict.INCOMPLETE, files=tuple(sorted(missing)), notes=notes)
    return Difference(Verdict.SAME, notes=notes)


def _further(mine: dict[int, list[dict[str, Any]]], theirs: dict[int, list[dict[str, Any]]]) -> bool | None:
    """Whether one side's attempts say more than the other's; `None` if they say something else."""
    further = False
    for number, events in mine.items():
        others = theirs.get(number)
        if others is None:
            further = True
            continue
        shared = min(len(events), len(others))
        if events[:shared] != others[:shared]:
            return None
        further = further or len(events) > shared
    return further
