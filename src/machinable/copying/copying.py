"""A copy of a storage: what the other one lacks of it, record by record."""

from __future__ import annotations

import os
import threading

from machinable.copying.comparing import Verdict, compare
from machinable.copying.held import Held, check_storage, hold
from machinable.copying.landing import Directory
from machinable.copying.report import Report
from machinable.copying.sending import Remote
from machinable.copying.shared import copy_shared
from machinable.errors import StorageError
from machinable.identity.ids import is_component_id
from machinable.records.listing import is_execution_name, names_in
from machinable.records.mirror.looking import look_below
from machinable.records.mirror.place import store_at
from machinable.records.record import Record
from machinable.records.shapes import Shape, class_key, remember_shape
from machinable.store.concurrent import each
from machinable.types import Status

__all__ = ["copy_storage"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How many records are copied at the same time.
_WIDTH = 8


def copy_storage(
    source: str,
    target: str,
    *,
    dry: bool = False,
    verify: bool = False,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Copies the records of one storage to another, with the executions, snapshots and environments they refer to.

    Nothing that is there is overwritten: a record that continues one of the target brings it up to date, one that is
    something else is named in the report. It may be interrupted at any time, and goes on when it is called again.

    Args:
        source, target: Directories of storages, or of mirrors of storages elsewhere, as `locate` gives them.
        dry: Whether to find out only what would be done.
        verify: Whether to compare all files by their content, also those that are there already.
        tick: Called with the number of bytes that are copied and that are to be copied.
    Raises:
        StorageError: If one of them can not be reached, read or written.
    """
    check_storage(source)
    if os.path.realpath(source) == os.path.realpath(target):
        raise StorageError(f"{source} is to be copied to itself. Give another storage.")
    for root in (source, target):
        look_below(root)
    copy = _Copy(source, target, dry, verify, tick)
    copy_shared(source, target, copy.report, dry)
    copy.plan()
    if not dry:
        each(copy.carry_out, copy.todo, _WIDTH)

    return copy.report


class _Copy:
    def __init__(
        self, source: str, target: str, dry: bool, verify: bool, tick: Callable[[int, int], None]
    ) -> None:
        self.source, self.target = source, target
        self.report = Report()
        self.todo: list[_Task] = []
        store = store_at(target)
        self.writer: Directory | Remote = (
            Directory(target) if store is None else Remote(target, store, verify)
        )
        self._dry, self._verify = dry, verify
        self._tick = tick
        self._lock = threading.Lock()
        self._total = self._done = 0

    def plan(self) -> None:
        """Finds out what is to be done with each record."""
        for place in _places(self.source):
            try:
                held = hold(self.source, place)
                if held is None:
                    continue
                if held.component is not None and self._runs(held):
                    self.report.running.append(place)
                    continue
                self._judge(held, hold(self.target, place))
            except StorageError as error:
                self.report.damaged.append((place, str(error)))
        self._total = sum(task.size for task in self.todo)

    def _runs(self, held: Held) -> bool:
        """Whether it is still being made, here or elsewhere."""
        record = Record(held.directory, self.source)
        state = record.state()
        return state.status is Status.RUNNING or state.unsent

    def _judge(self, held: Held, there: Held | None) -> None:
        difference = compare(held, there, self._hash if self._verify else None)
        verdict, report = difference.verdict, self.report
        if verdict is Verdict.DIFFERENT:
            report.different.append((held.place, difference.why))
            return
        if verdict is Verdict.SAME:
            report.same += 1
        elif verdict is Verdict.LATER:
            report.later += 1
        if verdict is Verdict.ABSENT or verdict is Verdict.EARLIER:
            paths = tuple(held.files)
        else:
            paths = difference.files
        if verdict in (Verdict.ABSENT, Verdict.EARLIER, Verdict.INCOMPLETE) or difference.notes:
            self.todo.append(_Task(verdict, held, there, paths, difference.notes))
            if self._dry:
                self._count(self.todo[-1])

    def _hash(self, held: Held, path: str) -> str:
        held.bring()
        return held.hash_of(path)

    def carry_out(self, task: _Task) -> None:
        """Copies a record, or what is missing of one."""
        held, there = task.source, task.target
        held.bring()
        done = True
        if task.verdict is Verdict.ABSENT:
            self._remember_shape(held)
            done = self.writer.add(held, self._advance)
        elif there is not None:
            if task.verdict is Verdict.EARLIER:
                if Record(there.directory, self.target).state().status is Status.RUNNING:
                    done = False
                else:
                    done = self.writer.replace(held, there, self._advance)
            elif task.verdict is Verdict.INCOMPLETE:
                self.writer.complete(held, there, task.paths, self._advance)
            if task.notes and task.verdict is not Verdict.EARLIER:
                self.writer.add_notes(held, there, task.notes)
        with self._lock:
            if done:
                self._count(task)
            else:
                self.report.different.append((held.place, "another process works on it there"))

    def _count(self, task: _Task) -> None:
        if task.verdict is Verdict.ABSENT:
            self.report.copied += 1
        elif task.verdict is not Verdict.LATER:
            self.report.updated += 1
            self.report.same -= task.verdict is Verdict.SAME
        self.report.places.append(task.source.place)
        self.report.files += len(task.paths)
        self.report.bytes += task.size

    def _advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._tick(self._done, self._total)

    def _remember_shape(self, held: Held) -> None:
        """Has the target know the shape of a record before it has the record."""
        document = held.component
        if document is None:
            return
        try:
            shape = Shape(document["shape"]["fields"], document["shape"]["uses"])
            key = class_key(document["request"]["module"], document["request"]["class"])
        except (KeyError, TypeError):
            return
        with self._lock:
            os.makedirs(self.target, exist_ok=True)
            remember_shape(self.target, key, shape)


class _Task:
    """One record that is to be copied, or completed."""

    __slots__ = ("notes", "paths", "size", "source", "target", "verdict")

    def __init__(
        self,
        verdict: Verdict,
        source: Held,
        target: Held | None,
        paths: tuple[str, ...],
        notes: tuple[str, ...],
    ) -> None:
        self.verdict = verdict
        self.source = source
        self.target = target
        self.paths = paths
        self.notes = notes
        self.size = sum(source.files[path].size for path in paths)


def _places(root: str) -> Iterator[str]:
    """The places of all records and tombstones."""
    for name in names_in(root):
        if is_component_id(name):
            yield name
        elif is_execution_name(name):
            yield from (
                f"{name}/{inner}" for inner in names_in(os.path.join(root, name)) if is_component_id(inner)
            )
