"""Owners in other PID namespaces: their heartbeat alone tells of them; one that wakes up too late publishes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.claims.launchers import until, why_no_namespace
from tests.conftest import Workspace

_UNSHARE = ("--pid", "--fork", "--kill-child", "--mount-proc")
_REASON = why_no_namespace(*_UNSHARE)
pytestmark = pytest.mark.skipif(bool(_REASON), reason=_REASON)

_SLOW = """
import os
import time
from pathlib import Path

from machinable import Component
from machinable.errors import Superseded

OUTSIDE = Path(os.environ["OUTSIDE"])
ROLE = os.environ["ROLE"]


def tell(text):
    with open(OUTSIDE / ROLE, "a") as file:
        file.write(text + "\\n")


def attempt(what, call):
    try:
        call()
        tell(f"{what}: done")
    except Superseded:
        tell(f"{what}: superseded")
        if os.environ.get("STUBBORN") is None:
            raise


class Slow(Component):
    checkpoint_seconds = 0.0

    def on_save(self, directory):
        Path(directory, "who.txt").write_text(ROLE)

    def on_restore(self, directory):
        tell("restored " + Path(directory, "who.txt").read_text())

    def on_execute_iteration(self, i):
        if i == 2:
            raise StopIteration
        if i == 0:
            self.record["who"] = ROLE
            return
        tell("runs")
        while not (OUTSIDE / f"{ROLE}-go").exists():
            time.sleep(0.01)
        attempt("file", lambda: self.save_file("late.txt", ROLE))
        self.record["who"] = ROLE
        attempt("row", self.record.save)
        attempt("checkpoint", lambda: __import__("machinable.component.checkpoint").component.checkpoint.save(self, 9))
        attempt("directory", lambda: self.local_directory("made-by-" + ROLE, create=True))
"""

_LAUNCH = """
from machinable import get
from machinable.errors import MachinableError

component = get("slow")
try:
    component.launch()
    print("launched", component.status)
except MachinableError as error:
    print("raised", type(error).__name__, error)
"""


class Hosts:
    """Two processes that can not see each other in the process table."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.outside = workspace.root.parent / "outside"
        self.outside.mkdir()
        workspace.write("slow.py", _SLOW)
        self.processes: list[subprocess.Popen[str]] = []

    def launch(
        self, role: str, *, elsewhere: bool, before: str = "", source: str = _LAUNCH, **variables: str
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                *(["unshare", *_UNSHARE] if elsewhere else []),
                sys.executable,
                "-c",
                textwrap.dedent(before) + source,
            ],
            cwd=self.workspace.root,
            env=self.workspace.environment(
                ROLE=role,
                OUTSIDE=str(self.outside),
                **{"MACHINABLE_TAKEOVER_SECONDS": "1", "MACHINABLE_HEARTBEAT_SECONDS": "0.1", **variables},
            ),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.processes.append(process)
        return process

    def go(self, role: str) -> None:
        (self.outside / f"{role}-go").touch()

    def told(self, role: str) -> list[str]:
        path = self.outside / role
        return path.read_text().splitlines() if path.exists() else []

    def until_told(self, role: str, text: str) -> None:
        until(lambda: text in self.told(role), f"{role} tells {text!r}, not only {self.told(role)}")

    @property
    def record(self) -> Path:
        (found,) = self.workspace.storage.glob("????????????")
        return found

    def attempt(self, number: int) -> str:
        return (self.record / ".machinable" / f"attempt-{number}.jsonl").read_text()


@pytest.fixture
def hosts(workspace: Workspace) -> Iterator[Hosts]:
    both = Hosts(workspace)
    yield both
    for process in both.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def suspended(process: subprocess.Popen[str]) -> Iterator[None]:
    """The process, stopped; it goes on when the block ends."""
    process.send_signal(signal.SIGSTOP)
    until(
        lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it stops"
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("stubborn", [False, True], ids=["stops", "catches Superseded and goes on"])
def test_an_owner_that_wakes_up_after_a_take_over_publishes_nothing(hosts: Hosts, stubborn: bool) -> None:
    owner = hosts.launch("owner", elsewhere=False, **({"STUBBORN": "yes"} if stubborn else {}))
    hosts.until_told("owner", "runs")
    with suspended(owner):
        heir = hosts.launch("heir", elsewhere=True)
        hosts.until_told("heir", "runs")
        hosts.go("owner")
    hosts.until_told("owner", "file: superseded")
    if stubborn:
        hosts.until_told("owner", "directory: superseded")
    until(
        lambda: owner.poll() is not None or hosts.attempt(1).count('"waiting"') >= 0,
        "the owner ends or waits",
    )
    rows_before = (hosts.record / "record.jsonl").read_text()
    hosts.go("heir")
    said, _ = heir.communicate(timeout=60)
    assert "launched finished" in said
    said, _ = owner.communicate(timeout=60)
    # The owner's launch ends with the outcome that counts.
    assert "launched finished" in said or "raised" in said and "took over" in said, said

    told = hosts.told("owner")
    assert told == (
        ["runs", "file: superseded", "row: superseded", "checkpoint: superseded", "directory: superseded"]
        if stubborn
        else ["runs", "file: superseded"]
    )
    assert hosts.told("heir") == [
        "restored owner",
        "runs",
        "file: done",
        "row: done",
        "checkpoint: done",
        "directory: done",
    ]
    first = hosts.attempt(1)
    assert not any(f'"{kind}"' in first for kind in ("finished", "failed", "interrupted"))
    assert '"finished"' in hosts.attempt(2)
    assert not (hosts.record / ".machinable" / "attempt-3.jsonl").exists()
    assert (hosts.record / "late.txt").read_text() == "heir"
    assert not (hosts.record / "made-by-owner").exists()
    assert '"heir"' not in rows_before
    rows = (hosts.record / "record.jsonl").read_text()
    assert rows.count("owner") == 1 and rows.count("heir") == 1  # the owner's row of before its checkpoint
    kept = sorted(path.name for path in (hosts.record / ".machinable" / "checkpoints").iterdir())
    for name in kept:
        document = (hosts.record / ".machinable" / "checkpoints" / name / "checkpoint.json").read_text()
        assert '"attempt":2' in document or name == "1"
    assert not [path for path in (hosts.record / ".machinable").iterdir() if path.name.startswith(".")]


def test_an_owner_that_beats_is_never_taken_over_however_long_it_runs(hosts: Hosts) -> None:
    owner = hosts.launch("owner", elsewhere=False)
    hosts.until_told("owner", "runs")
    waiting = hosts.launch("other", elsewhere=True)
    skewed = hosts.launch(
        "skewed", elsewhere=True, before="import time\n_time = time.time\ntime.time = lambda: _time() + 60\n"
    )
    path = hosts.record / ".machinable" / "attempt-1.jsonl"
    began = path.stat().st_mtime
    until(lambda: path.stat().st_mtime - began > 2.5, "it beats")
    assert owner.poll() is None and waiting.poll() is None and skewed.poll() is None
    hosts.go("owner")
    for process in (owner, waiting, skewed):
        said, _ = process.communicate(timeout=60)
        assert "launched finished" in said
    assert hosts.told("other") == hosts.told("skewed") == []
    assert not (hosts.record / ".machinable" / "attempt-2.jsonl").exists()


def test_an_owner_in_another_namespace_is_known_by_its_signs_of_life(hosts: Hosts) -> None:
    ask = 'from machinable import get\nc = get("slow")\nprint(c.status, "·", c.status_evidence)\n'
    owner = hosts.launch("owner", elsewhere=True)
    hosts.until_told("owner", "runs")
    said, _ = hosts.launch("reader", elsewhere=True, source=ask).communicate(timeout=60)
    assert said.startswith("running ·") and "sign of life" in said
    inside = Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()
    assert len(inside) == 1
    os.kill(int(inside[0]), signal.SIGKILL)
    owner.communicate(timeout=60)
    path = hosts.record / ".machinable" / "attempt-1.jsonl"
    os.utime(path, (path.stat().st_mtime - 130,) * 2)
    said, _ = hosts.launch("reader", elsewhere=True, source=ask).communicate(timeout=60)
    assert said.startswith("lost ·") and "silent for" in said
    # Ten minutes by default; a launch that is told not to wait that long takes over.
    hosts.go("heir")
    said, _ = hosts.launch("heir", elsewhere=True).communicate(timeout=60)
    assert "launched finished" in said


def test_eight_launchers_on_other_hosts_take_a_silent_owner_over_once(hosts: Hosts) -> None:
    owner = hosts.launch("owner", elsewhere=False)
    hosts.until_told("owner", "runs")
    with suspended(owner):
        hosts.go("heir")
        heirs = [hosts.launch("heir", elsewhere=True) for _ in range(8)]
        for heir in heirs:
            said, _ = heir.communicate(timeout=60)
            assert "launched finished" in said
    assert hosts.told("heir").count("runs") == 1
    hosts.go("owner")
    owner.communicate(timeout=60)
    assert hosts.told("owner") == ["runs", "file: superseded"]


_LINKS_LATE = """
import os, time

link = os.link
outside = os.environ["OUTSIDE"]

def link_late(source, target):
    open(outside + "/heir-links", "w").close()
    while not os.path.exists(outside + "/owner-ended"):
        time.sleep(0.01)
    link(source, target)

os.link = link_late
"""


def test_a_take_over_withdraws_if_the_owner_finished_just_before(hosts: Hosts) -> None:
    owner = hosts.launch("owner", elsewhere=False)
    hosts.until_told("owner", "runs")
    with suspended(owner):
        heir = hosts.launch("heir", elsewhere=True, before=_LINKS_LATE)
        until((hosts.outside / "heir-links").exists, "the heir is about to take over")
        hosts.go("owner")
    said, _ = owner.communicate(timeout=60)
    assert "launched finished" in said
    (hosts.outside / "owner-ended").touch()
    said, _ = heir.communicate(timeout=60)
    assert "launched finished" in said
    assert hosts.told("heir") == []
    assert '"withdrawn"' in hosts.attempt(2)
    assert (hosts.record / "late.txt").read_text() == "owner"
    ask = 'from machinable import get\nc = get("slow")\nprint(c.status, c.launch().reused, c.load_file("late.txt"))\n'
    said, _ = hosts.launch("reader", elsewhere=False, source=ask).communicate(timeout=60)
    assert said == "finished True owner\n"


def test_an_owner_whose_proc_shows_another_namespace_is_not_taken_for_somebody_else(hosts: Hosts) -> None:
    # `unshare --pid` without --mount-proc, and some sandboxes: there /proc/<pid> is another process.
    owner = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", _LAUNCH],
        cwd=hosts.workspace.root,
        env=hosts.workspace.environment(
            ROLE="owner", OUTSIDE=str(hosts.outside), MACHINABLE_HEARTBEAT_SECONDS="0.1"
        ),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    hosts.processes.append(owner)
    hosts.until_told("owner", "runs")
    ask = 'from machinable import get\nprint(get("slow").status_evidence)\n'
    asked = subprocess.run(
        [
            "nsenter",
            "-t",
            Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()[0],
            "-p",
            sys.executable,
            "-c",
            ask,
        ],
        cwd=hosts.workspace.root,
        env=hosts.workspace.environment(ROLE="reader", OUTSIDE=str(hosts.outside)),
        text=True,
        capture_output=True,
    )
    assert "sign of life" in asked.stdout, asked
    hosts.go("owner")
    said, _ = owner.communicate(timeout=60)
    assert "launched finished" in said
