"""Storages of many records, written as the format has them: launching as many components would take hours."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
OPTIMIZERS = ("adam", "sgd", "lion", "adagrad", "rmsprop")


def write_storage(root: str, count: int, *, per_execution: int = 0, seed: int = 0) -> None:
    """Writes `count` finished records of the module `train` into a new storage.

    Args:
        per_execution: If given, the records lie in executions of so many components.
    """
    os.makedirs(os.path.join(root, ".machinable"), exist_ok=True)
    draw = random.Random(seed)
    home = root
    for number in range(count):
        if per_execution and number % per_execution == 0:
            home = os.path.join(root, name(draw, 6))
            write(
                os.path.join(home, ".machinable", "execution.json"),
                execution_document(os.path.basename(home)),
            )
        write_record(home, name(draw, 12), number, draw)


def write_record(home: str, id_: str, number: int, draw: random.Random) -> None:
    """Writes one record with ten parameters and two columns."""
    directory = os.path.join(home, id_)
    component, attempt, rows = documents(id_, number, draw)
    write(os.path.join(directory, ".machinable", "component.json"), component)
    write(os.path.join(directory, ".machinable", "attempt-1.jsonl"), attempt)
    write(os.path.join(directory, "record.jsonl"), rows)


def documents(id_: str, number: int, draw: random.Random) -> tuple[str, str, str]:
    """component.json, attempt-1.jsonl and record.jsonl of a record."""
    moment = time.time() - 1e6 + number
    config = {
        "batch_size": draw.choice((16, 32, 64, 128)),
        "dropout": draw.choice((0.0, 0.1, 0.5)),
        "epochs": 3,
        "model": {
            "depth": draw.randint(1, 50),
            "width": draw.choice((64, 128, 256)),
            "name": f"net{number % 7}",
        },
        "optimizer": {
            "lr": 10 ** -draw.uniform(1, 5),
            "name": draw.choice(OPTIMIZERS),
            "warmup": number % 100,
        },
        "tags": [],
    }
    request = {
        "class": "Train",
        "config": config,
        "counter": 0,
        "module": "train",
        "namespace": None,
        "scope": {},
        "seed": None,
        "trial": None,
        "uses": {},
        "v": 1,
    }
    component = {
        "format": 1,
        "kind": "component",
        "id": id_,
        "identity": f"{number:064x}",
        "request": request,
        "shape": {"fields": config, "uses": {}},
        "seed": draw.getrandbits(32),
        "nickname": "calm_heron",
        "timestamp": moment,
    }
    started = {
        "format": 1,
        "kind": "started",
        "time": moment,
        "owner": {
            "host": "node1",
            "boot": "",
            "namespace": "",
            "pid": 1,
            "started": 1,
            "nonce": f"n{number}",
        },
        "code": None,
        "engine": "native",
        "execution": None,
        "resumed_from": None,
        "run": "r",
        "uses": {},
        "values": {"device": "cpu"},
    }
    finished = {"kind": "finished", "time": moment + 60.0, "seconds": 60.0 + draw.random(), "observed": []}
    rows: Iterator[dict[str, Any]] = ({"epoch": epoch, "loss": draw.random()} for epoch in range(3))
    return line(component), line(started) + line(finished), "".join(map(line, rows))


def execution_document(id_: str) -> str:
    """execution.json."""
    return line(
        {"format": 1, "kind": "execution", "id": id_, "seed": 1, "nickname": "calm_heron", "timestamp": 0.0}
    )


def name(draw: random.Random, digits: int) -> str:
    """A drawn ID."""
    return "".join(draw.choices(DIGITS, k=digits))


def line(document: dict[str, Any]) -> str:
    """A document as it stands in its file."""
    return json.dumps(document, separators=(",", ":")) + "\n"


def write(path: str, text: str) -> None:
    """Writes a file, and the directories around it."""
    try:
        file = open(path, "w", encoding="utf-8")  # noqa: SIM115
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        file = open(path, "w", encoding="utf-8")  # noqa: SIM115
    with file:
        file.write(text)
