"""Killed at every call that changes a file, each in turn: nothing unreadable, and nothing finished runs again."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.claims.launchers import Launchers, hidden, why_no_strace

_REASON = why_no_strace()
pytestmark = pytest.mark.skipif(bool(_REASON), reason=_REASON)

_LAUNCH = "get('tiny').launch()"
_TRACED = "trace=%file,%desc"
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")

#: What only looks: a process that is killed there leaves what it leaves at the next call that changes something.
_LOOKS = {
    *(
        "access",
        "close",
        "faccessat",
        "faccessat2",
        "fcntl",
        "fstat",
        "fstatfs",
        "getcwd",
        "getdents64",
        "ioctl",
    ),
    *(
        "lseek",
        "lstat",
        "mmap",
        "newfstatat",
        "pread64",
        "read",
        "readlink",
        "readlinkat",
        "stat",
        "statfs",
        "statx",
    ),
}
_WRITES = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC)")

_READ = """
component = get("tiny")
by_id = get.by_id(component.id)
result = {
    "status": str(component.status),
    "by_id": by_id and str(by_id.status),
    "all": [str(each.status) for each in get.all("tiny")],
    "saved": component.load_file("result.json", default=None),
    "inside": component.output(),
}
"""

_RELAUNCH = """
component = get("tiny").launch()
result = {"status": str(component.status), "reused": component.reused, "saved": component.load_file("result.json")}
"""

_SWEEP = """
import os
marker = os.path.join(arguments, ".machinable", "swept.json")
if os.path.exists(marker):
    os.utime(marker, (0, 0))
get("tiny", {"n": 2}).launch()
"""


def _calls(path: Path) -> list[tuple[str, int]]:
    """The calls between the two markers that change something, and the last one, each with its number of that name."""
    seen: dict[str, int] = {}
    found: list[tuple[str, int]] = []
    last: list[tuple[str, int]] = []
    inside = False
    for line in path.read_text().splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, rest = match.groups()
        seen[name] = seen.get(name, 0) + 1
        if '"/begin"' in rest:
            inside = True
        elif '"/end"' in rest:
            return found + [call for call in last if call not in found]
        elif inside:
            last = [(name, seen[name])]
            if name not in _LOOKS and (name not in ("open", "openat") or _WRITES.search(rest)):
                found += last
    raise AssertionError(f"{path} has no end")


def _kill_everywhere(root: Path, template: Path | None) -> dict[str, int]:
    """Kills a launch at each of its calls. Returns how many of the kills left which state.

    Args:
        template: The storage at the beginning, in which a dead owner has executed the component once.
    """
    workers = []
    for number in range(2):
        (root / str(number)).mkdir()
        workers.append(Launchers(root / str(number)))

    def fresh(launchers: Launchers, name: str) -> Path:
        storage = launchers.root.parent / name
        if template is not None:
            shutil.copytree(template, storage, symlinks=True)
        return storage

    with workers[0], workers[1]:
        storage = fresh(workers[0], "clean")
        (answer,), path = workers[0].traced(storage, _LAUNCH, "-e", _TRACED)
        assert answer.result is None
        assert workers[0].executions(storage) == 1
        calls = _calls(path)
        assert len(calls) > 12

        def work(number: int) -> list[str]:
            launchers = workers[number]
            return [
                _kill_at(launchers, fresh(launchers, f"{index}-{call}-{nth}"), call, nth, template is None)
                for index, (call, nth) in enumerate(calls)
                if index % 2 == number
            ]

        with ThreadPoolExecutor(2) as pool:
            states = [state for part in pool.map(work, range(2)) for state in part]
    return {state: states.count(state) for state in set(states)}


def _kill_at(launchers: Launchers, storage: Path, call: str, nth: int, is_first: bool) -> str:
    where = f"killed at {call} {nth}"
    (answer,), _ = launchers.traced(
        storage, _LAUNCH, "-e", _TRACED, "-e", f"inject={call}:signal=SIGKILL:when={nth}"
    )
    assert answer.killed, f"{where}: it was not\n{answer.output}"
    executed = launchers.executions(storage)

    seen = launchers.run(storage, _READ).result
    status = seen["status"]
    assert seen["all"] == ([] if status == "pending" else [status]), where
    assert seen["by_id"] == (None if status == "pending" else status), where
    assert status in ({"pending", "lost", "finished"} if is_first else {"lost", "finished"}), where
    if status == "finished":
        assert seen["saved"] == {"n": 0} and executed == 1, where

    again = launchers.run(storage, _RELAUNCH).result
    assert again == {"status": "finished", "reused": status == "finished", "saved": {"n": 0}}, where
    assert launchers.executions(storage) == executed + (status != "finished"), where

    # Everybody agrees from now on, and nothing of the dead is left.
    third = launchers.run(storage, _SWEEP + _RELAUNCH, arguments=str(storage)).result
    assert third["reused"] is True, where
    assert hidden(storage) == [], where
    assert launchers.executions(storage) == executed + (status != "finished") + 1, where
    return status


def test_a_first_attempt_killed_at_any_call_leaves_nothing_unreadable_and_runs_once_more_at_most(
    tmp_path: Path,
) -> None:
    states = _kill_everywhere(tmp_path, None)
    assert states["pending"] > 5 and states["lost"] > 5
    assert states.get("finished", 0) >= 1


def test_a_take_over_killed_at_any_call_leaves_nothing_unreadable_and_runs_once_more_at_most(
    tmp_path: Path,
) -> None:
    (tmp_path / "before").mkdir()
    template = tmp_path / "template"
    with Launchers(tmp_path / "before") as launchers:
        # Killed before it publishes the file that it saves, its last rename: a dead claim, and something to sweep.
        _, path = launchers.traced(tmp_path / "clean", _LAUNCH, "-e", _TRACED)
        last = max(nth for call, nth in _calls(path) if call == "rename")
        (answer,), _ = launchers.traced(
            template, _LAUNCH, "-e", _TRACED, "-e", f"inject=rename:signal=SIGKILL:when={last}"
        )
        assert answer.killed and launchers.executions(template) == 1
        assert launchers.run(template, _READ).result["status"] == "lost"
        assert len(hidden(template)) == 1
    states = _kill_everywhere(tmp_path, template)
    assert states["lost"] > 5
    assert states.get("finished", 0) >= 1
