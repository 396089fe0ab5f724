"""Launching distinct components that save a small JSON: time, system calls, files, bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator

from measure import Place, Row, against, interleaved
from peers import peers
from subject import COUNT, Floor, child, make_project, records

from machinable import Project, Storage, get

CREATING = (
    "open,openat,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,renameat,renameat2"
)


def rows(place: Place, quick: bool) -> Iterator[Row]:
    project = make_project(place.path)
    first = os.path.join(place.path, "first")
    launch(project, first)
    floor = Floor(first)

    tasks: dict[str, Callable[[str], None]] = {
        "machinable": lambda path: launch(project, path),
        "floor": floor.write,
        "one file": one_file,
        **{peer.name: peer.launch for peer in peers()},
    }
    timed = {name: timer(task, os.path.join(place.path, "round")) for name, task in tasks.items()}
    seconds = {name: total / COUNT for name, total in interleaved(timed, 5 if quick else 15).items()}
    what = f"launching {COUNT} distinct components, each"
    yield Row(
        what,
        place.name,
        against(seconds["machinable"], seconds["floor"]),
        seconds["machinable"] / seconds["floor"],
        1.5,
        place.limited,
    )
    yield Row(
        "  the floor: the same bytes to the same files",
        place.name,
        against(seconds["floor"], seconds["floor"]),
    )
    yield Row(
        "  the result alone, in a directory", place.name, against(seconds["one file"], seconds["floor"])
    )
    for peer in peers():
        yield Row(f"  {peer.name} {peer.version}", place.name, against(seconds[peer.name], seconds["floor"]))

    calls = creating_calls(project, place.path)
    if calls is None:
        yield Row("  calls that create or rename: needs strace", place.name, "not measured")
    else:
        yield Row("  calls that create or rename, per component", place.name, f"{calls:.2f}", calls, 9)
    files, kib = size(first)
    yield Row("  files per component", place.name, f"{files:.2f}", files, 5)
    # tmpfs counts no blocks for directories, so the size counts on the disk.
    counts = place.name == "disk"
    yield Row(
        "  KiB per component, with directories",
        place.name,
        f"{kib:.1f}",
        kib if counts else None,
        24 if counts else None,
    )


def launch(project: str, storage: str) -> None:
    with Project(project), Storage(storage):
        for number in range(COUNT):
            get("noop", {"x": number}).launch()


def one_file(path: str) -> None:
    """What a script without any tool would do: a directory and the result."""
    os.mkdir(path)
    for number in range(COUNT):
        directory = os.path.join(path, str(number))
        os.mkdir(directory)
        with open(os.path.join(directory, "result.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps({"x": number, "loss": 0.25, "accuracy": 0.75}))


def timer(task: Callable[[str], None], prefix: str) -> Callable[[int], float]:
    """The task, on a new path that is removed afterwards, timed."""

    def run(number: int) -> float:
        path = f"{prefix}-{number}"
        start = time.perf_counter()
        task(path)
        seconds = time.perf_counter() - start
        shutil.rmtree(path)
        return seconds

    return run


def creating_calls(project: str, parent: str) -> float | None:
    """System calls that create or rename per component, also those that fail; None without strace."""
    if not shutil.which("strace"):
        return None
    # An untraced run first: what Python compiles and keeps then is not the component's.
    child("launch", project, os.path.join(parent, "untraced"), 0, 1)
    counts = []
    for number in (20, 120):
        log = os.path.join(parent, f"calls-{number}")
        trace = ("strace", "-f", "-qq", "-o", log, "-e", f"trace={CREATING}")
        child("launch", project, os.path.join(parent, f"traced-{number}"), 0, number, prefix=trace)
        with open(log, encoding="utf-8", errors="replace") as file:
            calls = [line for line in file if "(" in line and "resumed>" not in line]
        counts.append(sum("O_CREAT" in call or not re.search(r"\bopen(at)?\(", call) for call in calls))
    return (counts[1] - counts[0]) / 100


def size(storage: str) -> tuple[float, float]:
    """Files and KiB per record; what the storage shares between its records is divided among them."""
    files = blocks = 0
    for directory, _, names in os.walk(storage):
        if directory != storage:
            blocks += os.stat(directory).st_blocks
        files += len(names)
        blocks += sum(os.stat(os.path.join(directory, name)).st_blocks for name in names)
    count = len(records(storage))
    return files / count, blocks * 512 / 1024 / count
