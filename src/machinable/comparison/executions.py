"""Two executions, side by side: their plans, their code, their environments, and how far they are."""

from __future__ import annotations

from machinable.comparison.code import code_of_execution, compare_code
from machinable.comparison.environment import compare_environments, surroundings
from machinable.comparison.pairs import differing, pair
from machinable.errors import StorageError
from machinable.execution.stored import StoredExecution
from machinable.identity.canonical import encode_text

__all__ = ["compare_executions"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNSEEDED = ("namespace", "module", "class", "config", "scope", "trial", "counter")


def compare_executions(a: StoredExecution, b: StoredExecution, *, most_lines: int = 200) -> dict[str, Any]:
    """What differs between two executions, as plain JSON.

    Components are matched by what was asked for, whatever the seed: those of one plan, executed with two seeds, are the
    same ones. One that has not started is known by its ID alone.

    Args:
        most_lines: How many lines of differences of the code are told.
    Returns:
        `seed`, `counts`, `components` (`both`, their number; `only_a`, `only_b` with module, ID and configuration of
        each; `status` where it differs), `code`, `environment`.
    Raises:
        StorageError: If an execution is damaged.
    """
    old, new = _matched(_plan(a), _plan(b))
    runs = [(each.runs() or [{}])[-1] for each in (a, b)]
    around = [
        surroundings(each.root, run.get("environment"), {}, run)
        for each, run in zip((a, b), runs, strict=True)
    ]
    both = [key for key in old if key in new]
    for each in (*old.values(), *new.values()):
        each.pop("key", None)
    return {
        "seed": pair(a.document.get("seed"), b.document.get("seed")),
        "counts": differing(*map(_counts, (old, new))),
        "components": {
            "both": len(both),
            "only_a": [each for key, each in old.items() if key not in new],
            "only_b": [each for key, each in new.items() if key not in old],
            "status": [
                {"a": old[key], "b": new[key]} for key in both if old[key]["status"] != new[key]["status"]
            ],
        },
        "code": compare_code(code_of_execution(a), code_of_execution(b), most_lines),
        "environment": compare_environments(*around),
    }


def _matched(a: dict[str, Any], b: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both plans by the same keys: the ID where both have it, else what was asked for without the seed."""
    return tuple(  # type: ignore[return-value]
        {id_ if id_ in other else each.pop("key", id_): each for id_, each in own.items()}
        for own, other in ((a, b), (b, a))
    )


def _plan(execution: StoredExecution) -> dict[str, dict[str, Any]]:
    """The components by ID, with the `key` that they are matched by."""
    found: dict[str, dict[str, Any]] = {}
    for entry in execution.entries():
        told: dict[str, Any] = {"id": entry.id, "module": entry.module, "status": "pending"}
        if entry.record is not None:
            try:
                request = entry.record.document["request"]
                told |= {"module": request["module"], "config": request["config"], "trial": request["trial"]}
                told["status"] = str(entry.record.state().status)
                told["key"] = encode_text({name: request.get(name) for name in _UNSEEDED})
            except (StorageError, OSError, KeyError, TypeError):
                told["status"] = "damaged"
        found[entry.id] = told
    return found


def _counts(plan: dict[str, dict[str, Any]]) -> dict[str, int]:
    states = [each["status"] for each in plan.values()]
    return {state: states.count(state) for state in sorted(set(states))}
