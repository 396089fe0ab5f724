"""Machines that share a remote storage: processes of one have a cache directory, and so a mirror, in common."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.claims.launchers import Answer, Launchers

#: What a component leaves on a machine: counts of executions lie outside of all storages.
SOURCE = """
import os
import time
from machinable import Component

class Tiny(Component):
    Config = {"n": 0}

    def __call__(self):
        descriptor = os.open(os.environ["COUNT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(descriptor, b"ran\\n")
        os.close(descriptor)
        print("it runs")
        for step in range(3):
            self.record["step"] = step
            self.record.save()
        time.sleep(float(os.environ.get("PAUSE", "0")))
        if os.environ.get("FAIL"):
            raise ValueError("asked to fail")
        self.save_file("result.json", {"n": self.config.n})
        self.save_file("deep/er/text.txt", "deep")
"""

STEPS = """
import os
import time
from machinable import Component

class Steps(Component):
    Config = {"n": 6}
    checkpoint_seconds = 0.0

    def on_create(self):
        self.first = 0

    def on_restore(self, directory):
        self.first = int((directory + "/step.txt") and open(directory + "/step.txt").read())

    def on_save(self, directory):
        with open(directory + "/step.txt", "w") as file:
            file.write(str(self.step + 1))

    def on_execute_iteration(self, i):
        self.step = i
        descriptor = os.open(os.environ["COUNT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(descriptor, f"{i}\\n".encode())
        os.close(descriptor)
        print("step", i)
        self.save_file(f"step-{i}.json", i)
        self.record["i"] = i
        if str(i) == os.environ.get("HANG_AT"):
            self.record.save()
            open(os.environ["COUNT"] + ".hangs", "w").close()
            time.sleep(float(os.environ.get("HANG_SECONDS", "120")))
        if i + 1 >= self.config.n:
            raise StopIteration
"""

#: Fails, hangs or kills at a request to the storage; put before a source.
INTERFERE = """
import os, signal
import machinable.store.object as objects

_requests = []

def _interfere(name, before):
    original = getattr(objects.ObjectStore, name)
    def wrapped(self, *arguments, **options):
        _requests.append(name)
        if before and len(_requests) == arguments_of_test["at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        number = len(_requests)
        result = original(self, *arguments, **options)
        if not before and number == arguments_of_test["at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(objects.ObjectStore, name, wrapped)

arguments_of_test = arguments
for _name in ("put", "create", "delete", "entries", "get", "_send"):
    _interfere(_name, arguments["before"])
"""


class Machine(Launchers):
    """A machine of its own: a project, a cache directory, and processes that launch."""

    def __init__(self, root: Path, count: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        super().__init__(root)
        self.count = count
        self.cache = root / "cache"
        (self.root / "tiny.py").write_text(SOURCE)
        (self.root / "steps.py").write_text(STEPS)

    def start(self, storage: Any, source: str, **options: Any) -> list[int]:
        return super().start(storage, source, **{"MACHINABLE_CACHE": str(self.cache), **options})

    def counter(self, storage: Any) -> Path:
        return self.count

    def launch(self, storage: str, **options: Any) -> Answer:
        """Launches `tiny`, and tells what came of it."""
        return self.run(storage, LAUNCH, **options)  # type: ignore[arg-type]

    def mirrors(self) -> list[Path]:
        """The mirrors in the cache."""
        return sorted(self.cache.glob("mirror-*"))


LAUNCH = """
component = get("tiny").launch()
result = {
    "status": str(component.status),
    "reused": component.reused,
    "saved": component.load_file("result.json"),
    "deep": component.load_file("deep/er/text.txt"),
    "rows": [row["step"] for row in component.record],
    "attempts": len(component.executions),
    "output": component.output(),
}
"""

DONE = {"status": "finished", "saved": {"n": 0}, "deep": "deep", "rows": [0, 1, 2], "output": "it runs\n"}

PLAN = """
import sys
from machinable import Experiment, execute, grid

if __name__ == "__main__":
    plan = Experiment().component("tiny", grid(n=list(range(int(sys.argv[2])))))
    execution = execute(plan, storage=sys.argv[1], engine=sys.argv[3], seed=42)
    print(execution.is_finished(), [each.load_file("result.json")["n"] for each in execution.components])
"""


def run_python(machine: Machine, *command: str, **variables: str) -> str:
    """Runs Python on a machine, and returns what it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MACHINABLE_")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=machine.root,
        env={
            **clean,
            "PYTHONDONTWRITEBYTECODE": "1",
            "COUNT": str(machine.count),
            "MACHINABLE_CACHE": str(machine.cache),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
