"""`machinable index`: the searchable copy of what the records say; where it is, and how to make it anew."""

from __future__ import annotations

import os
import time

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.stored import as_json, storage_of
from machinable.errors import ConfigurationError
from machinable.index import open_index
from machinable.index.database import cache_path, default_path
from machinable.wording import age, counted, duration, nearest, size

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELP = """\
machinable index [rebuild] [--json]

Tells where the index of the storage is, of how many components, and how old. It is a cache by which components are
searched: made and brought up to date by whoever searches where there are many, and never needed; deleting it loses
nothing. `rebuild` throws it away and reads every record again.

Options:
  --json            print it as JSON
  --storage URL     which storage

Examples:
  machinable index
  machinable index rebuild
"""

_REBUILD = "machinable index rebuild"


def run(words: list[str], options: Options) -> int:
    """Tells of the index, or makes it anew."""
    flags = parse_flags("index", words, options, switches=("--json",))
    if flags.words and flags.words != ["rebuild"]:
        near = nearest(flags.words[0], ["rebuild"])
        hint = (
            " Did you mean 'rebuild'?" if near else " Write: machinable index, or machinable index rebuild."
        )
        raise ConfigurationError(f"machinable index knows no {' '.join(flags.words)!r}.{hint}")
    root = storage_of(options)
    told = _rebuilt(root) if flags.words else _told(root)
    if "--json" in flags:
        say(as_json({"storage": root, **told}))
        return 0
    if told["path"] is None:
        note(
            f"machinable: {place(root)} has no index: one is made when there is much to search, or by: {_REBUILD}"
        )
        return 0
    parts = [place(told["path"]), counted(told["components"], "component"), size(told["bytes"])]
    parts += [f"{told['damaged']} of them damaged"] if told["damaged"] else []
    if flags.words:
        parts.append(f"made anew in {duration(told['seconds'])}")
    else:
        parts.append(f"brought up to date {age(told['age_seconds'])} ago")
    say(" · ".join(parts))
    return 0


def _told(root: str) -> dict[str, Any]:
    """What there is, as it is: nothing is brought up to date for it."""
    path = next((each for each in (default_path(root), cache_path(root)) if os.path.isfile(each)), None)
    if path is None or not os.path.isdir(root):
        return {"path": None, "components": 0, "damaged": 0, "bytes": 0, "age_seconds": None}
    modified = os.stat(path).st_mtime
    return {**_counted(root), "age_seconds": round(max(time.time() - modified, 0.0), 3)}


def _rebuilt(root: str) -> dict[str, Any]:
    if not os.path.isdir(root):
        return {"path": None, "components": 0, "damaged": 0, "bytes": 0, "seconds": 0.0}
    began = time.monotonic()
    open_index(root).rebuild()
    seconds = time.monotonic() - began
    return {**_counted(root), "seconds": round(seconds, 3)}


def _counted(root: str) -> dict[str, Any]:
    index = open_index(root)
    damaged = index.count(damaged=True)
    components = index.count() + damaged
    path = index.path
    size_bytes = os.stat(path).st_size if path is not None and os.path.exists(path) else 0
    return {"path": path or "(in memory)", "components": components, "damaged": damaged, "bytes": size_bytes}
