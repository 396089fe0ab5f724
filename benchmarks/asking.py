"""Asking again for finished components and loading their results, and how this grows with the storage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from child import read
from launching import launch
from measure import Place, Row, against, interleaved, microseconds, milliseconds
from peers import peers
from subject import COUNT, child, make_project, records

from machinable import Project, Storage, get

MANY = 20_000


def rows(place: Place, quick: bool) -> Iterator[Row]:
    project = make_project(place.path)
    storage = os.path.join(place.path, "storage")
    launch(project, storage)
    names = child("opened", project, storage, 0, 2).split()
    paths = [os.path.join(record, name) for record in records(storage) for name in names]
    stores = {peer.name: os.path.join(place.path, peer.name) for peer in peers()}
    for peer in peers():
        peer.launch(stores[peer.name])

    def ask() -> None:
        with Project(project), Storage(storage):
            for number in range(COUNT):
                get("noop", {"x": number}).load_file("result.json")

    tasks: dict[str, Callable[[int], float]] = {
        "machinable": timed(ask),
        "floor": timed(lambda: read(paths)),
        **{peer.name: timed(lambda peer=peer: peer.ask(stores[peer.name])) for peer in peers()},
    }
    seconds = {name: total / COUNT for name, total in interleaved(tasks, 7 if quick else 21).items()}
    machinable, floor = seconds["machinable"], seconds["floor"]
    what = f"asking again for {COUNT} and loading the result, each"
    yield Row(what, place.name, against(machinable, floor), machinable / floor, 2, place.limited)
    yield Row(
        f"  the floor: reading {', '.join(os.path.basename(name) for name in names)}",
        place.name,
        microseconds(floor),
    )
    for peer in peers():
        yield Row(f"  {peer.name} {peer.version}", place.name, against(seconds[peer.name], floor))

    text = "\n".join(paths)
    fresh = interleaved(
        {
            "machinable": lambda _: float(child("ask", project, storage, 0, COUNT)),
            "floor": lambda _: float(child("read", project, storage, 0, COUNT, text)),
            "whole machinable": timed(lambda: child("ask", project, storage, 0, COUNT)),
            "whole floor": timed(lambda: child("read", project, storage, 0, COUNT, text)),
        },
        5 if quick else 15,
    )
    machinable, floor = fresh["machinable"], fresh["floor"]
    figure = against(machinable / COUNT, floor / COUNT)
    yield Row(
        "in a fresh process, after the import of machinable",
        place.name,
        figure,
        machinable / floor,
        2,
        place.limited,
    )
    figure = against(fresh["whole machinable"], fresh["whole floor"], milliseconds)
    yield Row("  from the start of the process to its end", place.name, figure)


def growth_rows(place: Place, quick: bool) -> Iterator[Row]:
    project = make_project(place.path)
    many = 4_000 if quick else MANY
    sizes = {"few": COUNT, "many": many}
    for name, count in sizes.items():
        with Project(project), Storage(os.path.join(place.path, name)):
            for number in range(count):
                get("noop", {"x": number}).launch()

    def ask(name: str) -> None:
        with Project(project), Storage(os.path.join(place.path, name)):
            for number in range(0, sizes[name], sizes[name] // COUNT):
                get("noop", {"x": number}).load_file("result.json")

    seconds = interleaved({name: timed(lambda name=name: ask(name)) for name in sizes}, 11 if quick else 41)
    few, more = (seconds[name] / COUNT for name in sizes)
    figure = f"{microseconds(few)}, {microseconds(more)}: {100 * (more / few - 1):+.1f} %"
    yield Row(
        f"asking for {COUNT} of {COUNT} and of {many:,} stored",
        place.name,
        figure,
        more / few,
        1.1,
        place.limited,
    )


def timed(task: Callable[[], object]) -> Callable[[int], float]:
    def run(_: int) -> float:
        start = time.perf_counter()
        task()
        return time.perf_counter() - start

    return run
