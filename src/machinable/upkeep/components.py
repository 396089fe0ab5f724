"""The checks of one component's record: is it what its name says, and can all of it be read?"""

from __future__ import annotations

import os

from machinable.errors import DamagedRecord, MachinableError, StorageError
from machinable.identity.ids import component_id
from machinable.identity.request import identity_of
from machinable.records.documents import load
from machinable.records.lineage import inputs_of, locate_input
from machinable.records.record import META, TOMBSTONE, Record, State
from machinable.records.shapes import Shape, class_key
from machinable.records.sweep import leftovers
from machinable.records.trash import bury
from machinable.types import Status
from machinable.upkeep.finding import NOTE, WRONG, Finding, leftover, short, unreadable
from machinable.upkeep.tables import check_tables
from machinable.upkeep.trashed import throw_away

__all__ = ["Known", "check_component"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_KEYS: dict[str, Any] = {
    "kind": str,
    "id": str,
    "identity": str,
    "request": dict,
    "shape": dict,
    "seed": int,
    "nickname": str,
    "timestamp": (int, float),
}
_RESTORE = "Restore the file from a copy, or remove the record and launch it again"


class Known:
    """What the checks of records are compared with: the IDs, executions and shapes that the storage has."""

    __slots__ = ("executions", "ids", "shapes", "states")

    def __init__(self, ids: set[str], executions: set[str], shapes: set[tuple[str, str]] | None) -> None:
        self.states: dict[str, str] = {}  # of the records that could be read, by path; filled by the checks
        self.ids = ids  # of all components
        self.executions = executions
        self.shapes = shapes  # class and shape; `None`: there is no cache, and none is missed


def check_component(record: Record, path: str, known: Known) -> Iterator[Finding]:
    """All that is wrong with the record at `path`, relative to its storage."""
    try:
        names = os.listdir(record.directory)
    except NotADirectoryError:
        yield Finding(WRONG, "file", path, "a file has the name of a component", "Move it away")
        return
    except FileNotFoundError:
        return  # removed this moment
    except OSError as error:
        yield unreadable(path, error)
        return
    yield from _leftovers(record, path)
    if not names:
        remove = lambda: _remove_empty(record.directory)  # noqa: E731
        yield Finding(NOTE, "empty", path, "the directory is empty", "Remove it", remove, is_safe=True)
        return
    if os.path.exists(os.path.join(record.meta, TOMBSTONE)):
        yield from _tombstone(record, path)
        return
    document, found = _document(record, path)
    yield from found
    if document is None:
        return
    yield from _identity(record, path, document)
    yield from _shape(path, document, known)
    state, found = _attempts(record, path)
    yield from found
    yield from check_tables(record, path, state)
    if state is not None:
        known.states[path] = str(state.status)
        yield from _inputs(record, path, state, known)


def _document(record: Record, path: str) -> tuple[dict[str, Any] | None, list[Finding]]:
    """component.json, if all that has to be there is there."""
    name = f"{path}/{META}/component.json"
    to_trash = _to_trash(record)
    try:
        document = load(os.path.join(record.meta, "component.json"))
    except FileNotFoundError:
        what = "component.json is missing, which says what was asked for"
        return None, [Finding(WRONG, "document", name, what, _RESTORE, to_trash)]
    except DamagedRecord as error:
        what = f"component.json can not be read: {short(error, name)}"
        if error.recoverable and not _is_running(record):
            mend = "The next launch moves the record to the trash and runs the component anew"
            fix = lambda: _bury(record)  # noqa: E731
            return None, [Finding(WRONG, "cut", name, what, mend, fix, is_safe=True)]
        return None, [Finding(WRONG, "document", name, what, _RESTORE, to_trash)]
    except StorageError as error:
        return None, [Finding(NOTE, "format", name, str(error), "Upgrade machinable to check it")]
    except NotADirectoryError:
        what = "a file stands where the directory .machinable belongs"
        return None, [Finding(WRONG, "document", name, what, _RESTORE, to_trash)]
    except OSError as error:
        return None, [unreadable(name, error)]
    wrong = [key for key, kind in _KEYS.items() if not isinstance(document.get(key), kind)]
    if wrong or document["kind"] != "component":
        what = f"component.json lacks {', '.join(wrong)}" if wrong else "component.json is of another kind"
        return None, [Finding(WRONG, "document", name, what, _RESTORE, to_trash)]
    return document, []


def _identity(record: Record, path: str, document: dict[str, Any]) -> Iterator[Finding]:
    """Whether the request gives the identity, and that the ID, the directory and the seed."""
    name = f"{path}/{META}/component.json"
    request = document["request"]
    if request.get("v") != 1:
        what = f"the request is of version {request.get('v')!r}, which this machinable does not know"
        yield Finding(NOTE, "format", name, what, "Upgrade machinable to check it")
        return
    try:
        identity = identity_of(request)
    except (MachinableError, TypeError, ValueError, RecursionError) as error:
        yield Finding(
            WRONG, "identity", name, f"the request has no identity: {error}", _RESTORE, _to_trash(record)
        )
        return
    if identity != document["identity"]:
        told = str(document["identity"])[:12]
        what = f"what was asked for has the identity {identity[:12]}…, but the record names {told}…"
        yield Finding(
            WRONG,
            "identity",
            name,
            f"{what}: component.json was changed",
            "Restore it from a copy, or remove the record: it answers no request",
            _to_trash(record),
        )
        return
    id_ = component_id(identity)
    if document["id"] != id_:
        what = f"the record names the ID {document['id']}, but its identity gives {id_}"
        yield Finding(WRONG, "identity", name, what, _RESTORE, _to_trash(record))
    elif record.id != id_:
        target = os.path.join(os.path.dirname(record.directory), id_)
        what = f"the directory was renamed: it holds the record of {id_}"
        fix = None if os.path.lexists(target) else lambda: _rename(record.directory, target)
        yield Finding(WRONG, "renamed", path, what, f"Rename the directory to {id_}", fix)
    derived = int(identity[:8], 16)
    if document["seed"] != (request["seed"] if request.get("seed") is not None else derived):
        what = f"the seed is {document['seed']}, which is not that of what was asked for"
        yield Finding(WRONG, "seed", name, what, _RESTORE)


def _shape(path: str, document: dict[str, Any], known: Known) -> Iterator[Finding]:
    shape, request = document["shape"], document["request"]
    try:
        name = Shape(shape["fields"], shape["uses"]).name
        key = class_key(request["module"], request["class"])
    except (MachinableError, KeyError, TypeError, ValueError) as error:
        what = f"the shape of the class can not be read: {error!r}"
        yield Finding(WRONG, "shape", f"{path}/{META}/component.json", what, _RESTORE)
        return
    if known.shapes is not None and (key, name) not in known.shapes:
        what = f"the cache of shapes lacks that of this record ({key}/{name})"
        yield Finding(WRONG, "shapes", path, what, "machinable doctor --fix makes the cache anew")


def _attempts(record: Record, path: str) -> tuple[State | None, list[Finding]]:
    """The state, and what is wrong with the attempts and notes that it derives from."""
    found: list[Finding] = []
    name = f"{path}/{META}"
    try:
        numbers = record.numbers()
        missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
        if missing or not numbers:
            files = ", ".join(f"attempt-{number}.jsonl" for number in missing or [1])
            mend = (
                "Restore it from a copy; the attempts that are left count" if numbers else "Launch it again"
            )
            found.append(Finding(WRONG, "attempts", name, f"{files} is missing", mend))
        for attempt in record.attempts():
            if attempt.damage is not None and attempt.number < numbers[-1]:
                what = f"attempt {attempt.number} was cut by a crash"
                found.append(Finding(NOTE, "cut", name, what, "A later attempt counts"))
        state = record.state()
    except DamagedRecord as error:
        mend = "Restore the file from a copy, or remove the record and launch it again"
        found.append(Finding(WRONG, "attempts", name, short(error, name), mend, _to_trash(record)))
        return None, found
    except StorageError as error:
        found.append(
            Finding(WRONG, "attempts", name, short(error, name), "Look at the file", _to_trash(record))
        )
        return None, found
    except FileNotFoundError:
        return None, found  # removed this moment
    except OSError as error:
        return None, [*found, unreadable(name, error)]
    except (KeyError, TypeError, ValueError) as error:
        what = f"an attempt or a note lacks what it needs: {error!r}"
        found.append(Finding(WRONG, "attempts", name, what, _RESTORE, _to_trash(record)))
        return None, found
    if state.status is Status.LOST:
        module = record.document["request"]["module"]
        mend = f"Launch {module} again with this configuration: it resumes"
        found.append(Finding(NOTE, "lost", path, f"the component is lost: {state.evidence}", mend))
    return state, found


def _inputs(record: Record, path: str, state: State, known: Known) -> Iterator[Finding]:
    for each in inputs_of(record, state):
        if each.id in known.ids or each.asked in known.ids:
            continue
        if locate_input(record, each) is None:  # it may have come after the storage was listed
            what = f"its input {each.name or '(observed)'} {each.id} is not in this storage"
            mend = "Restore it (machinable rm --restore), or copy it here; results are not affected"
            yield Finding(NOTE, "input", path, what, mend)
    execution = state.attempt.started.get("execution") if state.attempt is not None else None
    if execution is not None and execution not in known.executions:
        what = f"it was run by the execution {execution}, which is not in this storage"
        yield Finding(NOTE, "execution", path, what, "Which code it ran is known by its fingerprint alone")


def _leftovers(record: Record, path: str) -> Iterator[Finding]:
    for directory, where in ((record.directory, path), (record.meta, f"{path}/{META}")):
        try:
            found = leftovers(directory, record.root)
        except OSError:
            continue
        for each in found:
            yield leftover(each, where)


def _tombstone(record: Record, path: str) -> Iterator[Finding]:
    where = f"{path}/{META}/{TOMBSTONE}"
    try:
        document = load(os.path.join(record.meta, TOMBSTONE))
        told = component_id(document["identity"])
    except (StorageError, OSError, KeyError, TypeError, ValueError) as error:
        yield Finding(
            WRONG, "tombstone", where, f"the tombstone can not be read: {error}", "Restore the file"
        )
        return
    if told != record.id:
        yield Finding(WRONG, "tombstone", where, f"it is the tombstone of {told}", f"Rename {path} to {told}")


def _is_running(record: Record) -> bool:
    try:
        return record.state().status is Status.RUNNING
    except (StorageError, OSError, KeyError, TypeError, ValueError):
        return False


def _to_trash(record: Record) -> Any:
    def fix() -> str:
        if _is_running(record):
            raise StorageError(f"{record.directory} runs. Interrupt it first: machinable cancel {record.id}")
        throw_away(record.root, record.directory)
        return "moved the record to the trash"

    return fix


def _bury(record: Record) -> str:
    return (
        "moved the record to the trash"
        if bury(record.root, record.directory)
        else "another process does that"
    )


def _rename(source: str, target: str) -> str:
    os.rename(source, target)
    return f"renamed it to {os.path.basename(target)}"


def _remove_empty(directory: str) -> str:
    os.rmdir(directory)
    return "removed it"
