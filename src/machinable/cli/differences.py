"""Differences as text: a section for each kind, a line for each thing that differs."""

from __future__ import annotations

from machinable.config.dotted import flat
from machinable.execution.tables import cell, one_line, text_of
from machinable.wording import counted, duration, listed, size

__all__ = ["component_lines", "execution_lines"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_LISTED = 20
_NOTHING = "-"
_WIDEST = 40  # what is longer than that stands below each other

_TITLES = {
    "request": "asked for",
    "config": "configuration",
    "scope": "scope",
    "values": "values that do not identify",
    "inputs": "inputs",
    "outcome": "outcome",
}


def component_lines(document: Mapping[str, Any]) -> list[str]:
    """What `compare_components` found."""
    lines: list[str] = []
    for name in ("request", "config", "scope", "values", "inputs"):
        lines += _section(_TITLES[name], document[name])
    lines += _code(document["code"]) + _environment(document["environment"])
    outcome = {**document["outcome"]}
    seconds = outcome.pop("seconds", None)
    lines += _section("outcome", outcome)
    lines += _section("time", {"seconds": seconds} if seconds else {}, duration)
    results = document["results"]
    lines += _section("last values of the record", results["record"], changes=True)
    return lines + _files(results["files"])


def execution_lines(document: Mapping[str, Any]) -> list[str]:
    """What `compare_executions` found."""
    lines: list[str] = []
    if document["seed"]:
        lines += _section("asked for", {"seed": document["seed"]})
    components = document["components"]
    lines.append(f"{counted(components['both'], 'component')} in both")
    for side in ("a", "b"):
        only = components[f"only_{side}"]
        if only:
            lines.append(f"only in {side}: {counted(len(only), 'component')}")
            lines += _components(only)
    different = components["status"]
    if different:
        told = {f"{each['a']['module']} {each['a']['id']}": _states(each) for each in different[:_LISTED]}
        lines += _section("states", told)
        lines += _more(different)
    return lines + _code(document["code"]) + _environment(document["environment"])


def _states(each: Mapping[str, Any]) -> dict[str, Any]:
    return {side: each[side]["status"] for side in ("a", "b")}


def _components(rows: list[dict[str, Any]]) -> list[str]:
    body = []
    for row in rows[:_LISTED]:
        config = " ".join(f"{key}={cell(value)}" for key, value in flat(row.get("config") or {}).items())
        body.append([row["id"], row["module"] or "", config])
    return [*text_of(("", "", ""), body, indent="  ").splitlines()[1:], *_more(rows)]


def _more(rows: list[Any]) -> list[str]:
    return [f"  and {len(rows) - _LISTED} more"] if len(rows) > _LISTED else []


def _section(
    title: str,
    pairs: Mapping[str, Any],
    shown: Callable[[Any], str] | None = None,
    *,
    changes: bool = False,
) -> list[str]:
    if not pairs:
        return []
    body, long = [], []
    for name, pair in pairs.items():
        sides = [
            _NOTHING if side not in pair else shown(pair[side]) if shown else _cell(pair[side])
            for side in ("a", "b")
        ]
        if max(map(len, sides)) > _WIDEST:
            long += [f"  {name}", *(f"    {side}  {text}" for side, text in zip("ab", sides, strict=True))]
        else:
            body.append([name, *sides, *([_change(pair)] if changes else [])])
    header = ["", "a", "b", *([""] if changes else [])]
    return [title, *text_of(header, body, indent="  ").splitlines(), *long]


def _cell(value: Any) -> str:
    return "null" if value is None else one_line(value if isinstance(value, str) else repr(value))


def _change(pair: Mapping[str, Any]) -> str:
    """By how much a number changed, in percent."""
    numbers = [pair.get(side) for side in ("a", "b")]
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in numbers):
        return ""
    a, b = map(float, numbers)  # type: ignore[arg-type]
    if not a or a != a or b != b or abs(a) == float("inf") or abs(b) == float("inf"):
        return ""
    return f"({100 * (b - a) / abs(a):+.3g} %)"


def _code(code: Mapping[str, Any]) -> list[str]:
    same = {True: "the same", False: "differs", None: "unknown"}[code["same"]]
    files = code.get("files")
    because = ""
    if "not_compared" in code:
        by = "by the fingerprints of their modules; " if code["same"] is not None else ""
        because = f" ({by}{'; '.join(code['not_compared'])})"
    if code["same"] is True and files:
        same = "the modules that they import are the same, other files of the project differ"
    lines = [f"code: {same}{because}"]
    if files:
        for key, what in (("changed", "changed"), ("only_a", "only in a"), ("only_b", "only in b")):
            if files[key]:
                lines.append(f"  {what}: {listed(files[key], _LISTED)}")
    snapshot = {key: pair for key, pair in code["snapshot"].items() if key != "hash"}
    for name, pair in snapshot.items():
        lines.append(f"  {name}: {_cell(pair.get('a'))} {_cell(pair.get('b'))}")
    lines += [f"  {line}" for line in code.get("diff", ())]
    if code.get("diff_lines_left_out"):
        lines.append(f"  … {counted(code['diff_lines_left_out'], 'more line')}: --lines N shows more")
    return lines


def _environment(environment: Mapping[str, Any]) -> list[str]:
    lines = []
    packages = environment.get("packages")
    if packages:
        lines += _section("packages", dict(list(packages.items())[:_LISTED]), _plain)
        lines += _more(list(packages))
    elif packages is None:
        lines.append(f"packages: unknown ({'; '.join(environment['not_compared'])})")
    differing = {
        key: {
            side: " ".join(map(str, value)) if isinstance(value, list) else value
            for side, value in pair.items()
        }
        for key, pair in environment["differing"].items()
    }
    return lines + _section("environment", differing, _plain)


def _plain(value: Any) -> str:
    return _NOTHING if value is None else one_line(str(value))


def _files(files: Mapping[str, Any]) -> list[str]:
    lines = _section("files that differ", dict(list(files["changed"].items())[:_LISTED]), size)
    lines += _more(list(files["changed"]))
    for side in ("a", "b"):
        only = files[f"only_{side}"]
        if only:
            names = [f"{name} ({size(count)})" for name, count in only.items()]
            lines.append(f"files only in {side}: {listed(names, _LISTED)}")
    if files["same"]:
        lines.append(f"files that are the same: {listed(files['same'], _LISTED)}")
    return lines
