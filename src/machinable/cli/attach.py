"""`machinable attach`: watches an execution that goes on in other processes, to its end."""

from __future__ import annotations

import sys
import time

from machinable.cli.flags import parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, say
from machinable.cli.status import headline, observed_rows
from machinable.cli.stored import by_state, component_rows, lookup, one_id, storage_of, table_of
from machinable.component.terminal import is_terminal
from machinable.errors import ConfigurationError
from machinable.execution.outlets import Outcome, Outlet, Pipe, Terminal
from machinable.execution.reattach import Observed, Observer
from machinable.execution.stored import StoredExecution
from machinable.execution.tally import Tally
from machinable.types import Status
from machinable.wording import counted

__all__ = ["HELP", "run"]

HELP = """\
machinable attach ID

Shows how far an execution is that another process runs, in the background, in another shell or on a cluster, until it
has ended; then what came of it. Ctrl-C stops watching, and nothing else. Exits with 1 if a component did not finish.

Options:
  --storage URL     where the records are

Examples:
  machinable execute train --repeat 8 --engine native:2 --detach
  machinable attach OY1p1o

See also: machinable help status, machinable help logs, machinable help cancel
"""

#: Between two looks at the records, in seconds; and how much longer, for each second that a look takes.
_PERIOD_SECONDS, _REST = 0.25, 4

_ENDED = (Status.FINISHED, Status.FAILED)


def run(words: list[str], options: Options) -> int:
    """Watches, and returns 1 if a component did not finish."""
    flags = parse_flags("attach", words, options)
    found = lookup(storage_of(options), one_id("attach", flags.words))
    if not isinstance(found, StoredExecution):
        raise ConfigurationError(
            f"{found.id} is a component; attach takes the ID of an execution. See: machinable logs {found.id} -f"
        )
    observer = Observer(found)
    outlet: Outlet | None = None
    try:
        observed = observer.observe()
        if observer.is_active(observed):
            outlet = Terminal(sys.stderr) if is_terminal(sys.stderr) else Pipe(sys.stderr)
            outlet.say(headline(found))
            observed = _watch(observer, outlet, observed)
    except KeyboardInterrupt:
        if outlet is not None:
            outlet.end(Outcome(lambda columns: "", lambda: "", None, _detached(found.id)))
        return 130
    if outlet is not None:
        outlet.end(Outcome(lambda columns: "", lambda: "", None, ""))
    rows = component_rows(found)
    say(table_of(rows) if rows else "no components")
    say(" · ".join(f"{count} {state}" for state, count in by_state(observed_rows(found)).items()))
    left = [each for each in observed if each.status is not Status.FINISHED]
    if left:
        note(f"machinable: {counted(len(left), 'component')} of execution {found.id} did not finish")
    return 1 if left else 0


def _detached(id_: str) -> str:
    return f"execution {id_} goes on · machinable attach {id_} · machinable cancel {id_}"


def _watch(observer: Observer, outlet: Outlet, observed: list[Observed]) -> list[Observed]:
    before = [each for each in observed if each.status is Status.FINISHED]
    tally = Tally(len(observed) - len(before), len(before))
    known = {each.entry.id for each in before}
    took = 0.0
    while True:
        for each in observed:
            if each.entry.id in known:
                continue
            if each.status is Status.RUNNING:
                tally.start(each.entry.id)
            elif each.status in _ENDED:
                known.add(each.entry.id)
                tally.end(each.entry.id, each.status)
        outlet.show(tally)
        if not observer.is_active(observed):
            return observer.observe()
        time.sleep(_PERIOD_SECONDS + took * _REST)
        began = time.monotonic()
        observed = observer.observe()
        took = time.monotonic() - began
