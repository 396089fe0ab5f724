"""The lineage of a component as a tree: what went into it below, where it ran, and who uses it."""

from __future__ import annotations

import os

from machinable.component.lineage import provenance_of
from machinable.config.dotted import flat
from machinable.execution.tables import cell
from machinable.index import open_index
from machinable.records.record import Record

__all__ = ["tree_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PARAMETERS = 4
_USERS = 20
_ABOVE = " (see above)"


def tree_of(record: Record) -> str:
    """The tree, a line for each component and each place that it ran in."""
    graph = provenance_of(record)
    nodes = {node["id"]: node for node in graph["nodes"]}
    below: dict[str, list[dict[str, Any]]] = {}
    for link in graph["links"]:
        below.setdefault(link["source"], []).append(link)
    first = graph["graph"]["of"]
    lines = [_component(nodes[first])]
    lines += _around(first, below, nodes, "")
    lines += _inputs(first, below, nodes, "", {first})
    return "\n".join([*lines, *_users(record)])


def _component(node: dict[str, Any]) -> str:
    if node.get("status") == "missing":
        return f"{node['id']} · not in this storage"
    parameters = [
        f"{key}={'null' if value is None else cell(value)}"
        for key, value in flat(node.get("config") or {}).items()
    ]
    more = ["…"] if len(parameters) > _PARAMETERS else []
    told = " ".join([*parameters[:_PARAMETERS], *more])
    return " · ".join(filter(None, [f"{node.get('module')} {node['id']}", str(node.get("status")), told]))


def _inputs(
    path: str, below: dict[str, list[dict[str, Any]]], nodes: dict[str, Any], indent: str, seen: set[str]
) -> Iterator[str]:
    links = [link for link in below.get(path, ()) if nodes[link["target"]]["kind"] == "component"]
    for number, link in enumerate(links, 1):
        is_last = number == len(links)
        target = link["target"]
        name = link.get("name") or link["relation"]
        again = target in seen and bool(below.get(target))
        yield f"{indent}{'└─' if is_last else '├─'} {name}: {_component(nodes[target])}{_ABOVE if again else ''}"
        if not again:
            seen.add(target)
            inner = f"{indent}{'   ' if is_last else '│  '}"
            yield from _around(target, below, nodes, inner)
            yield from _inputs(target, below, nodes, inner, seen)


def _around(
    path: str, below: dict[str, list[dict[str, Any]]], nodes: dict[str, Any], indent: str
) -> list[str]:
    """Where a component ran, and by which code, on one line."""
    told = []
    for link in below.get(path, ()):
        node = nodes[link["target"]]
        if node["kind"] == "execution":
            told.append(f"execution {node['execution']}")
        elif node["kind"] == "snapshot":
            commit = f", commit {node['commit'][:10]}" if node.get("commit") else ""
            changes = " with changes" if node.get("dirty") else ""
            told.append(f"code {node['hash'][:12]}{commit}{changes}")
        elif node["kind"] == "host":
            told.append(f"host {node['name']}")
        elif node["kind"] == "environment":
            told.append(f"environment {node['hash'][:12]}")
    bar = (
        "│  " if any(nodes[link["target"]]["kind"] == "component" for link in below.get(path, ())) else "   "
    )
    return [f"{indent}{bar}{' · '.join(told)}"] if told else []


def _users(record: Record) -> list[str]:
    index = open_index(record.root)
    index.refresh()
    path = os.path.relpath(record.directory, record.root).replace(os.sep, "/")
    rows = [row for row in index.users_of(record.id) if row["path"] != path]
    if not rows:
        return []
    lines = [f"   {_component({**row, 'id': row['path']})}" for row in rows[:_USERS]]
    more = [f"   and {len(rows) - _USERS} more"] if len(rows) > _USERS else []
    return ["used by", *lines, *more]
