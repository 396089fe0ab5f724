"""Two components, side by side."""

from __future__ import annotations

from machinable.comparison.code import code_of_component, compare_code, run_of
from machinable.comparison.environment import compare_environments, surroundings
from machinable.comparison.pairs import differing, pair
from machinable.comparison.results import compare_results
from machinable.config.dotted import flat
from machinable.records.lineage import inputs_of
from machinable.records.record import Record

__all__ = ["compare_components"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OF_THE_REQUEST = ("module", "class", "namespace", "trial", "counter")


def compare_components(a: Record, b: Record, *, most_lines: int = 200) -> dict[str, Any]:
    """What differs between two components, as plain JSON; what is the same is left out.

    Args:
        most_lines: How many lines of differences of the code are told.
    Returns:
        `request`, `config`, `scope`, `values` (those that do not identify), `inputs`, `code`, `environment`,
        `outcome` and `results`. A difference is `{"a": …, "b": …}`; a side that has nothing of the name is left out.
    Raises:
        StorageError: If a record is damaged.
    """
    asked, other = a.document["request"], b.document["request"]
    request = differing(*({key: each.get(key) for key in _OF_THE_REQUEST} for each in (asked, other)))
    seeds = pair(a.document.get("seed"), b.document.get("seed"))
    states = [each.state() for each in (a, b)]
    started = [state.attempt.started if state.attempt is not None else {} for state in states]
    runs = [run_of(each, line) or {} for each, line in zip((a, b), started, strict=True)]
    around = [
        surroundings(each.root, line.get("environment"), line, run)
        for each, line, run in zip((a, b), started, runs, strict=True)
    ]
    return {
        "request": {**request, **({"seed": seeds} if seeds else {})},
        "config": differing(flat(asked.get("config") or {}), flat(other.get("config") or {})),
        "scope": differing(flat(asked.get("scope") or {}), flat(other.get("scope") or {})),
        "values": differing(*(line.get("values") or {} for line in started)),
        "inputs": differing(*map(_inputs, (a, b))),
        "code": compare_code(code_of_component(a), code_of_component(b), most_lines),
        "environment": compare_environments(*around),
        "outcome": differing(*({"status": str(state.status), **_outcome(state.end)} for state in states)),
        "results": compare_results(a, b),
    }


def _outcome(end: dict[str, Any]) -> dict[str, Any]:
    told = {"seconds": end["seconds"]} if "seconds" in end else {}
    exception = end.get("exception")
    if isinstance(exception, dict):
        told["exception"] = f"{exception.get('type')}: {exception.get('message')}"
    return told


def _inputs(record: Record) -> dict[str, str]:
    found, observed = {}, 0
    for each in inputs_of(record):
        if each.name is None:
            observed += 1
        found[each.name or f"observed {observed}"] = each.id
    return found
