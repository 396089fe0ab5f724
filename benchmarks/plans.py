"""The speed of plans: expanding 100,000 components, overhead per component, and the snapshot. See CONTRIBUTING.md.

    python benchmarks/plans.py [--quick]

Each figure comes from a new Python process, and is the median of several. Exits with 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from measure import Row, milliseconds, print_header, print_rows
from subject import ENVIRONMENT

MODULE = """
from machinable import Component

class Planned(Component):
    Config = {"lr": 0.1, "batch_size": 32, "epochs": 3, "l2": 0.0}

    def __call__(self):
        pass
"""

EXPANSION = """
import resource, time
from machinable import Experiment, grid
from machinable.experiment import expand

plan = {plan}
began = time.perf_counter()
planned = expand(plan, 42)
seconds = time.perf_counter() - began
assert len(planned) == 100_000
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

PLANS = {
    "a grid of 100,000 over 4 fields": (
        "Experiment().component('planned', grid(lr=[i / 1e4 for i in range(1, 101)], "
        "batch_size=[*range(1, 11)], epochs=[*range(10)], l2=[i / 10 for i in range(10)]))"
    ),
    "100,000 trials of one component": "Experiment().component('planned').repeat(100_000)",
}

EXECUTION = """
import contextlib, io, time
from machinable import Experiment, execute

plan = Experiment().component("planned").repeat({count})
began = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    execute(plan, "results", seed=42)
print((time.perf_counter() - began) / {count})
"""

SNAPSHOT = """
import time
from machinable import snapshot

snapshot.take
began = time.perf_counter()
snapshot.take({root!r}, {storage!r})
first = time.perf_counter() - began
began = time.perf_counter()
snapshot.take({root!r}, {storage!r})
print(first, time.perf_counter() - began)
"""


def run(project: Path, source: str) -> list[float]:
    """The numbers that a piece of Python prints, run in the project."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=project,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def medians(project: Path, source: str, rounds: int) -> list[float]:
    return [median(values) for values in zip(*(run(project, source) for _ in range(rounds)), strict=True)]


def rows(project: Path, rounds: int) -> Iterator[Row]:
    for name, plan in PLANS.items():
        seconds, megabytes = medians(project, EXPANSION.format(plan=plan), rounds)
        yield Row(f"expanding {name}, seconds", "", f"{seconds:.2f} s", seconds, 2)
        yield Row("  peak memory, MB", "", f"{megabytes:.0f} MB", megabytes, 500)
    each = {}
    for count in (100, 1000, 5000):
        each[count] = run(project, EXECUTION.format(count=count))[0]
        shutil.rmtree(project / "results")
        yield Row(f"executing {count} components, each", "", milliseconds(each[count]))
    yield Row("  of 5,000 against of 100", "", f"{each[5000] / each[100]:.2f} ×")
    tree, storage = project / "tree", project / "storage"
    for number in range(1000):
        file = tree / f"part{number // 50}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"value = {number}\n" * 20)
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    source = SNAPSHOT.format(root=str(tree), storage=str(storage))
    run(project, source)
    first, later = medians(project, source, rounds * 2)
    yield Row("snapshot of 1,000 unchanged files, git included, ms", "", milliseconds(first), first * 1e3, 20)
    yield Row("  the second in a process", "", f"{later * 1e6:.0f} µs")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few rounds only")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()}; medians")
    print_header("plans")
    project = Path(
        tempfile.mkdtemp(prefix="benchmark-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    )
    try:
        (project / "pyproject.toml").write_text("[tool.machinable]\n")
        (project / "planned.py").write_text(MODULE)
        passed = print_rows(rows(project, 3 if options.quick else 7))
    finally:
        shutil.rmtree(project, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
