"""The checks of one execution: does its name give its seed, and can its runs be read?"""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.identity import base62
from machinable.identity.ids import EXECUTION_DIGITS
from machinable.identity.nickname import nickname
from machinable.records.documents import encode, load
from machinable.records.record import META
from machinable.records.sweep import leftovers
from machinable.store import owner
from machinable.store.files import write_whole
from machinable.upkeep.elsewhere import has_shared
from machinable.upkeep.finding import NOTE, WRONG, Finding, leftover, unreadable

__all__ = ["check_execution"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_RESTORE = "Restore the file from a copy"
_LOSES_THE_DATE = "Restore the file from a copy, or have it made from the ID, which loses only the date"


def check_execution(root: str, name: str) -> Iterator[Finding]:
    """All that is wrong with the execution in the directory `name` of a storage; its components apart."""
    directory = os.path.join(root, name)
    meta = os.path.join(directory, META)
    for place, where in ((directory, name), (meta, f"{name}/{META}")):
        try:
            found = leftovers(place, root)
        except OSError:
            continue
        for each in found:
            yield leftover(each, where)
    where = f"{name}/{META}/execution.json"
    try:
        document = load(os.path.join(meta, "execution.json"))
    except NotADirectoryError:
        if os.path.isdir(directory):
            yield Finding(
                WRONG, "file", f"{name}/{META}", "a file stands where a directory belongs", "Move it away"
            )
        return  # a file with six letters is nobody's business
    except FileNotFoundError:
        if os.path.isdir(meta):
            yield Finding(
                WRONG, "execution", where, "execution.json is missing", _LOSES_THE_DATE, _anew(meta, name)
            )
        return
    except OSError as error:
        yield unreadable(where, error)
        return
    except StorageError as error:
        what = f"execution.json can not be read: {error}"
        yield Finding(WRONG, "execution", where, what, _LOSES_THE_DATE, _anew(meta, name))
        return
    yield from _identity(name, where, document)
    yield from _runs(root, name)


def _identity(name: str, where: str, document: dict[str, Any]) -> Iterator[Finding]:
    seed, id_ = document.get("seed"), document.get("id")
    if not isinstance(seed, int) or not isinstance(id_, str) or not 0 <= seed < 62**EXECUTION_DIGITS:
        yield Finding(WRONG, "execution", where, "execution.json lacks the ID or the seed", _RESTORE)
        return
    told = base62.encode(seed, EXECUTION_DIGITS)
    if told != id_:
        yield Finding(WRONG, "execution", where, f"the seed {seed} gives the ID {told}, not {id_}", _RESTORE)
        return
    mask = sum(1 << (5 - position) for position, letter in enumerate(id_) if letter.isupper())
    if name not in (id_, f"{id_}~{mask:02x}"):
        what = f"the directory was renamed: it holds the execution {id_}"
        yield Finding(WRONG, "renamed", name, what, f"Rename the directory to {id_}")


def _runs(root: str, name: str) -> Iterator[Finding]:
    runs = os.path.join(root, name, META, "runs")
    try:
        names = sorted(each for each in os.listdir(runs) if each.endswith(".json"))
    except OSError:
        return
    for each in names:
        where = f"{name}/{META}/runs/{each}"
        try:
            run = load(os.path.join(runs, each))
        except (StorageError, OSError) as error:
            yield Finding(WRONG, "run", where, f"the run can not be read: {error}", _RESTORE)
            continue
        code = run.get("code")
        named = {
            "the snapshot of its code": ("code", code.get("hash") if isinstance(code, dict) else None, "zip"),
            "its environment": ("environments", run.get("environment"), "json"),
        }
        for what, (folder, hash_, ending) in named.items():
            path = f"{META}/{folder}/{hash_}.{ending}"
            if isinstance(hash_, str) and not has_shared(os.path.join(root, path)):
                mend = "Copy it here from another storage; results are not affected"
                yield Finding(NOTE, folder.removesuffix("s"), where, f"{what}, {path}, is not there", mend)


def _anew(meta: str, name: str) -> Any:
    """Writes execution.json from what the name of the directory says: its seed."""

    def fix() -> str:
        id_ = name.partition("~")[0]
        document = {
            "kind": "execution",
            "id": id_,
            "seed": base62.decode(id_),
            "nickname": nickname(id_),
            "timestamp": os.stat(meta).st_mtime,
        }
        path = os.path.join(meta, "execution.json")
        write_whole(path, encode(document), os.path.join(meta, f".execution.{owner.token()}"))
        return "wrote execution.json anew, from the ID"

    return fix
