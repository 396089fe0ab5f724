"""`machinable doctor`: checks a storage, says what is wrong and how to mend it, and mends what can be mended."""

from __future__ import annotations

from machinable.cli.confirm import confirm
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.stored import as_json, storage_of
from machinable.cli.waiting import Waiting
from machinable.errors import ConfigurationError, MachinableError
from machinable.upkeep.checkup import Contents, check_storage, contents_of
from machinable.upkeep.elsewhere import describe_store
from machinable.upkeep.finding import NOTE, WRONG, Finding
from machinable.upkeep.place import describe_place
from machinable.upkeep.trashed import trash_of
from machinable.upkeep.usage import files_below
from machinable.wording import counted, size

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

HELP = """\
machinable doctor [--fix] [--yes] [--json]

Checks a storage: that each record is what its name says, and can be read; executions, snapshots of code, caches; what
dead processes left; and tells where the storage is. Of all that is wrong it says where, and how to mend it. Notes are
worth knowing, and no fault. The exit code is 0 if nothing is wrong, else 1.

Options:
  --fix             mend what can be mended without a loss (leftovers, caches, records that a crash has cut), and ask
                    before the rest
  --yes             with --fix: do not ask, and mend the rest as well
  --json            print it as JSON
  --storage URL     which storage

Examples:
  machinable doctor
  machinable doctor --fix
  machinable doctor --storage ~/results --json
"""

_LISTED = 20
_SOUND, _UNSOUND = 0, 1


def run(words: list[str], options: Options) -> int:
    """Checks the storage, and mends it if asked to."""
    flags = parse_flags("doctor", words, options, switches=("--fix", "--yes", "--json"))
    if flags.words:
        raise ConfigurationError(
            f"machinable doctor checks a whole storage, and takes no {flags.words[0]!r}. Another one is named by "
            "--storage."
        )
    if "--yes" in flags and "--fix" not in flags:
        raise ConfigurationError("--yes answers the questions of --fix. Add --fix, or leave it out.")
    root = storage_of(options)
    about = {**describe_place(root), **describe_store(root)}
    with Waiting("checking") as waiting:
        contents = contents_of(root)
        found = list(check_storage(root, contents, waiting.tick))
    about |= _sizes(root, contents)
    if "--json" not in flags:
        _tell(about, found)
    mended = _mend(found, yes="--yes" in flags, quiet="--json" in flags) if "--fix" in flags else {}
    left = [each for each in found if each.severity == WRONG and mended.get(id(each)) is None]
    if "--json" in flags:
        findings = [{**each.document(), "mended": mended.get(id(each))} for each in found]
        say(as_json({**about, "sound": not left, "findings": findings}))
    else:
        say(_summary(found, left, "--fix" in flags))
    return _UNSOUND if left else _SOUND


def _sizes(root: str, contents: Contents) -> dict[str, Any]:
    trash = trash_of(root)
    return {
        "components": len(contents.components),
        "executions": len(contents.executions),
        "trash": {
            "items": len(trash),
            "bytes": sum(bytes_ for each in trash for _, bytes_ in files_below(each.directory)),
        },
    }


def _tell(about: dict[str, Any], found: list[Finding]) -> None:
    say(f"machinable {about['machinable']} · Python {about['python']} · {about['system']}")
    if not about["exists"]:
        say(f"{place(about['storage'])} does not exist yet")
        return
    told = [
        f"{place(about['storage'])}: {counted(about['components'], 'component')}",
        counted(about["executions"], "execution"),
    ]
    if about["file_system"]:
        told.append(about["file_system"] + (" (over the network)" if about["network"] else ""))
    if about.get("can_claim") is False:
        told.append("concurrent launches are not protected: it can not create an object exclusively")
    told += [str(about["problem"])] if about.get("problem") else []
    told += ["read-only"] if not about["writable"] else []
    told += ["no hard links"] if about["hard_links"] is False else []
    offset = about["clock_offset_seconds"]
    told += (
        [f"its clock is {abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}"]
        if abs(offset or 0) >= 1
        else []
    )
    trash = about["trash"]
    told += (
        [f"{counted(trash['items'], 'item')} ({size(trash['bytes'])}) in the trash"] if trash["items"] else []
    )
    say(" · ".join(told))
    for severity in (WRONG, NOTE):
        of_these = [each for each in found if each.severity == severity]
        for each in _first(of_these):
            say(f"{severity}: {each.where}: {each.what}")
            say(f"    {each.mend}.")
        for kind, count in _rest(of_these).items():
            say(f"{severity}: and {count:,} more of the kind {kind!r}: --json lists all")


def _first(found: list[Finding]) -> list[Finding]:
    """The first of each kind, of possibly thousands."""
    shown: dict[str, int] = {}
    first = []
    for each in found:
        shown[each.kind] = shown.get(each.kind, 0) + 1
        if shown[each.kind] <= _LISTED:
            first.append(each)
    return first


def _rest(found: Iterable[Finding]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in found:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return {kind: count - _LISTED for kind, count in counts.items() if count > _LISTED}


def _mend(found: list[Finding], *, yes: bool, quiet: bool) -> dict[int, str]:
    """What was done about which finding."""
    done: dict[int, str] = {}
    asks = True
    for each in sorted(found, key=lambda each: not each.is_safe):
        if each.fix is None:
            continue
        if not each.is_safe and not yes:
            if not asks:
                continue
            try:
                if not confirm(f"{each.where}: {each.what}. {_question(each)}", yes=False):
                    continue
            except ConfigurationError:
                asks = False  # nobody answers
                continue
        try:
            done[id(each)] = each.fix()
        except (MachinableError, OSError) as error:
            note(f"machinable: {each.where} could not be mended: {error}")
            continue
        if not quiet:
            say(f"mended: {each.where}: {done[id(each)]}")
    return done


def _question(each: Finding) -> str:
    return {
        "renamed": f"{each.mend}?",
        "execution": "Make it from the ID?",
        "snapshot": "Delete the snapshot?",
        "environment": "Delete it?",
        "checkpoint": "Remove the checkpoint?",
    }.get(each.kind, "Move the record to the trash?")


def _summary(found: list[Finding], left: list[Finding], fixed: bool) -> str:
    notes = sum(each.severity == NOTE for each in found)
    told = f", {counted(notes, 'note')}" if notes else ""
    if not left:
        return f"all is well{told}"
    line = f"{len(left)} {'thing is' if len(left) == 1 else 'things are'} wrong{told}"
    safe = sum(each.fix is not None and each.is_safe for each in left)
    asked = sum(each.fix is not None and not each.is_safe for each in left)
    if fixed:
        return line + (f"; {asked} of them can be mended on request: --fix --yes" if asked else "")
    if safe or asked:
        parts = [f"mends {safe}"] if safe else []
        parts += [f"asks before it mends {asked}"] if asked else []
        line += f". machinable doctor --fix {' and '.join(parts)} of them"
    return line
