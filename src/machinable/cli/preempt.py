"""`machinable preempt`: fakes a preemption, to see what a component makes of one."""

from __future__ import annotations

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import say
from machinable.cli.stored import lookup, one_id, storage_of
from machinable.execution.preempting import preempt

__all__ = ["HELP", "run"]

HELP = """\
machinable preempt ID

Interrupts what runs of an execution, or one component, as a cluster does that needs the place for something else: with
SIGTERM, so that a checkpoint is written; then it goes on from there in the same record. native:N starts it again at
once, Slurm when it is its turn in the queue. What runs in a process that shows nothing of an execution, as with a
plain --launch, is interrupted, and goes on when it is launched again.

Options:
  --storage URL     where the records are

Examples:
  machinable preempt OY1p1o
  machinable preempt OY1p1o/4fKq
"""


def run(words: list[str], options: Options) -> int:
    """Preempts, and says what."""
    flags = parse_flags("preempt", words, options)
    for name in preempt(lookup(storage_of(options), one_id("preempt", flags.words))):
        say(f"{name}: preempted")
    return 0
