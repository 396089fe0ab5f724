"""The speed of `ray` and `dask`: components that do next to nothing. See CONTRIBUTING.md.

    python benchmarks/clusters.py [--quick] [--only ray|dask]

1,000 components that save a small JSON, on a cluster of two workers that is there and warm. The floor: as many bare
tasks of the library on that very cluster, which write the same bytes to the same files. `execute` is measured from
its call to its return, so the expansion of the plan, the snapshot and the table at the end are in it. The two take
turns; medians. Exits with 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure import Row, against, interleaved, milliseconds, print_header, print_rows
from subject import Floor, make_project

from machinable import Execution, Experiment, Project, execute, get
from machinable.engines.dask import Dask

COUNT = 1000
LIMIT = 1.5
Item = tuple[list[str], list[tuple[str, list[object], tuple[str, str], str]]]


def write(storage: str, item: Item) -> None:
    """The directories and files of one record."""
    import json
    import os

    directories, files = item
    for directory in directories:
        os.mkdir(os.path.join(storage, directory))
    for path, documents, separators, end in files:
        texts = [json.dumps(each, ensure_ascii=False, separators=tuple(separators)) for each in documents]
        with open(os.path.join(storage, path), "w", encoding="utf-8") as file:
            file.write("\n".join(texts) + end)


@contextlib.contextmanager
def ray_cluster(directory: str) -> Iterator[tuple[Callable[[str, list[Item]], object], Execution | str]]:
    """Bare tasks on a cluster of Ray with two CPUs, and the engine for it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=100 * 2**20,
        _node_ip_address="127.0.0.2",
        _temp_dir=directory,
    )
    task = ray.remote(max_retries=0)(write)
    try:
        yield lambda storage, plan: ray.get([task.remote(storage, item) for item in plan]), "ray"
    finally:
        ray.shutdown()


@contextlib.contextmanager
def dask_cluster(directory: str) -> Iterator[tuple[Callable[[str, list[Item]], object], Execution | str]]:
    """Bare tasks on a cluster of Dask with two workers, and the engine for it."""
    from distributed import Client, LocalCluster

    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "local_directory": directory}
    with LocalCluster(dashboard_address="127.0.0.1:0", **options) as cluster, Client(cluster) as client:
        yield (
            lambda storage, plan: client.gather(client.map(write, [storage] * len(plan), plan, pure=False)),
            Dask(cluster=client),
        )


CLUSTERS = {"ray": ray_cluster, "dask": dask_cluster}


def rows(name: str, place: str, rounds: int) -> Iterator[Row]:
    """The engine beside its floor."""
    plan = Experiment().component("noop", [{"x": number} for number in range(COUNT)])
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1]:
        example = execute(plan, os.path.join(place, "example"), "native", seed=1)
    floor = Floor(str(example.directory))
    directory = tempfile.mkdtemp(prefix="b", dir="/tmp")  # names of sockets have to be short
    with CLUSTERS[name](directory) as (run_bare, engine):

        def bare(number: int) -> float:
            storage = tempfile.mkdtemp(dir=place)
            began = time.perf_counter()
            run_bare(storage, floor.plan)
            return done(storage, began)

        def components(number: int) -> float:
            storage = tempfile.mkdtemp(dir=place)
            execution = get(engine) if isinstance(engine, str) else Dask(cluster=engine._cluster)  # type: ignore[attr-defined]
            began = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                execute(plan, storage, execution, seed=1)
            return done(storage, began)

        seconds = interleaved({"bare": bare, "components": components}, rounds)
    shutil.rmtree(directory, ignore_errors=True)
    ratio = seconds["components"] / seconds["bare"]
    yield Row(f"{COUNT} bare tasks of {name}, same files", "tmpfs", milliseconds(seconds["bare"]))
    figure = against(seconds["components"], seconds["bare"], milliseconds)
    yield Row(f"{COUNT} components, {name}", "tmpfs", figure, ratio, LIMIT)


def done(storage: str, began: float) -> float:
    """The seconds since then; the storage is removed."""
    seconds = time.perf_counter() - began
    shutil.rmtree(storage)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few rounds only")
    parser.add_argument("--only", choices=CLUSTERS, action="append", help="one library; may be repeated")
    options = parser.parse_args()

    memory = "/dev/shm" if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK) else None
    place = tempfile.mkdtemp(prefix="benchmark-", dir=memory)
    print(f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs; medians")
    passed = True
    try:
        with Project(make_project(place)):
            for name in options.only or CLUSTERS:
                print_header(name)
                passed = print_rows(rows(name, place, 2 if options.quick else 5)) and passed
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
