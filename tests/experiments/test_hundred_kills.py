"""A plan whose whole process group is killed at 100 random moments, and executed again each time."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.conftest import attempts, is_finished, results, unreadable

_KILLS = 100
_COMPONENTS = 30

# Executions are forked off a process that has imported everything, each in a session of its own.
# It adopts the orphans of what is killed, and tells that a run has ended when the last of them is gone.
_EXECUTOR = """
import ctypes
import os
import sys
import json
import traceback
import machinable.engines.native
from machinable import Experiment, execute, get, grid

def child(storage, engine):
    os.setsid()
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 0
    try:
        execute(Experiment().component("small", grid(n=list(range(30)))), storage, get("native", engine), seed=42)
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)

def reap():
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
while line := sys.stdin.readline():
    request = json.loads(line)
    pid = os.fork()
    if pid == 0:
        child(**request)
    print(pid, flush=True)
    status = os.waitpid(pid, 0)[1]
    reap()
    print(status, flush=True)
"""

_SMALL = """
import os
import random
import time
from machinable import Component

class Small(Component):
    Config = {"n": 0}

    def __call__(self):
        with open(os.environ["RAN"], "ab", 0) as file:
            file.write(f"{self.id} {os.getpid()}\\n".encode())
        time.sleep(0.02 * random.random())
        self.record["draw"] = random.random()
        self.record.save()
        self.save_file("result.json", [self.config.n, self.seed, random.random()])
"""


class Executor:
    """Executes the plan in processes that can be killed."""

    def __init__(self, root: Path, environment: dict[str, str], engine: dict[str, object]) -> None:
        self.engine = engine
        self.process = subprocess.Popen(
            [sys.executable, "-c", _EXECUTOR],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, storage: Path) -> int:
        self._send({"storage": str(storage), "engine": self.engine})
        return int(self._line())

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(int(self._line()))

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def _send(self, request: dict[str, object]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the process that forks has died"
        return line


@pytest.fixture
def executor(workspace):
    workspace.write("small.py", _SMALL)
    made = []

    def make(engine):
        environment = workspace.environment(RAN=str(workspace.root / "ran.txt"))
        made.append(Executor(workspace.root, environment, engine))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _ran(root: Path) -> list[str]:
    path = root / "ran.txt"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def _finished(execution: Path) -> set[str]:
    return {path.name for path in execution.glob("[!.]*") if is_finished(path)}


def _kill(pid: int) -> bool:
    """Kills the session's process group, to the last process. Returns whether it was there."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _wait_for(starts: int, root: Path, before: int) -> None:
    """Returns when so many components have started, or when that takes too long."""
    end = time.monotonic() + 0.4
    while time.monotonic() < end and len(_ran(root)) - before < starts:
        time.sleep(0.001)


def test_no_finished_component_runs_twice_and_nothing_is_lost_or_unreadable(executor, workspace):
    chance = random.Random(20)
    run = executor({"processes": 2, "start_method": "fork"})
    reference = workspace.root / "undisturbed"
    run.start(reference)
    assert run.wait() == 0
    expected = results(reference / "00000g")
    assert len(expected) == _COMPONENTS

    kills, rounds = 0, 0
    while kills < _KILLS:
        rounds += 1
        storage, ran = workspace.root / f"storage-{rounds}", workspace.root / "ran.txt"
        ran.unlink()
        done: set[str] = set()
        while True:
            counts = _ran(workspace.root)
            pid = run.start(storage)
            if kills < _KILLS:
                _wait_for(chance.randrange(7), workspace.root, len(counts))
                time.sleep(0.03 * chance.random())
                killed = _kill(pid)
                code = run.wait()
                kills += killed and code == -signal.SIGKILL
            else:
                code = run.wait()
            assert unreadable(storage) == []
            again = set(_ran(workspace.root)[len(counts) :]) & done
            assert not again, f"finished, and ran once more: {again}"
            done = _finished(storage / "00000g")
            assert done <= results(storage / "00000g").keys()
            if code != -signal.SIGKILL:
                assert code == 0, (workspace.root / "log.txt").read_text()
                break
        assert results(storage / "00000g") == expected
        assert done == expected.keys()
        for component in (storage / "00000g").glob("[!.]*"):
            ends = [lines[-1]["kind"] for lines in attempts(component)]
            assert ends.count("finished") == 1 and ends[-1] == "finished", ends
            assert len((component / "record.jsonl").read_text().splitlines()) == 1
    assert kills == _KILLS
    assert rounds > 1, "the kills came too soon for any round to end"


@pytest.mark.parametrize(
    "engine", [{"processes": 2}, {"processes": 2, "start_method": "spawn"}, {"processes": None}]
)
def test_the_same_holds_for_other_ways_to_start_processes(executor, workspace, engine):
    chance = random.Random(5)
    run = executor(engine)
    storage, done = workspace.root / "storage-1", set()
    for _ in range(5):
        before = len(_ran(workspace.root))
        pid = run.start(storage)
        time.sleep(0.1 + 0.3 * chance.random())
        _kill(pid)
        run.wait()
        assert unreadable(storage) == []
        assert not set(_ran(workspace.root)[before:]) & done
        done = _finished(storage / "00000g")
    run.start(storage)
    assert run.wait() == 0, (workspace.root / "log.txt").read_text()
    assert len(_finished(storage / "00000g")) == len(results(storage / "00000g")) == _COMPONENTS


def test_what_killed_processes_left_behind_is_swept(executor, workspace):
    run = executor({"processes": 2, "start_method": "fork"})
    storage = workspace.root / "storage-1"
    for pause in (0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08):
        pid = run.start(storage)
        time.sleep(pause)
        _kill(pid)
        run.wait()
    run.start(storage)
    assert run.wait() == 0
    assert [path for path in (storage / "00000g").rglob(".*") if path.name != ".machinable"] == []
