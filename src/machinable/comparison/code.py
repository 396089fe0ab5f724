"""The code that two attempts or runs ran: the fingerprints of their modules, and the files of their snapshots."""

from __future__ import annotations

import os
import stat

from machinable.comparison.pairs import differing, pair
from machinable.errors import StorageError
from machinable.execution.record import execution_directory
from machinable.execution.stored import StoredExecution
from machinable.records.documents import load_dated
from machinable.records.elsewhere import fetch_shared
from machinable.records.record import META, Record

__all__ = ["Code", "code_of_component", "code_of_execution", "compare_code", "run_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from zipfile import ZipFile, ZipInfo

_LARGEST_TEXT_BYTES = 1 << 20
_UTF8 = 0x800


class Code:
    """What is known of the code behind something.

    Attributes:
        fingerprint: Of the modules that a component's module imports; `None` where it is not known.
        described: What the run says of its snapshot: `hash`, `commit`, `branch`, `dirty`.
        path: The snapshot's zip; `None` where there is none.
        why: Why there is none.
    """

    __slots__ = ("described", "fingerprint", "path", "why")

    def __init__(
        self, fingerprint: str | None, described: dict[str, Any], path: str | None, why: str
    ) -> None:
        self.fingerprint = fingerprint
        self.described = described
        self.path = path
        self.why = why


def code_of_component(record: Record) -> Code:
    """The code of the attempt that counts. Raises StorageError if the record, or its execution, is damaged."""
    attempt = record.state().attempt
    if attempt is None:
        return Code(None, {}, None, f"{record.id} has not run")
    fingerprint = attempt.started.get("code")
    run = run_of(record, attempt.started)
    if run is None:
        why = f"{record.id} was launched by itself, without a snapshot of the code"
        if attempt.started.get("execution") is not None:
            why = f"the run of {record.id}, which names the snapshot, is not in the storage"
        return Code(fingerprint, {}, None, why)
    return _of_run(record.root, fingerprint, run, f"the run of {record.id}")


def code_of_execution(execution: StoredExecution) -> Code:
    """The code of the last run. Raises StorageError if a run is damaged."""
    runs = execution.runs()
    if not runs:
        return Code(None, {}, None, f"{execution.id} has no run")
    return _of_run(execution.root, None, runs[-1], f"the last run of {execution.id}")


def run_of(record: Record, started: dict[str, Any]) -> dict[str, Any] | None:
    """The document of the run that an attempt belongs to; `None` for a launch by itself, or if it is gone."""
    if started.get("execution") is None:
        return None
    try:
        directory = execution_directory(record.root, str(started["execution"]))
        runs = load_dated(os.path.join(directory, META, "runs"))
    except OSError:
        return None
    return next((run for run in runs if run.get("run") == started.get("run")), None)


def _of_run(root: str, fingerprint: str | None, run: dict[str, Any], name: str) -> Code:
    code = run.get("code")
    if not isinstance(code, dict) or not isinstance(code.get("hash"), str):
        return Code(fingerprint, {}, None, f"{name} has no snapshot")
    described = {key: code.get(key) for key in ("hash", "commit", "branch", "dirty")}
    path = os.path.join(root, META, "code", f"{code['hash']}.zip")
    if not fetch_shared(path):
        return Code(fingerprint, described, None, f"the snapshot {code['hash'][:12]} is not in the storage")
    return Code(fingerprint, described, path, "")


def compare_code(a: Code, b: Code, most_lines: int) -> dict[str, Any]:
    """What differs in the code, as plain JSON.

    Args:
        most_lines: How many lines of differences are told, over all files.
    Raises:
        StorageError: If a snapshot can not be read.
    """
    found: dict[str, Any] = {
        "same": None,
        "fingerprint": pair(a.fingerprint, b.fingerprint),
        "snapshot": differing(a.described, b.described) if a.described and b.described else {},
    }
    if a.fingerprint is not None and b.fingerprint is not None:
        found["same"] = a.fingerprint == b.fingerprint
    why = [each.why for each in (a, b) if each.why]
    if why:
        found["not_compared"] = why
    elif a.described["hash"] == b.described["hash"]:
        found["same"] = True
    else:
        found.update(_files(str(a.path), str(b.path), most_lines))
        # Of two components, the modules that they import decide; of two executions, the whole project.
        found["same"] = False if found["same"] is None else found["same"]
    return found


def _files(a: str, b: str, most_lines: int) -> dict[str, Any]:
    from zipfile import BadZipFile, ZipFile

    path = a
    try:
        with ZipFile(a) as first:
            path = b
            with ZipFile(b) as second:
                return _compared(first, second, most_lines)
    except (OSError, BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
        raise StorageError(
            f"The snapshot {path} can not be read: {error}. machinable doctor says more."
        ) from error


def _compared(first: ZipFile, second: ZipFile, most_lines: int) -> dict[str, Any]:
    old, new = _listed(first), _listed(second)
    changed = [name for name in old if name in new and _content(old[name]) != _content(new[name])]
    lines: list[str] = []
    left_out = 0
    for name in changed:
        difference = _difference(name, _text(first, old[name]), _text(second, new[name]))
        room = max(most_lines - len(lines), 0)
        lines += difference[:room]
        left_out += len(difference[room:])
    return {
        "files": {
            "changed": changed,
            "only_a": [name for name in old if name not in new],
            "only_b": [name for name in new if name not in old],
        },
        "diff": lines,
        "diff_lines_left_out": left_out,
    }


def _listed(archive: ZipFile) -> dict[str, ZipInfo]:
    """The files of a snapshot by name; names that are no UTF-8 with the escapes that Python has for them."""
    found = {}
    for info in archive.infolist():
        raw = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        found[os.fsdecode(raw)] = info
    return found


def _content(info: ZipInfo) -> tuple[int, int, int]:
    return info.CRC, info.file_size, info.external_attr >> 16


def _text(archive: ZipFile, info: ZipInfo) -> list[str] | None:
    """The lines of a text file, or the target of a link; `None` for anything else."""
    if info.file_size > _LARGEST_TEXT_BYTES:
        return None
    data = archive.read(info)
    if b"\0" in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return ["link to " + text] if stat.S_ISLNK(info.external_attr >> 16) else text.splitlines()


def _difference(name: str, a: list[str] | None, b: list[str] | None) -> list[str]:
    if a is None or b is None:
        return [f"{name}: not a text, or longer than a megabyte"]
    from difflib import unified_diff

    lines = list(unified_diff(a, b, f"a/{name}", f"b/{name}", lineterm=""))
    return lines or [f"{name}: only whether it is executable, or the ends of its lines"]
