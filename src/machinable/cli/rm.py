"""`machinable rm`: moves executions and components to the trash of their storage."""

from __future__ import annotations

import os

from machinable.cli.confirm import confirm
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import place, say
from machinable.cli.stored import lookup, storage_of
from machinable.errors import ConfigurationError, StorageError
from machinable.execution.stored import StoredExecution
from machinable.identity.ids import component_id
from machinable.identity.request import Request
from machinable.records.listing import records_in
from machinable.records.record import Record
from machinable.records.trash import leave_tombstone, move_to_trash
from machinable.store.files import failure
from machinable.types import Status
from machinable.wording import counted

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = """\
machinable rm ID… [--yes]

Moves executions and components to the trash of their storage, .machinable/trash; moving them back restores them.
What others use, and what runs, stays: remove the users first, or together with it.

Options:
  --yes             do not ask
  --storage URL     which storage

Examples:
  machinable rm 4fKq0ZpT1xYc
  machinable rm OY1p1o --yes
"""

_LISTED = 5


def run(words: list[str], options: Options) -> int:
    """Moves what is named to the trash, all or nothing."""
    flags = parse_flags("rm", words, options, switches=("--yes",))
    if not flags.words:
        raise ConfigurationError("Nothing to remove is named. Give IDs: machinable rm 4fKq0ZpT1xYc")
    root = storage_of(options)
    found = {each.directory: each for each in (lookup(root, word) for word in flags.words)}
    # A component of an execution that goes as a whole goes with it.
    kept = [each for directory, each in found.items() if os.path.dirname(directory) not in found]
    records = {record.directory: record for each in kept for record in _records(each)}
    _refuse(root, records)
    named = [_name(each) for each in kept]
    names = ", ".join(named[:_LISTED])
    more = f" and {len(kept) - _LISTED} more" if len(kept) > _LISTED else ""
    if not confirm(f"Move {names}{more} to the trash?", yes="--yes" in flags):
        return 2
    for each, name in zip(kept, named, strict=True):
        try:
            identity = _followed(each, records)
            trash = move_to_trash(root, each.directory)
            if identity is not None:
                leave_tombstone(each.directory, identity)
        except OSError as error:
            raise failure(error, each.directory, "move to the trash") from error
        say(f"moved {name} to {place(trash)}")
    return 0


def _records(found: Record | StoredExecution) -> list[Record]:
    """The records that go with it: those that lie in an execution's directory, not those that it was given by `get`."""
    if isinstance(found, Record):
        return [found]
    inside = (entry.record for entry in found.entries() if entry.record is not None)
    return [record for record in inside if os.path.dirname(record.directory) == found.directory]


def _followed(found: Record | StoredExecution, going: dict[str, Record]) -> str | None:
    """The identity of a record that a newer one of the same request follows: look-ups have to find the way to it."""
    if not isinstance(found, Record):
        return None
    try:
        request = Request.from_document(found.document["request"])
    except (StorageError, KeyError, TypeError, ValueError):
        return None
    newer = os.path.join(os.path.dirname(found.directory), request.with_counter(request.counter + 1).id)
    return request.identity if os.path.isdir(newer) and newer not in going else None


def _name(found: Record | StoredExecution) -> str:
    if isinstance(found, StoredExecution):
        return f"execution {found.id} ({counted(len(_records(found)), 'component')})"
    try:
        return f"{found.document['request']['module']} {found.id}"
    except (StorageError, KeyError, TypeError):  # damaged, and for that reason to be removed
        return found.id


def _refuse(root: str, records: dict[str, Record]) -> None:
    """Raises StorageError if something of it runs, or is used by what stays."""
    for record in records.values():
        try:
            state = record.state()
        except StorageError:
            continue
        if state.status is Status.RUNNING:
            raise StorageError(
                f"{_name(record)} runs ({state.evidence}). Interrupt it first: machinable cancel {record.id}"
            )
    used = {record.id: record for record in records.values()}
    for user in records_in(root):
        if user.directory in records:
            continue
        for id_ in _inputs(user):
            if id_ in used:
                raise StorageError(
                    f"{_name(used[id_])} is used by {_name(user)} ({place(user.directory)}). "
                    f"Remove that first, or both: machinable rm {id_} {user.id}"
                )


def _inputs(record: Record) -> Iterator[str]:
    try:
        uses = record.document["request"].get("uses") or {}
        yield from map(component_id, uses.values())
        attempt = record.state().attempt
        if attempt is not None:
            yield from (attempt.started.get("uses") or {}).values()
            yield from (attempt.end or {}).get("observed", ())
    except (StorageError, OSError, KeyError, TypeError, ValueError):
        return  # a damaged record uses nothing that could be told
