"""The environments that two attempts or runs had: Python, system, host, packages."""

from __future__ import annotations

from machinable.comparison.pairs import differing
from machinable.records.environment import load_environment

__all__ = ["compare_environments", "surroundings"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OF_A_RUN = ("working_directory", "command")
_OF_A_MACHINE = ("system", "processor", "cores", "memory_gib", "gpus")


def surroundings(root: str, name: str | None, started: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """What is known of where something ran, as plain values by name; `packages` by package.

    Args:
        name: The hash of the environment's document, where there is one.
        started: The first line of an attempt, or nothing.
        run: The document of a run, or nothing.
    Raises:
        StorageError: If the environment's document is damaged.
    """
    found: dict[str, Any] = {}
    if isinstance(name, str):
        document = load_environment(root, name)
        if document is None:
            found["missing"] = f"the environment {name[:12]} is not in the storage"
        else:
            for key in ("python", "implementation", "system", "packages"):
                if key in document:
                    found["platform" if key == "system" else key] = document[key]
    elif run.get("python") is not None:
        found["python"] = run["python"]
    host = (started.get("owner") or {}).get("host") or run.get("host")
    found |= {"host": host} if host else {}
    found |= {"engine": _engine(started, run)} if _engine(started, run) else {}
    machine = run.get("machine") or {}
    found |= {key: machine[key] for key in _OF_A_MACHINE if machine.get(key) is not None}
    found |= {key: run[key] for key in _OF_A_RUN if run.get(key) is not None}
    if isinstance(found.get("packages"), dict):
        return found
    if "missing" not in found and not isinstance(name, str):
        found["missing"] = "no packages were recorded"
    return found


def _engine(started: dict[str, Any], run: dict[str, Any]) -> Any:
    engine = run.get("engine")
    return started.get("engine") or (engine.get("name") if isinstance(engine, dict) else None)


def compare_environments(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """What differs between two of `surroundings`, as plain JSON."""
    # What one side has not recorded is unknown, not different.
    both = [key for key in a if key in b and key not in _APART]
    found: dict[str, Any] = {"differing": differing(*({key: each[key] for key in both} for each in (a, b)))}
    why = [each["missing"] for each in (a, b) if "missing" in each]
    if why:
        found["not_compared"] = list(dict.fromkeys(why))
    else:
        found["packages"] = dict(sorted(differing(a["packages"], b["packages"]).items()))
    return found


_APART = ("packages", "missing")
