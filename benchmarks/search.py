"""The speed of searches in a storage: first indexing, `where`, `machinable ls`. See CONTRIBUTING.md.

    python benchmarks/search.py [--records N] [--rows N] [--directory DIR]

Writes a storage of N records as the format has them (10,000 by default; 100,000 take a minute and 2 GB, best in RAM),
and an index alone with as many rows as `--rows` says (none by default; 1,000,000 take some minutes and 2 GB). Prints a
table, and exits with 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import records
from measure import Place, Row, print_header, print_rows

from machinable import Project, Storage, get
from machinable.index import Search, open_index
from machinable.index.database import Database
from machinable.index.taking import Found
from machinable.index.writing import Writer
from machinable.records.record import Record
from machinable.records.row import read_row

ROUNDS = 9

#: What is searched for, and how many of a thousand rows have it.
SEARCHES = {
    "a parameter equals (1 %)": "optimizer.warmup == 7",
    "a parameter is above (1 %)": "optimizer.lr > 0.0912",
    "a value of the record is below (1 %)": "loss < 0.01",
    "both, and the status (0.03 %)": "optimizer.warmup == 7 and loss < 0.03 and status == 'finished'",
}


def limit_of(count: int) -> float:
    """How long a search may take, in milliseconds."""
    return 10.0 if count <= 100_000 else 100.0


def storage_rows(where: Place, count: int) -> Iterator[Row]:
    """A storage of so many records on the disk: what is measured includes the look at the storage."""
    root = os.path.join(where.path, "storage")
    records.write_storage(root, count)
    index = open_index(root)
    seconds = timed(index.refresh)
    rate = count / seconds
    yield Row(
        f"first indexing of {count:,} records", where.name, f"{rate:,.0f} /s", 5000 / rate, 1.0, where.limited
    )
    settle(root)
    index.refresh()
    yield row("nothing is new", where, middle(index.refresh))
    with Project(project(where.path)), Storage(root):
        for what, text in SEARCHES.items():
            seconds = middle(lambda text=text: len(get.all("train").where(text)))
            yield row(what, where, seconds, limit_of(count))
        yield row("the last 20 of all", where, middle(lambda: len(index.select(descending=True, limit=20))))
        yield row("the best 20 of all", where, middle(lambda: len(index.select(order="loss", limit=20))))
        yield row("all rows, read", where, middle(lambda: list(index.select()), 3))
    command = [sys.executable, "-m", "machinable", "--storage", root, "ls"]

    def ls() -> None:
        subprocess.run(command, cwd=where.path, stdout=subprocess.DEVNULL, check=True)

    limit = 500.0 if count <= 10_000 else None
    yield row("machinable ls, the whole process", where, middle(ls, 5), limit)


def index_rows(where: Place, count: int) -> Iterator[Row]:
    """An index of so many rows, without the records."""
    root = os.path.join(where.path, "rows")
    os.makedirs(os.path.join(root, ".machinable"))
    search = Search(root)
    path = os.path.join(root, ".machinable", "index.sqlite")
    seconds = timed(lambda: fill(path, root, count))
    search._open()
    search._is_read = True  # there are no records, which a look at the storage would notice
    yield Row(f"writing {count:,} rows", where.name, f"{count / seconds:,.0f} /s")
    for what, text in SEARCHES.items():
        yield row(what, where, middle(lambda text=text: len(search.select(text))), limit_of(count))
    yield Row("size of the file", where.name, f"{os.path.getsize(path) / 1e6:,.0f} MB")


def fill(path: str, root: str, count: int) -> None:
    """Writes rows as of records that differ in their values."""
    draw = random.Random(0)
    database, writer = Database(path, root), Writer()
    with tempfile.TemporaryDirectory() as home:
        records.write_record(home, "0" * 12, 0, draw)
        example, _ = read_row(Record(os.path.join(home, "0" * 12), home))
    batch: list[Found] = []
    for number in range(count):
        config = {
            **example["config"],
            "optimizer.lr": 10 ** -draw.uniform(1, 5),
            "optimizer.warmup": number % 100,
            "batch_size": draw.choice((16, 32, 64, 128)),
        }
        id_ = records.name(draw, 12)
        found: dict[str, Any] = {
            **example,
            "path": id_,
            "id": id_,
            "timestamp": float(number),
            "config": config,
            "record": {"epoch": 2, "loss": draw.random()},
        }
        batch.append(Found(id_, number, 0, found, False))
        if len(batch) == 10_000 or number == count - 1:
            with database.writing() as connection:
                writer.write(connection, batch)
            batch = []
    database.close()


def project(path: str) -> str:
    """A project with the module whose records these are."""
    root = os.path.join(path, "project")
    os.makedirs(root, exist_ok=True)
    Path(root, "train.py").write_text(
        "from machinable import Component\n\nclass Train(Component):\n    Config = {}\n"
    )
    return root


def settle(root: str) -> None:
    """Makes the storage one that did not change for a while."""
    before = time.time() - 1000
    for directory in (root, *(entry.path for entry in os.scandir(root))):
        os.utime(directory, (before, before))
        if directory != root and os.path.isdir(os.path.join(directory, ".machinable")):
            os.utime(os.path.join(directory, ".machinable"), (before, before))
    Search(root).refresh(thorough=True)


def row(what: str, where: Place, seconds: float, limit: float | None = None) -> Row:
    return Row(what, where.name, f"{seconds * 1e3:.1f} ms", seconds * 1e3, limit, where.limited)


def middle(task: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The median seconds; a first round is thrown away."""
    task()
    return median(timed(task) for _ in range(rounds))


def timed(task: Callable[[], Any]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--records", type=int, default=10_000, help="how many records of a storage on the disk"
    )
    parser.add_argument("--rows", type=int, default=0, help="how many rows of an index alone")
    parser.add_argument("--directory", type=Path, help="where; by default in RAM, where there is room")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    parent = options.directory or (memory if memory.is_dir() and os.access(memory, os.W_OK) else None)
    print(
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs; medians of {ROUNDS} rounds"
    )
    path = tempfile.mkdtemp(prefix="benchmark-", dir=parent)
    where = Place(str(parent or "temporary"), path, True)
    try:
        passed = True
        if options.records:
            print_header("a storage")
            passed = print_rows(storage_rows(where, options.records))
        if options.rows:
            print_header("an index")
            passed = print_rows(index_rows(where, options.rows)) and passed
    finally:
        shutil.rmtree(path, ignore_errors=True)
    print("\nall limits hold" if passed else "\nA LIMIT IS MISSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
