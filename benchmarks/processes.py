"""The speed of `native:2`: a process for each component, and workers that are kept. See CONTRIBUTING.md.

    python benchmarks/processes.py [--quick]

500 components that save a small JSON. Two floors, both of the standard library alone and with two processes at a time,
write the same bytes to the same files: one forks with `multiprocessing` (start method `fork`), the other with bare
`os.fork` and nothing besides. Beside the workers stands joblib's process pool. Each round runs in a new Python; its
imports are not counted, the start of pools and templates is. Exits with 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from measure import Row, against, interleaved, milliseconds, print_header, print_rows
from subject import COUNT, ENVIRONMENT, Floor, make_project

AT_ONCE = 2
LIMIT, LIMIT_OF_WORKERS = 1.3, 1.5
Item = tuple[list[str], list[tuple[str, list[object], tuple[str, str], str]]]


def write(storage: str, item: Item) -> None:
    """The directories and files of one record."""
    directories, files = item
    for directory in directories:
        os.mkdir(os.path.join(storage, directory))
    for path, documents, separators, end in files:
        with open(os.path.join(storage, path), "w", encoding="utf-8") as file:
            file.write(Floor.text(documents, tuple(separators), end))


def forked(storage: str, plan: list[Item]) -> None:
    """A `multiprocessing.Process` for each record."""
    context = multiprocessing.get_context("fork")
    alive: dict[int, Any] = {}
    for item in plan:
        while len(alive) == AT_ONCE:
            for sentinel in wait(list(alive)):
                alive.pop(sentinel).join()  # type: ignore[call-overload]
        process = context.Process(target=write, args=(storage, item))
        process.start()
        alive[process.sentinel] = process
    for process in alive.values():
        process.join()


def forked_bare(storage: str, plan: list[Item]) -> None:
    """An `os.fork` for each record."""
    alive = 0
    for item in plan:
        if alive == AT_ONCE:
            os.wait()
            alive -= 1
        if os.fork() == 0:
            write(storage, item)
            os._exit(0)
        alive += 1
    while alive:
        os.wait()
        alive -= 1


def joblib_pool(storage: str, plan: list[Item]) -> None:
    """joblib's default pool of processes (loky), started for it."""
    import joblib

    joblib.Parallel(n_jobs=AT_ONCE)(joblib.delayed(write)(storage, item) for item in plan)


def machinable(storage: str, project: str, **version: Any) -> None:
    """`native:2`."""
    from machinable import Project, Storage, get

    with Project(project), Storage(storage), get(f"native:{AT_ONCE}", version):
        for number in range(COUNT):
            get("noop", {"x": number}).launch()


MACHINABLE: dict[str, dict[str, Any]] = {
    "native:2, forkserver": {},
    "native:2, forkserver, preload=[noop]": {"preload": ["noop"]},
    "native:2, fork": {"start_method": "fork"},
    "native:2, reuse_processes": {"reuse_processes": True},
}
FLOORS: dict[str, Callable[[str, list[Item]], None]] = {
    "multiprocessing": forked,
    "os.fork": forked_bare,
    "joblib": joblib_pool,
}


def child(name: str, storage: str, project: str, plan: str) -> None:
    """One round; prints the seconds."""
    if name in MACHINABLE:
        import_module("machinable.api")
        import_module("machinable.engines.native")
        task = partial(machinable, storage, project, **MACHINABLE[name])
    else:
        if name == "joblib":
            import_module("joblib")
        os.mkdir(storage)
        items: list[Item] = json.loads(Path(plan).read_text(encoding="utf-8"))
        task = partial(FLOORS[name], storage, items)
    start = time.perf_counter()
    task()
    print(time.perf_counter() - start)


def rows(parent: str, rounds: int) -> Iterator[Row]:
    project = make_project(parent)
    plan = os.path.join(parent, "plan.json")

    def run(name: str, number: int, keep: str = "") -> float:
        storage = keep or os.path.join(parent, f"storage-{number}")
        command = [sys.executable, __file__, "--child", name, storage, project, plan]
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        ).stdout
        if not keep:
            shutil.rmtree(storage)
        return float(output.split()[-1])

    first = os.path.join(parent, "first")
    run("native:2, forkserver", 0, keep=first)
    shutil.rmtree(next(Path(first).glob("*/.machinable/execution.json")).parent.parent)
    Path(plan).write_text(json.dumps(Floor(first).plan), encoding="utf-8")

    names = [*MACHINABLE, "multiprocessing", "os.fork"]
    try:
        import joblib
    except ImportError:
        joblib = None
    else:
        names.append("joblib")
    seconds = interleaved({name: partial(run, name) for name in names}, rounds)
    floor = seconds["multiprocessing"]
    yield Row("the floor: multiprocessing.Process, fork", "", against(floor, floor, milliseconds))
    yield Row("  bare os.fork", "", against(seconds["os.fork"], floor, milliseconds))
    for name in list(MACHINABLE)[:3]:
        limit = LIMIT if name == "native:2, forkserver" else None
        yield Row(name, "", against(seconds[name], floor, milliseconds), seconds[name] / floor, limit)
    workers = seconds["native:2, reuse_processes"]
    if joblib is None:
        yield Row("native:2, reuse_processes (joblib is not installed)", "", milliseconds(workers))
        return
    pool = seconds["joblib"]
    yield Row(f"joblib {joblib.__version__}, {AT_ONCE} processes", "", against(pool, pool, milliseconds))
    yield Row(
        "native:2, reuse_processes",
        "",
        against(workers, pool, milliseconds),
        workers / pool,
        LIMIT_OF_WORKERS,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three rounds only")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return 0
    print(
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs; "
        "medians of interleaved rounds; each figure beside its ratio to the floor (the pool: to joblib)"
    )
    print_header(f"{COUNT} no-op components")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=memory) as parent:
        passed = print_rows(rows(parent, 3 if options.quick else 9))
    print("\nall limits hold" if passed else "\nA LIMIT IS MISSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
