"""The checks of a component's table and checkpoints: can they be read, and do they agree?"""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.records.documents import load
from machinable.records.measurements import MEASUREMENTS, parse_rows
from machinable.records.record import META, Record, State
from machinable.store.files import read
from machinable.types import Status
from machinable.upkeep.finding import WRONG, Finding, removal, short, unreadable

__all__ = ["check_tables"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def check_tables(record: Record, path: str, state: State | None) -> Iterator[Finding]:
    """All that is wrong with the table and the checkpoints of the record at `path`, relative to its storage."""
    file = os.path.join(record.directory, MEASUREMENTS)
    rows: int | None = 0
    try:
        rows = len(parse_rows(file, read(file)))
    except FileNotFoundError:
        pass
    except StorageError as error:
        rows = None
        what = short(error, f"{path}/{MEASUREMENTS}", file)
        yield Finding(WRONG, "table", f"{path}/{MEASUREMENTS}", what, "Correct the line, or restore the file")
    except OSError as error:
        rows = None
        yield unreadable(f"{path}/{MEASUREMENTS}", error)
    base = os.path.join(record.meta, "checkpoints")
    try:
        names = sorted(name for name in os.listdir(base) if name.isdecimal())
    except OSError:
        return
    for name in names:
        where = f"{path}/{META}/checkpoints/{name}"
        fix = removal(os.path.join(base, name))
        mend = "It is passed over; remove it"
        try:
            document = load(os.path.join(base, name, "checkpoint.json"))
            attempt, iteration, count = (int(document[key]) for key in ("attempt", "iteration", "rows"))
        except (StorageError, OSError, KeyError, TypeError, ValueError) as error:
            yield Finding(WRONG, "checkpoint", where, f"the checkpoint can not be read: {error}", mend, fix)
            continue
        if iteration != int(name):
            yield Finding(
                WRONG, "checkpoint", where, f"it says that it is of iteration {iteration}", mend, fix
            )
        # While it runs, rows are on their way that the checkpoint counts already, or not any more.
        is_over = state is not None and state.status is not Status.RUNNING
        if rows is not None and count > rows and is_over and attempt == len(record.numbers()):
            what = f"it counts {count} rows of the table, which has {rows}"
            yield Finding(WRONG, "checkpoint", where, what, mend, fix)
