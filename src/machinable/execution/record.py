"""What is kept of an execution: execution.json, and one immutable document for each of its runs."""

from __future__ import annotations

import os
import sys
import time

from machinable.execution.machine import describe_machine
from machinable.records.claiming import warn_of_races
from machinable.records.documents import encode, load, publish_dated
from machinable.records.elsewhere import look_below, share
from machinable.records.environment import remember_environment
from machinable.records.record import META
from machinable.store import owner
from machinable.store.files import create, failure, publish_directory, remove_tree
from machinable.store.url import redacted

__all__ = ["commit_execution", "commit_run", "execution_directory"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def execution_directory(root: str, id_: str) -> str:
    """Where the execution of this ID lies in the storage `root`, or would lie. Raises StorageError.

    Where the file system ignores case and another ID has the name, it is `<ID>~<case mask>`: two hexadecimal digits
    for six bits, the first character's the highest, set where the character is a capital.
    """
    directory = os.path.join(root, id_)
    look_below(root, id_)
    try:
        found = load(os.path.join(directory, META, "execution.json")).get("id")
    except FileNotFoundError:
        return directory
    except OSError as error:
        raise failure(error, directory, "read") from error
    if found == id_:
        return directory
    mask = sum(1 << (5 - position) for position, character in enumerate(id_) if character.isupper())
    return f"{directory}~{mask:02x}"


def commit_execution(root: str, id_: str, seed: int, nickname: str, timestamp: float) -> str:
    """Publishes the directory of an execution, unless it is there already. Returns it. Raises StorageError."""
    warn_of_races(root)
    for _ in range(2):  # the second time, when an ID that differs only in case was published meanwhile
        directory = execution_directory(root, id_)
        if os.path.exists(os.path.join(directory, META, "execution.json")):
            return directory
        _publish(
            directory,
            {"kind": "execution", "id": id_, "seed": seed, "nickname": nickname, "timestamp": timestamp},
        )
    return execution_directory(root, id_)


def _publish(directory: str, document: dict[str, Any]) -> None:
    parent, name = os.path.split(directory)
    prepared = os.path.join(parent, f".{name}.{owner.token()}")
    path = os.path.join(directory, META, "execution.json")
    try:
        os.makedirs(os.path.join(prepared, META))
        data = encode(document)
        share(path, data, exclusive=True)
        os.close(create(os.path.join(prepared, META, "execution.json"), data))
        publish_directory(prepared, directory, lambda: os.path.exists(path))
    except OSError as error:
        raise failure(error, directory) from error
    finally:
        remove_tree(prepared)


def commit_run(
    root: str,
    directory: str,
    *,
    engine: dict[str, Any],
    components: list[list[str]],
    token: str,
    code: dict[str, Any],
    detached: bool = False,
    conducted: bool = True,
) -> None:
    """Adds the document of a run: what was to run, by which engine, where, by which command. Raises StorageError.

    Args:
        detached: Whether the process that conducts it is there for nothing else.
        conducted: Whether there is such a process at all; a scheduler may be left to it alone.
    """
    moment = time.time()
    document = {
        "kind": "run",
        "run": token,
        "time": moment,
        "engine": engine,
        "plan": components,
        "host": owner.current()["host"],
        "machine": describe_machine(),
        "working_directory": _working_directory(),
        "command": [os.path.basename(sys.executable), *map(redacted, sys.orig_argv[1:])],
        "python": sys.version.split()[0],
        "environment": remember_environment(root),
        "code": code,
    }
    if detached:
        document["detached"] = True
    if not conducted:
        document["conducted"] = False
    publish_dated(os.path.join(directory, META, "runs"), document, moment, token)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed under this process
        return None
