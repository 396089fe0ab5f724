"""`machinable sync`: copies what one storage holds to another."""

from __future__ import annotations

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, say
from machinable.cli.stored import as_json
from machinable.cli.waiting import Waiting
from machinable.copying.copying import copy_storage
from machinable.errors import ConfigurationError
from machinable.store.location import locate
from machinable.store.url import redacted

__all__ = ["HELP", "run"]

HELP = """\
machinable sync FROM TO [--dry-run] [--verify] [--json]

Copies the components of the storage FROM to the storage TO, with the executions, snapshots of code and environments
that they refer to. Each is a directory or a URL: ./storage, s3://bucket/results, sftp://host/data/results.

What is there already is not copied again, so that an interrupted copy goes on where it stopped. Nothing is overwritten:
a component that went on since it was copied is brought up to date; what is something else in TO is named and left
alone. Components that are running are left out, and named.

Options:
  --dry-run         tell what would be copied, and copy nothing
  --verify          read back everything, and compare the content of what is there already
  --json            print what was done as JSON

Exit code: 0; 1 if something in TO is different, or something in FROM is damaged.

Examples:
  machinable sync ./storage s3://bucket/results
  machinable sync s3://bucket/results ./results --dry-run
"""


def run(words: list[str], options: Options) -> int:
    """Copies, and says what was done."""
    flags = parse_flags("sync", words, options, switches=("--dry-run", "--verify", "--json"))
    if len(flags.words) != 2:
        given = f"{len(flags.words)} were given: {' '.join(flags.words)}" if flags.words else "none was given"
        raise ConfigurationError(
            f"machinable sync takes two storages, FROM and TO, but {given}. For example: "
            "machinable sync ./storage s3://bucket/results"
        )
    source, target = (locate(word) for word in flags.words)
    dry = "--dry-run" in flags
    with Waiting("copying, in MB") as waiting:
        report = copy_storage(
            source,
            target,
            dry=dry,
            verify="--verify" in flags,
            tick=lambda done, total: waiting.tick(done // 10**6, max(1, total // 10**6)),
        )
    if "--json" in flags:
        say(
            as_json(
                {
                    "copied": report.copied,
                    "updated": report.updated,
                    "same": report.same,
                    "later": report.later,
                    "files": report.files,
                    "bytes": report.bytes,
                    "components": sorted(report.places),
                    "running": report.running,
                    "different": dict(report.different),
                    "damaged": dict(report.damaged),
                }
            )
        )
        return 0 if report.is_complete else 1
    for place in report.running:
        note(f"machinable: {place} is running, and was left out; copy again when it has ended")
    for place, why in report.different:
        note(f"machinable: {place} is different in {redacted(flags.words[1])}: {why}. It was left alone")
    for place, why in report.damaged:
        note(f"machinable: {place} was left out: {why}")
    say(f"{report.summary(dry)}, {redacted(flags.words[0])} to {redacted(flags.words[1])}")
    return 0 if report.is_complete else 1
