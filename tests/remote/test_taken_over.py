"""Owners on machines that can not see each other's processes: heartbeats in the storage alone tell of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.claims.launchers import until, why_no_namespace
from tests.remote.machines import Machine

_UNSHARE = ("--pid", "--fork", "--kill-child", "--mount-proc")
_REASON = why_no_namespace(*_UNSHARE)
pytestmark = [
    pytest.mark.skipif(bool(_REASON), reason=_REASON),
    pytest.mark.xdist_group("seaweed"),
]

Machines = Callable[[str], Machine]

_TIMES = {"MACHINABLE_TAKEOVER_SECONDS": "2", "MACHINABLE_HEARTBEAT_SECONDS": "0.1"}

_LAUNCH = """
import sys
from machinable import Storage, get
from machinable.errors import MachinableError
with Storage(sys.argv[1]):
    try:
        print("launched", get("steps").launch().status)
    except MachinableError as error:
        print("raised", type(error).__name__, error)
"""

_SEEN = """
component = get("steps").launch()
result = {
    "status": str(component.status),
    "attempts": len(component.executions),
    "resumed_from": component.executions[-1]["resumed_from"],
    "rows": [row["i"] for row in component.record],
    "files": sorted(path.name for path in component.local_directory().iterdir() if path.name.startswith("step-")),
    "last": component.load_file("step-5.json"),
    "output": component.output(),
}
"""


class Elsewhere:
    """A process in a PID namespace of its own, with a cache of its own."""

    def __init__(self, machine: Machine, url: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            ["unshare", *_UNSHARE, sys.executable, "-c", _LAUNCH, url],
            cwd=machine.root,
            env={
                **os.environ,
                **_TIMES,
                "PYTHONDONTWRITEBYTECODE": "1",
                "COUNT": str(machine.count),
                "MACHINABLE_CACHE": str(machine.root / "cache-elsewhere"),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._count = machine.count

    def hangs(self) -> None:
        """Waits until the component hangs."""
        until(lambda: Path(f"{self._count}.hangs").exists() or self.process.poll() is not None, "it hangs")
        assert self.process.poll() is None, self.process.communicate()

    def inner(self) -> int:
        """The PID of the Python process, as it is here."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Elsewhere]]:
    with ExitStack() as stack:

        def start(machine: Machine, url: str, **variables: str) -> Elsewhere:
            started = Elsewhere(machine, url, **variables)
            stack.callback(started.process.communicate)
            stack.callback(started.process.kill)
            return started

        yield start


def _steps(machine: Machine) -> list[str]:
    return machine.count.read_text().split()


def test_another_machine_goes_on_from_the_last_checkpoint(
    s3_url: str, machine: Machines, elsewhere: Callable[..., Elsewhere]
) -> None:
    heir = machine("heir")
    owner = elsewhere(heir, s3_url, HANG_AT="3")
    owner.hangs()
    seen = heir.run(s3_url, "result = str(get('steps').status)", **_TIMES)  # type: ignore[arg-type]
    assert seen.result == "running"
    owner.process.kill()
    result = heir.run(s3_url, _SEEN, **_TIMES).result  # type: ignore[arg-type]
    assert result == {
        "status": "finished",
        "attempts": 2,
        "resumed_from": 1,
        "rows": [0, 1, 2, 3, 4, 5],
        "files": [f"step-{i}.json" for i in range(6)],
        "last": 5,
        "output": "step 3\nstep 4\nstep 5\n",
    }
    assert _steps(heir) == ["0", "1", "2", "3", "3", "4", "5"]
    assert machine("third").run(s3_url, _SEEN).result == result  # type: ignore[arg-type]


def test_a_running_component_can_be_watched_from_elsewhere(
    s3_url: str, machine: Machines, elsewhere: Callable[..., Elsewhere]
) -> None:
    here = machine("here")
    elsewhere(here, s3_url, HANG_AT="3").hangs()
    watch = """
    import time
    component = get("steps")
    end = time.monotonic() + 20
    while time.monotonic() < end and "step 3" not in component.output():
        time.sleep(0.05)
    component = get("steps")
    rows, saved = [row["i"] for row in component.record], component.load_file("step-2.json")
    result = [component.output(), rows, str(component.status), saved]
    """
    seen = here.run(s3_url, watch, **_TIMES).result  # type: ignore[arg-type]
    assert seen == ["step 0\nstep 1\nstep 2\nstep 3\n", [0, 1, 2, 3], "running", 2]


def test_an_owner_that_wakes_up_too_late_publishes_nothing(
    s3_url: str, machine: Machines, elsewhere: Callable[..., Elsewhere]
) -> None:
    heir = machine("heir")
    owner = elsewhere(heir, s3_url, HANG_AT="3", HANG_SECONDS="1")
    owner.hangs()
    os.kill(owner.inner(), signal.SIGSTOP)
    result = heir.run(s3_url, _SEEN, **_TIMES).result  # type: ignore[arg-type]
    assert (result["status"], result["attempts"]) == ("finished", 2)
    os.kill(owner.inner(), signal.SIGCONT)
    said, _ = owner.process.communicate(timeout=60)
    # The launch of the one that was taken over ends with the outcome that counts, or says what happened.
    assert "launched finished" in said or "took over" in said, said
    assert machine("third").run(s3_url, _SEEN).result == result  # type: ignore[arg-type]
