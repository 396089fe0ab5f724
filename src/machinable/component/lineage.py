"""The lineage of a result: what it was made from, what was made from it, and where, as a graph."""

from __future__ import annotations

import os

from machinable.errors import StorageError
from machinable.records.documents import load_dated
from machinable.records.lineage import inputs_of, locate_input
from machinable.records.listing import is_execution_name, names_in, records_in
from machinable.records.record import META, Record

__all__ = ["derived_from", "provenance_of", "users_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.records.record import State


def users_of(record: Record) -> list[Record]:
    """The records of the storage that used a record as an input, declared or observed, the oldest first."""

    def uses_it(user: Record) -> bool:
        for found in inputs_of(user):
            if record.id in (found.id, found.asked):
                there = locate_input(user, found)
                if there is not None and there.directory == record.directory:
                    return True
        return False

    return _where(record.root, uses_it)


def derived_from(record: Record) -> list[Record]:
    """The records of the components that `derive` made from a record's, the oldest first."""
    return _where(record.root, lambda other: other.document.get("derived_from") == record.id)


def _where(root: str, holds: Any) -> list[Record]:
    """The records that a question is answered with yes for. Damaged ones used nothing that could be told."""
    found = []
    for record in records_in(root):
        try:
            if holds(record):
                found.append(record)
        except (StorageError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda each: float(each.document.get("timestamp", 0.0)))


def provenance_of(record: Record) -> dict[str, Any]:
    """The graph of all that went into a record, in node-link form; see `Component.provenance`."""
    graph = _Graph(record)
    graph.add(record)
    return graph.document()


class _Graph:
    """The nodes and links found so far, by what they are called."""

    def __init__(self, record: Record) -> None:
        self._root = record.root
        self._of = self._path(record)
        self._nodes: dict[str, dict[str, Any]] = {}
        self._links: list[dict[str, Any]] = []
        self._runs: dict[str, list[dict[str, Any]]] = {}  # by the ID of the execution

    def document(self) -> dict[str, Any]:
        """The graph as plain JSON."""
        return {
            "directed": True,
            "multigraph": False,
            "graph": {"of": self._of},
            "nodes": list(self._nodes.values()),
            "links": self._links,
        }

    def add(self, first: Record) -> None:
        """Adds a record, its inputs and theirs, and where each was made."""
        waiting = [(first, self._component(first))]
        while waiting:
            record, state = waiting.pop()
            path = self._path(record)
            for found in inputs_of(record, state):
                there = locate_input(record, found)
                target = self._path(there) if there is not None else found.id
                if target not in self._nodes:
                    if there is not None:
                        waiting.append((there, self._component(there)))
                    else:
                        self._node(target, "component", status="missing")
                self._link(path, target, found.relation, name=found.name)

    def _component(self, record: Record) -> State:
        path, document = self._path(record), record.document
        request, state = document["request"], record.state()
        self._node(
            path,
            "component",
            module=request.get("module"),
            config=request.get("config"),
            seed=document.get("seed"),
            status=str(state.status),
            finished=state.end.get("time"),
        )
        started = state.attempt.started if state.attempt is not None else {}
        host = (started.get("owner") or {}).get("host")
        if host is not None:
            self._link(path, self._node(f"host {host}", "host", name=host), "ran on")
        if started.get("environment") is not None:
            name = started["environment"]
            self._link(path, self._node(f"environment {name}", "environment", hash=name), "ran in")
        if started.get("execution") is not None:
            self._execution(path, str(started["execution"]), started.get("run"))
        return state

    def _execution(self, path: str, id_: str, token: str | None) -> None:
        name = self._node(f"execution {id_}", "execution", execution=id_)
        self._link(path, name, "run by")
        if id_ not in self._runs:
            self._runs[id_] = self._load_runs(id_)
        run = next((run for run in self._runs[id_] if run.get("run") == token), {})
        code = run.get("code") or {}
        if code.get("hash") is not None:
            kept = {key: code.get(key) for key in ("hash", "commit", "branch", "dirty")}
            snapshot = self._node(f"snapshot {code['hash']}", "snapshot", **kept)
            self._link(path, snapshot, "ran the code of")
            self._link(name, snapshot, "took")

    def _load_runs(self, id_: str) -> list[dict[str, Any]]:
        for name in names_in(self._root):
            if is_execution_name(name) and name.partition("~")[0] == id_:
                try:
                    return load_dated(os.path.join(self._root, name, META, "runs"))
                except StorageError:
                    return []  # damaged: what else is known still holds
        return []

    def _path(self, record: Record) -> str:
        return os.path.relpath(record.directory, self._root).replace(os.sep, "/")

    def _node(self, id_: str, kind: str, **attributes: Any) -> str:
        self._nodes.setdefault(id_, {"id": id_, "kind": kind, **attributes})
        return id_

    def _link(self, source: str, target: str, relation: str, **attributes: Any) -> None:
        link = {"source": source, "target": target, "relation": relation}
        link |= {key: value for key, value in attributes.items() if value is not None}
        if link not in self._links:
            self._links.append(link)
