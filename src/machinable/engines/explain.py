"""Why a component would run, or would not: its state, its code, and the existing record that differs least."""

from __future__ import annotations

import os

from machinable.config.dotted import ABSENT, flat
from machinable.errors import MachinableError
from machinable.execution.tables import cell, one_line
from machinable.modules.source import fingerprint
from machinable.records.attempt import exception_line
from machinable.records.listing import records_in
from machinable.types import Status
from machinable.wording import day

__all__ = ["Explainer"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.records.record import State

_NAMED = 3

#: How many pairs of configurations are compared in all; beyond that, the nearest record is not looked for.
_COMPARISONS = 300_000


class Explainer:
    """Explains components, inputs before their users, each once. Reads the storage, and writes nothing."""

    def __init__(self) -> None:
        self.found: list[tuple[Component, dict[str, Any]]] = []
        self._known: dict[str, dict[str, Any]] = {}  # by identity
        self._existing: dict[str, dict[tuple[str, str], list[_Existing]]] = {}  # by storage, module and class
        self._comparisons = 0

    def include(self, component: Component) -> dict[str, Any]:
        """Adds a component, and its inputs if it would run."""
        identity = component._request.identity
        if identity in self._known:
            return self._known[identity]
        state = component._state()
        runs = state.status not in (Status.FINISHED, Status.RUNNING)
        first = []
        if runs:
            for name, used in component.uses.items():
                row = self.include(used)
                if row["runs"]:
                    first.append((name, row["id"]))
        row = self._known[identity] = self._explain(component, state, runs, first)
        self.found.append((component, row))
        return row

    def _explain(
        self, component: Component, state: State, runs: bool, first: list[tuple[str, str]]
    ) -> dict[str, Any]:
        why, detail = _why(component, state)
        changed = state.status is Status.FINISHED and _code_changed(component, state)
        parts = [detail]
        if changed:
            parts.append("its code has changed since")
        nearest = self._nearest(component) if why == "new" else None
        if nearest is not None:
            parts.append(f"nearest {nearest[0].label}: {_in_words(nearest[1])}")
        if first:
            parts.append("after " + ", ".join(f"{name} ({id_})" for name, id_ in first))
        return {
            "module": component.module,
            "id": component.id,
            "trial": component.trial.number,
            "config": component._resolution.identifying,
            "runs": runs,
            "why": why,
            "detail": "; ".join(parts),
            "code_changed": changed,
            "nearest": nearest[0].label if nearest is not None else None,
            "differs": {
                key: [None if value is ABSENT else value for value in pair]
                for key, pair in nearest[1].items()
            }
            if nearest is not None
            else None,
            "first": [id_ for _, id_ in first],
        }

    def _nearest(self, component: Component) -> tuple[_Existing, dict[str, tuple[Any, Any]]] | None:
        """The record of the same class with the fewest differing fields, the newest of several; and these fields."""
        request = component._request
        existing = self._records(component._core.storage).get((request.module, request.class_name), [])
        self._comparisons += len(existing)
        if not existing or self._comparisons > _COMPARISONS:
            return None
        wanted = _fields(request.document())
        best, differing = existing[0], _differences(existing[0].fields, wanted)
        for other in existing[1:]:
            found = _differences(other.fields, wanted)
            if len(found) < len(differing):
                best, differing = other, found
        if not differing and best.seed != request.seed:
            differing = {"seed": (best.seed, request.seed)}
        return best, differing

    def _records(self, storage: str) -> dict[tuple[str, str], list[_Existing]]:
        if storage not in self._existing:
            found: dict[tuple[str, str], list[_Existing]] = {}
            for record in records_in(storage):
                try:
                    document = record.document
                    request = document["request"]
                    label = os.path.relpath(record.directory, storage).replace(os.sep, "/")
                    entry = _Existing(
                        label, _fields(request), request.get("seed"), float(document["timestamp"])
                    )
                    found.setdefault((request["module"], request["class"]), []).append(entry)
                except (MachinableError, KeyError, TypeError, ValueError):
                    continue  # a damaged record is near to nothing
            for entries in found.values():
                entries.sort(key=lambda entry: -entry.timestamp)
            self._existing[storage] = found
        return self._existing[storage]


class _Existing:
    """A record, as far as it is compared."""

    __slots__ = ("fields", "label", "seed", "timestamp")

    def __init__(self, label: str, fields: dict[str, Any], seed: int | None, timestamp: float) -> None:
        self.label = label  # the ID, after that of its execution
        self.fields = fields
        self.seed = seed
        self.timestamp = timestamp


def _fields(request: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for, by name. A planned component's seed follows from the rest and the execution's seed."""
    fields = flat(request.get("config") or {})
    fields.update({f"scope.{key}": value for key, value in flat(request.get("scope") or {}).items()})
    fields.update({f"uses.{name}": identity[:8] for name, identity in (request.get("uses") or {}).items()})
    for key in ("trial", "namespace"):
        if request.get(key) is not None:
            fields[key] = request[key]
    return fields


def _differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    found = {}
    for key in {**old, **new}:
        pair = (old.get(key, ABSENT), new.get(key, ABSENT))
        if pair[0] != pair[1]:
            found[key] = pair
    return found


def _in_words(differing: dict[str, tuple[Any, Any]]) -> str:
    """`lr 0.1 → 0.2`."""
    texts = [f"{key} {_value(old)} → {_value(new)}" for key, (old, new) in differing.items()]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return (", ".join(texts[:_NAMED]) + more) or "the same configuration"


def _value(value: Any) -> str:
    return "none" if value is ABSENT or value is None else cell(value)


def _why(component: Component, state: State) -> tuple[str, str]:
    """In a word, and in some more."""
    end = state.end
    when = day(float(end["time"])) if "time" in end else ""
    if state.status is Status.FINISHED:
        return "cached", f"cached, finished {when}"
    if state.status is Status.RUNNING:
        return "running", f"running: {state.evidence}"
    if state.status is Status.FAILED:
        reason = one_line(exception_line(end) or "", 80)
        return "failed", f"failed before, {when}: {reason}"
    if state.status is Status.INTERRUPTED:
        return "interrupted", f"interrupted, {when} ({end.get('reason', 'stopped')})"
    if state.status is Status.LOST:
        return "lost", f"lost: {state.evidence}"
    if state.attempt is not None:
        return "invalidated", state.evidence
    return "new", "new"


def _code_changed(component: Component, state: State) -> bool:
    then = state.attempt.started.get("code") if state.attempt is not None else None
    now = fingerprint(component._core.project, type(component)) if then is not None else None
    return now is not None and now != then
