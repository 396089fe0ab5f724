"""`machinable du`: how many bytes are kept, and for what."""

from __future__ import annotations

import os

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.rows import rows_of
from machinable.cli.stored import as_json, module_word, storage_of
from machinable.cli.waiting import Waiting
from machinable.execution.tables import text_of
from machinable.upkeep.elsewhere import objects_of
from machinable.upkeep.usage import Files, Usage, usage_of
from machinable.wording import counted, size

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

HELP = """\
machinable du [MODULE] [--json]

Tells how many bytes the storage holds: by module and by execution, the largest first, with checkpoints and logs; and
apart from these the trash, the snapshots of code and the index. Of one module: by component.

Options:
  --json            print all of it as JSON, each component too
  --storage URL     which storage

Examples:
  machinable du
  machinable du train
  machinable du --json
"""

_LISTED = 20
_APART = {
    "trash": "to empty it: machinable rm --empty-trash",
    "code": "snapshots of the project",
    "index": "a cache",
    "shapes": "a cache",
    "environments": "installed packages",
    "executions": "what is kept of each execution",
    "other": "what belongs to no component",
}


def run(words: list[str], options: Options) -> int:
    """Prints the bytes."""
    flags = parse_flags("du", words, options, switches=("--json",))
    module = module_word("du", flags.words)
    root = storage_of(options)
    with Waiting("counting files") as waiting:
        components, apart = usage_of(root, *_elsewhere(root), tick=waiting.tick)
    if module is not None:
        components, apart = [each for each in components if each.module == module], {}
    if "--json" in flags:
        say(as_json(_document(root, components, apart)))
        return 0
    if not components and not apart:
        what = f"no component of {module}" if module is not None else "nothing"
        note(f"machinable: there is {what} in {place(root)}")
        return 0
    total = _bytes(components, apart)
    of = f" of {module}" if module is not None else ""
    say(f"{size(total)} in {place(root)}: {counted(len(components), 'component')}{of}")
    if module is not None:
        _table("component", {each.path: [each] for each in components})
        return 0
    _table("module", _by(components, lambda each: each.module or "(damaged)"))
    if any(each.execution for each in components):
        _table("execution", _by(components, lambda each: each.execution or "(none)"))
    if apart:
        body = [[name, size(files.bytes), _APART[name]] for name, files in _largest(apart)]
        say("\n" + text_of(("apart", "size", ""), body, right=("size",)))
    return 0


def _elsewhere(root: str) -> tuple[Iterable[tuple[str, int]] | None, Callable[[str], str | None] | None]:
    """Of a storage elsewhere, its objects, and the modules of its components; `None` where the files are here."""
    objects = objects_of(root)
    if objects is None:
        return None, None
    modules = {row["path"]: row["module"] for row in rows_of(root)}
    return objects, modules.get


def _bytes(components: list[Usage], apart: dict[str, Files]) -> int:
    return sum(each.bytes for each in components) + sum(each.bytes for each in apart.values())


def _largest(apart: dict[str, Files]) -> list[tuple[str, Files]]:
    return sorted(apart.items(), key=lambda item: -item[1].bytes)


def _by(components: list[Usage], name: Callable[[Usage], str]) -> dict[str, list[Usage]]:
    groups: dict[str, list[Usage]] = {}
    for each in components:
        groups.setdefault(name(each), []).append(each)
    return groups


def _sums(groups: dict[str, list[Usage]]) -> list[tuple[str, int, Usage]]:
    """What each group takes, the largest first."""
    found = []
    for name, members in groups.items():
        total = Usage()
        for each in members:
            total.add(each)
        found.append((name, len(members), total))
    return sorted(found, key=lambda row: (-row[2].bytes, row[0]))


def _table(title: str, groups: dict[str, list[Usage]]) -> None:
    rows = _sums(groups)
    if not rows:
        return
    one_each = all(count == 1 for _, count, _ in rows) and title == "component"
    body = [
        [
            name,
            *([] if one_each else [str(count)]),
            size(total.bytes),
            *(
                size(each.bytes) if each.bytes else "-"
                for each in (total.files, total.checkpoints, total.logs)
            ),
        ]
        for name, count, total in rows[:_LISTED]
    ]
    sizes = ("size", "files", "checkpoints", "logs")
    say("\n" + text_of((title, *([] if one_each else ["components"]), *sizes), body, right=sizes))
    if len(rows) > _LISTED:
        say(f"and {len(rows) - _LISTED} more")


def _document(root: str, components: list[Usage], apart: dict[str, Files]) -> dict[str, Any]:
    def grouped(key: str, name: Callable[[Usage], str | None]) -> list[dict[str, Any]]:
        groups: dict[Any, list[Usage]] = {}
        for each in components:
            groups.setdefault(name(each), []).append(each)
        return [
            {key: name_, "components": count, **each.document()} for name_, count, each in _ordered(groups)
        ]

    return {
        "storage": root,
        "bytes": _bytes(components, apart),
        "modules": grouped("module", lambda each: each.module),
        "executions": grouped("execution", lambda each: each.execution),
        "components": [
            {"path": each.path.replace(os.sep, "/"), "module": each.module, **each.document()}
            for each in sorted(components, key=lambda each: (-each.bytes, each.path))
        ],
        "apart": {name: {"bytes": files.bytes, "files": files.count} for name, files in _largest(apart)},
    }


def _ordered(groups: dict[Any, list[Usage]]) -> list[tuple[Any, int, Usage]]:
    named = {str(name): name for name in groups}
    return [
        (named[text], count, total)
        for text, count, total in _sums({str(name): members for name, members in groups.items()})
    ]
