"""`machinable rm`: moves executions and components to the trash of their storage, back, and out of it for good."""

from __future__ import annotations

from machinable.cli.confirm import confirm
from machinable.cli.flags import Flags, parse_flags
from machinable.cli.going import Going, chosen, named
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.stored import as_json, storage_of
from machinable.cli.waiting import Waiting
from machinable.errors import ConfigurationError
from machinable.upkeep.removal import remove
from machinable.upkeep.trashed import Trashed, delete, older_than, restore, trash_of, trashed_named
from machinable.upkeep.usage import files_below
from machinable.wording import counted, size

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

HELP = """\
machinable rm [ID | MODULE]… [FILTER]… [--yes]

Moves executions and components to the trash of their storage, .machinable/trash, and back. What others use, and what
runs, stays: of what is named, then nothing is moved and an error says why; of what filters find, the rest is moved.

IDs and modules say which components; filters, each of which has to hold, leave some of these out. Filters alone are
about all components of the storage. --keep-best comes last, and leaves components alone that have no such value.

Filters:
  --older 30d             those that ended longer ago than that (45s, 15min, 12h, 30d, 8w)
  --failed                the same as --status failed
  --status X              of this status, or one of several: failed,lost
  --where EXPR            for which the expression holds, as for machinable ls
  --keep-best 3 loss      all but the three with the lowest last loss; --keep-best 3 accuracy:max, the highest

Options:
  --dry-run               tell what would be moved, and move nothing
  --yes                   do not ask
  --restore ID…           move back what was moved to the trash
  --empty-trash           delete what is in the trash for good; with --older 30d what was moved there before that
  --json                  print what was done as JSON
  --storage URL           which storage

Examples:
  machinable rm 4fKq0ZpT1xYc
  machinable rm OY1p1o --yes
  machinable rm train --where "lr > 0.1" --dry-run
  machinable rm train --keep-best 3 loss
  machinable rm --failed --older 30d
  machinable rm --restore 4fKq
  machinable rm --empty-trash --older 30d
"""

_LISTED = 5
_TOLD = 20
_VALUED = {
    "--older": "30d",
    "--status": "failed",
    "--where": '"lr > 0.1"',
    "--keep-best": "3 loss",
}


def run(words: list[str], options: Options) -> int:
    """Moves what is meant to the trash, restores it, or empties the trash."""
    flags = parse_flags(
        "rm",
        _joined(words),
        options,
        valued=_VALUED,
        switches=("--failed", "--dry-run", "--yes", "--restore", "--empty-trash", "--json"),
    )
    filters = [name for name in _VALUED if flags.get(name)] + (["--failed"] if "--failed" in flags else [])
    for mode, also in (("--restore", set()), ("--empty-trash", {"--older"})):
        if mode in flags:
            other = next((name for name in filters if name not in also), None)
            other = other or ("--empty-trash" if mode == "--restore" and "--empty-trash" in flags else None)
            if other is not None:
                raise ConfigurationError(f"{mode} and {other} do not go together. Leave one of them out.")
            return _restore(flags, options) if mode == "--restore" else _empty(flags, options)
    if not flags.words and not filters:
        raise ConfigurationError(
            "Nothing to remove is named. Give IDs, or a filter: machinable rm 4fKq0ZpT1xYc, machinable rm --failed"
        )
    root = storage_of(options)
    going = chosen(root, flags) if filters else named(root, flags.words)
    return _move(root, going, flags)


def _joined(words: list[str]) -> list[str]:
    """`--keep-best 3 loss` takes two words; they become one."""
    words = list(words)
    if "--keep-best" in words:
        place_ = words.index("--keep-best") + 1
        if len(words) > place_ + 1 and words[place_].isdecimal() and not words[place_ + 1].startswith("-"):
            words[place_ : place_ + 2] = [f"{words[place_]} {words[place_ + 1]}"]
    return words


def _move(root: str, going: Going, flags: Flags) -> int:
    for path, why in list(going.staying.items())[:_TOLD]:
        note(f"machinable: {path} stays: {why}")
    if len(going.staying) > _TOLD:
        note(f"machinable: and {len(going.staying) - _TOLD} more stay")
    if going.without:
        note(
            f"machinable: {counted(going.without, 'component')} without a number in that column "
            f"{'is' if going.without == 1 else 'are'} left alone"
        )
    entries = list(going.entries.items())
    if not entries:
        note("machinable: there is nothing to remove")
        _tell_json(root, going, {}, 0, flags)
        return 0
    total = _size_of(directory for directory, _ in entries)
    what = _what([name for _, name in entries])
    if "--dry-run" in flags:
        if "--json" not in flags:
            for _, name in entries:
                say(f"would move {name}")
            say(f"{len(entries)} in all: {size(total)}")
        _tell_json(root, going, {}, total, flags)
        return 0
    if not confirm(f"Move {what} ({size(total)}) to the trash?", yes="--yes" in flags):
        return 2
    moved: dict[str, str] = {}
    with Waiting("moving") as waiting:
        for number, (directory, _) in enumerate(entries):
            waiting.tick(number, len(entries))
            moved[directory] = remove(root, directory, going.paths)
    if "--json" not in flags:
        for directory, name in entries[:_TOLD]:
            say(f"moved {name} to {place(moved[directory])}")
        if len(entries) > _TOLD:
            say(f"and {len(entries) - _TOLD} more: {size(total)} in all")
    _tell_json(root, going, moved, total, flags)
    return 0


def _tell_json(root: str, going: Going, moved: dict[str, str], total: int, flags: Flags) -> None:
    if "--json" in flags:
        told = [
            {"name": name, "directory": directory, "trash": moved.get(directory)}
            for directory, name in going.entries.items()
        ]
        say(as_json({"storage": root, "bytes": total, "moved": told, "staying": going.staying}))


def _what(names: list[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    modules = {name.partition(" ")[0] for name in names}
    of = f" of {modules.pop()}" if len(modules) == 1 and "execution" not in modules else ""
    if "execution" in modules:
        return f"{', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
    return f"{counted(len(names), 'component')}{of}"


def _size_of(directories: Iterable[str]) -> int:
    total = count = 0
    with Waiting("counting files") as waiting:
        for directory in directories:
            for _, bytes_ in files_below(directory):
                total += bytes_
                count += 1
                waiting.tick(count)
    return total


def _restore(flags: Flags, options: Options) -> int:
    if not flags.words:
        raise ConfigurationError(
            "--restore needs the ID of what is in the trash. See what is there with: machinable ls --trash"
        )
    root = storage_of(options)
    # An execution first: what was removed from it before can only come back to where it is.
    found = sorted((trashed_named(root, word) for word in flags.words), key=lambda each: len(each.id))
    restored = []
    for each in found:
        if "--dry-run" in flags:
            say(f"would restore {_title(each)}")
            continue
        directory = restore(each)
        restored.append({"name": _title(each), "directory": directory})
        if "--json" not in flags:
            say(f"restored {_title(each)} to {place(directory)}")
    if "--json" in flags:
        say(as_json({"storage": root, "restored": restored}))
    return 0


def _title(trashed: Trashed) -> str:
    return f"{trashed.module or 'execution'} {trashed.id}"


def _empty(flags: Flags, options: Options) -> int:
    if flags.words:
        raise ConfigurationError(
            f"--empty-trash takes no ID, but {flags.words[0]!r} was given. It deletes all that is in the trash, or "
            "with --older 30d what was moved there before that."
        )
    root = storage_of(options)
    seconds = flags.age("--older")
    found = [each for each in trash_of(root) if seconds is None or older_than(each, seconds)]
    total = _size_of(each.directory for each in found)
    deleted: list[str] = []
    if not found:
        note("machinable: there is nothing to delete in the trash")
    elif "--dry-run" in flags:
        if "--json" not in flags:
            say(f"would delete {counted(len(found), 'item')}, {size(total)}")
    elif not confirm(
        f"Delete {counted(len(found), 'item')} of the trash ({size(total)}) for good?",
        yes="--yes" in flags,
    ):
        return 2
    else:
        with Waiting("deleting") as waiting:
            for number, each in enumerate(found):
                waiting.tick(number, len(found))
                delete(each)
                deleted.append(each.name)
        if "--json" not in flags:
            say(f"deleted {counted(len(found), 'item')}: {size(total)}")
    if "--json" in flags:
        say(as_json({"storage": root, "bytes": total, "deleted": deleted}))
    return 0
