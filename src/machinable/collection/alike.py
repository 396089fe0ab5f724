"""Which components are repetitions of each other: alike in all that was asked for, but for seed and trial."""

from __future__ import annotations

import os

from machinable.collection.ordering import as_text
from machinable.config.dotted import flat
from machinable.errors import ConfigurationError, MachinableError
from machinable.identity.ids import component_id
from machinable.records.record import Record

__all__ = ["Alike"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from machinable.execution.columns import Names

    Row = dict[str, Any]

#: What repetitions differ in, whatever else they may differ in. A configuration may have a seed of its own.
_ALWAYS = ("seed", "trial")


class Alike:
    """Takes components together that are alike but for seed, trial, and the values named by `over`.

    Raises:
        ConfigurationError: If a name means nothing here, or nothing that a component is asked for with.
    """

    def __init__(self, names: Names, over: str | Iterable[str]) -> None:
        self._left_out: dict[str, set[str]] = {"config": set(), "scope": set(), "uses": set()}
        for name in [over] if isinstance(over, str) else over:
            column = names.find(name)
            kind = "config" if column.kind == "first" else column.kind
            if kind in self._left_out:
                self._left_out[kind].add(column.key)
            elif column.key not in _ALWAYS:
                raise ConfigurationError(
                    f"A summary over {name!r} is not possible: it is a result, and not something that was asked for."
                )
        self._inputs: dict[str, str] = {}

    def stripped(self, row: Row) -> Row:
        """The row without what repetitions differ in."""
        others = set(row.get("others") or ())
        parts = {
            part: {key: value for key, value in (row.get(part) or {}).items() if key not in left_out}
            for part, left_out in self._left_out.items()
        }
        parts["config"] = {key: value for key, value in parts["config"].items() if key not in others}
        return {**row, **parts, "trial": None, "seed": None}

    def groups(self, rows: Sequence[Row], homes: Callable[[int], Sequence[str]]) -> list[list[int]]:
        """The positions of those that are alike, the groups in the order of their first member.

        Args:
            homes: Gives, for a position, the directories in which the records of inputs may lie.
        """
        found: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            stripped = self.stripped(row)
            inputs = stripped["uses"]
            if inputs:
                places = homes(position)
                inputs = {name: self._input(id_, places) for name, id_ in inputs.items()}
            found.setdefault(_key(row, stripped["config"], stripped["scope"], inputs), []).append(position)
        return list(found.values())

    def _input(self, id_: str, homes: Sequence[str]) -> str:
        """What stands for an input: its own request, likewise without seed and trial; its ID, where it is not there."""
        for home in homes:
            path = os.path.join(home, id_)
            if path not in self._inputs:
                self._inputs[path] = self._request_in(path, homes)
            if self._inputs[path]:
                return self._inputs[path]
        return id_

    def _request_in(self, path: str, homes: Sequence[str]) -> str:
        try:
            record = Record.find(path, homes[-1])
            if record is None:
                return ""
            request = record.document["request"]
            uses = request.get("uses") or {}
            inputs = {name: self._input(component_id(identity), homes) for name, identity in uses.items()}
            config = flat(request["config"])
            if "seed" in self._left_out["config"]:
                config.pop("seed", None)
            return _key(request, config, flat(request.get("scope") or {}), inputs)
        except (MachinableError, OSError, KeyError, TypeError, ValueError):
            return ""  # damaged: then its ID says which it is


def _key(named: Row, config: Row, scope: Row, inputs: dict[str, str]) -> str:
    return as_text([named.get("module"), named.get("class"), config, scope, inputs])
