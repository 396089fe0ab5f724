"""`machinable cancel`: interrupts what runs, so that it can be resumed."""

from __future__ import annotations

from machinable.cli.confirm import confirm
from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, say
from machinable.cli.stored import as_json, lookup, one_id, storage_of
from machinable.execution.cancelling import Running, cancel, look, process_of
from machinable.execution.reattach import Observer
from machinable.execution.stored import StoredExecution
from machinable.wording import counted

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HELP = """\
machinable cancel ID [--yes] [--json]

Interrupts what runs of an execution, and the execution itself, or one component: with SIGTERM, so that checkpoints are
written. Jobs are taken from their queue. What is interrupted can be resumed by executing the same again. For what runs
on another machine, a note is left in its record, which its next sign of life reads (within 15 s).

Options:
  --yes             do not ask
  --json            print what was done as JSON
  --storage URL     where the records are

Examples:
  machinable cancel OY1p1o
  machinable cancel OY1p1o/4fKq --yes
"""


def run(words: list[str], options: Options) -> int:
    """Interrupts what runs, and says what it did."""
    flags = parse_flags("cancel", words, options, switches=("--yes", "--json"))
    root = storage_of(options)
    found = lookup(root, one_id("cancel", flags.words))
    whole = isinstance(found, StoredExecution)
    title = f"execution {found.id}" if whole else f"component {found.id}"
    running = look(found)
    active = not running and isinstance(found, StoredExecution) and Observer(found).is_active()
    outcome: dict[str, Any] = {
        "interrupted": [],
        "ended": [],
        "noted": {},
        "still_running": [],
        "withdrawn": [],
    }
    if running or active:
        count = len(running)
        what = "what is left" if active else running[0].name if count == 1 else f"{count} components"
        if not confirm(
            f"Interrupt {what} of {title}? They can be resumed." if whole else f"Interrupt {what}?",
            yes="--yes" in flags,
        ):
            return 2
        if not whole:
            _warn_of_company(running)
        # Others may have begun while the user thought about it.
        done = cancel(found)
        outcome = {name: getattr(done, name) for name in outcome}
    if "--json" in flags:
        say(as_json({"id": found.id, **outcome}))
    else:
        _tell(title, outcome)
    return 0


def _warn_of_company(running: list[Running]) -> None:
    for each in running:
        if each.execution is not None and each.is_here and process_of(each.run) == each.pid:
            note(
                f"machinable: the rest of execution {each.execution} runs in the same process, and stops as well"
            )


def _tell(title: str, outcome: dict[str, Any]) -> None:
    for name in outcome["interrupted"]:
        say(f"{name}: {'ended' if name in outcome['ended'] else 'interrupted'}")
    for name, process in outcome["noted"].items():
        say(
            f"{name}: out of reach, a note to cancel it was left in its record. To stop it at once, end {process}"
        )
    if outcome["withdrawn"]:
        say(f"{counted(len(outcome['withdrawn']), 'component')}: taken from the queue")
    for name in outcome["still_running"]:
        note(f"machinable: {name} was asked to stop, and still runs")
    if not any(outcome.values()):
        say(f"{title}: nothing of it runs")
