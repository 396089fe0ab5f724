"""A reader of storages that is written from docs/format.md alone, with the standard library, and reads the sample.

It imports nothing of machinable. Where it has to be changed, the page says something else than before, and that
must not happen within a version of the format.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

SAMPLE = Path(__file__).parents[1] / "data" / "storage-v1"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ENDS = ("finished", "failed", "interrupted", "withdrawn")
LOST_SECONDS = 120

# --- canonical JSON, identity, IDs and seeds


def canonical(value: Any) -> str:
    """Python's `json` writes floats in their shortest form, and escapes what the page says, if told to."""
    return json.dumps(
        without_minus_zero(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def without_minus_zero(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_minus_zero(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_minus_zero(item) for item in value]
    return 0.0 if isinstance(value, float) and value == 0 else value


def digest(text: str, size: int) -> bytes:
    return blake2b(text.encode(), digest_size=size).digest()


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def base62(value: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        value, digit = divmod(value, 62)
        text = DIGITS[digit] + text
    assert value == 0
    return text


def component_id(identity: str) -> str:
    return base62(int(identity, 16) % 62**12, 12)


def plan_identity(request: dict[str, Any]) -> str:
    document = {"class": request["class"], "config": request["config"], "module": request["module"], "v": 1}
    return digest(canonical(document), 32).hex()


# --- documents


def load(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.endswith("\n")
    return checked(json.loads(text))


def checked(document: dict[str, Any]) -> dict[str, Any]:
    assert document["format"] == 1, "a later format"
    return document


def lines(path: str) -> list[dict[str, Any]]:
    """What stands after the last newline was cut by a kill."""
    if os.path.isdir(path):
        path = os.path.join(path, "attempt.jsonl")
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file.read().split("\n")[:-1]]


# --- records and their states


def attempts(record: str) -> dict[int, list[dict[str, Any]]]:
    meta = os.path.join(record, ".machinable")
    found = {}
    for name in os.listdir(meta):
        match = re.fullmatch(r"attempt-([1-9][0-9]*)\.jsonl", name)
        if match:
            found[int(match[1])] = lines(os.path.join(meta, name))
            checked(found[int(match[1])][0])
    return found


def end_of(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((event for event in events if event["kind"] in ENDS), None)


def that_counts(record: str, n: int | None = None) -> int:
    """The number of the last attempt, or of the last one up to `n`, that was not withdrawn."""
    found = attempts(record)
    n = max(found) if n is None else n
    while n in found and (end := end_of(found[n])) is not None and end["kind"] == "withdrawn":
        n -= 1
    return n


def notes(record: str) -> list[dict[str, Any]]:
    directory = os.path.join(record, ".machinable", "notes")
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [load(os.path.join(directory, name)) for name in names]


def state(record: str, now: float) -> str:
    """The state, for a reader on another machine than the owners: rule 7 in place of 6. Nothing here is cut (5)."""
    n = that_counts(record)
    end = end_of(attempts(record)[n])
    invalidated = max((note["attempt"] for note in notes(record) if note["kind"] == "invalidate"), default=0)
    if end is None:
        age = now - os.stat(os.path.join(record, ".machinable", f"attempt-{n}.jsonl")).st_mtime
        if age < LOST_SECONDS:
            return "running"
        before = that_counts(record, n - 1)
        end = end_of(attempts(record)[before]) if before else None
        return (
            "finished" if end is not None and end["kind"] == "finished" and before > invalidated else "lost"
        )
    return "pending" if n <= invalidated else str(end["kind"])


def records(directory: str) -> dict[str, str]:
    """The directories of all records, by their ID and, where they belong to one, their execution's name."""
    found = {}
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if re.fullmatch(r"[0-9A-Za-z]{12}", name):
            found[name] = path
        elif re.fullmatch(r"[0-9A-Za-z]{6}(~[0-9a-f]{2})?", name):
            found.update({f"{name}/{inner}": deeper for inner, deeper in records(path).items()})
    return found


# --- what it reads in the sample


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(shutil.copytree(SAMPLE, tmp_path / "anywhere"))


def documents(storage: str) -> dict[str, dict[str, Any]]:
    return {
        name: load(os.path.join(path, ".machinable", "component.json"))
        for name, path in records(storage).items()
    }


def test_it_derives_the_states(storage: str) -> None:
    states = {name: state(path, time.time()) for name, path in records(storage).items()}
    del states["DCDIuobI7znc"]  # its modification time decides, which Git does not keep
    assert states == {
        "00000g/07vjYva526bY": "finished",
        "00000g/0kWJINlsCAfO": "finished",
        "00000g/f1ZZyGpJ7Zw7": "finished",
        "00000g/knBzeOJ0uIuq": "finished",
        "00000g/lGD8LWHhjh5J": "finished",
        "00000g/zHLRYFNxV0Mx": "finished",
        "2fMBVp9EwO85": "pending",
        "32hdZ8C32NZu": "finished",
        "3hDdSymhjVoa": "interrupted",
        "8WJuRGKSKOuM": "finished",
        "BLDm4qcq7AL1": "finished",
        "PXOmXmd8C9n6": "finished",
        "TRrLv0nYIOqr": "failed",
        "h97HS4CSiCq7": "finished",
        "nvc7ChFi5Zii": "finished",
        "nyBkCgh6zJSm": "finished",
        "odeAxGIE1Yp1": "finished",
        "ttfTX3UtKgiM": "finished",
        "xryi5Juojway": "finished",
    }


def test_silence_is_told_by_the_modification_time(storage: str) -> None:
    path = os.path.join(storage, "DCDIuobI7znc", ".machinable", "attempt-1.jsonl")
    os.utime(path, (0, 1_000_000))
    assert state(os.path.join(storage, "DCDIuobI7znc"), 1_000_000 + 119) == "running"
    assert state(os.path.join(storage, "DCDIuobI7znc"), 1_000_000 + 120) == "lost"


def test_a_take_over_that_died_does_not_hide_a_result(storage: str) -> None:
    record = os.path.join(storage, "32hdZ8C32NZu")
    path = os.path.join(record, ".machinable", "attempt-2.jsonl")
    with open(path, encoding="utf-8") as file:
        first = file.readline()
    with open(path, "w", encoding="utf-8") as file:
        file.write(first)
    os.utime(path, (0, 1_000_000))
    assert state(record, 1_000_000 + 60) == "running"
    assert state(record, 1_000_000 + 600) == "finished"


def test_it_recomputes_identities_ids_and_seeds(storage: str) -> None:
    for name, document in documents(storage).items():
        request = document["request"]
        assert len(request) == 10
        identity = digest(canonical(request), 32).hex()
        assert document["identity"] == identity
        assert document["id"] == component_id(identity) == name.rpartition("/")[2]
        derived = number(bytes.fromhex(identity)[:4])
        assert document["seed"] == (derived if request["seed"] is None else request["seed"])


def test_it_recomputes_the_seeds_of_trials(storage: str) -> None:
    execution = load(os.path.join(storage, "00000g", ".machinable", "execution.json"))
    assert base62(execution["seed"], 6) == execution["id"] == "00000g"
    planned = [document for name, document in documents(storage).items() if name.startswith("00000g/")]
    assert len(planned) == 6
    for document in planned:
        request, trial, split = document["request"], document["trial"], document["trial"]["split"]
        what = plan_identity(request)
        parts = f":split:{split['total']}" if split["total"] > 1 else ""
        assert document["seed"] == request["seed"]
        assert request["trial"] == trial["number"] < trial["total"]
        text = f"{execution['seed']}:{what}{parts}:{trial['number']}"
        assert document["seed"] == number(digest(text, 4))
        repetition, part = divmod(trial["number"], split["total"])
        assert split["number"] == part
        assert split["seed"] == number(digest(f"{execution['seed']}:{what}:split:{repetition}", 4))


def test_it_follows_inputs_to_their_records(storage: str) -> None:
    found = records(storage)
    known = {document["identity"]: name for name, document in documents(storage).items()}
    used = 0
    for name, document in documents(storage).items():
        for input_, identity in document["request"]["uses"].items():
            started = attempts(found[name])[that_counts(found[name])][0]
            assert started["uses"][input_] == component_id(identity) == known[identity].rpartition("/")[2]
            used += 1
    assert used == 11


def test_it_reads_the_run_of_the_execution(storage: str) -> None:
    directory = os.path.join(storage, "00000g", ".machinable", "runs")
    (name,) = os.listdir(directory)
    run = load(os.path.join(directory, name))
    assert name == f"{int(run['time'] * 1000):013d}-{run['run']}.json"
    of_run = [
        document["id"]
        for record, document in documents(storage).items()
        if any(events[0]["run"] == run["run"] for events in attempts(records(storage)[record]).values())
    ]
    assert sorted(of_run) == sorted(component for _, component in run["plan"])
    assert os.path.exists(os.path.join(storage, ".machinable", "code", f"{run['code']['hash']}.zip"))


def test_it_recomputes_the_hash_of_the_snapshot(storage: str) -> None:
    import zipfile

    directory = os.path.join(storage, ".machinable", "code")
    (name,) = os.listdir(directory)
    total = blake2b(digest_size=16)
    with zipfile.ZipFile(os.path.join(directory, name)) as archive:
        for info in archive.infolist():
            content = blake2b(archive.read(info), digest_size=32).hexdigest()
            path = info.filename.encode()
            total.update(b"%o %s %d:%s\n" % (info.external_attr >> 16, content.encode(), len(path), path))
    assert name == f"{total.hexdigest()}.zip"


def test_it_recomputes_the_names_of_shapes(storage: str) -> None:
    directory = os.path.join(storage, ".machinable", "shapes")
    names = set()
    for class_ in os.listdir(directory):
        for name in os.listdir(os.path.join(directory, class_)):
            document = load(os.path.join(directory, class_, name))
            shape = canonical({"fields": document["fields"], "uses": document["uses"]})
            assert name == base62(number(digest(shape, 16)) % 62**12, 12) + ".json"
            names.add((class_, shape))
    assert names == {
        (re.sub(r"[^\w.-]", "_", f"{d['request']['module']}.{d['request']['class']}"), canonical(d["shape"]))
        for d in documents(storage).values()
    }


def test_it_recomputes_the_machine_of_tokens(storage: str) -> None:
    for path in records(storage).values():
        for events in attempts(path).values():
            owner = events[0]["owner"]
            machine, pid, start, rest = owner["nonce"].split("-")
            host = "" if owner["boot"] else owner["host"]
            assert machine == digest(f"{owner['boot']}|{owner['namespace']}|{host}", 4).hex()
            assert (int(pid), int(start)) == (owner["pid"], owner["started"])
            assert re.fullmatch("[0-9a-f]{11,}", rest)


def test_it_reads_the_table_and_the_checkpoints(storage: str) -> None:
    resumed = os.path.join(storage, "xryi5Juojway")
    assert [row["step"] for row in lines(os.path.join(resumed, "record.jsonl"))] == [0, 1, 2, 3]
    base = os.path.join(resumed, ".machinable", "checkpoints")
    found = {name: load(os.path.join(base, name, "checkpoint.json")) for name in os.listdir(base)}
    assert {name: (d["iteration"], d["rows"], d["attempt"]) for name, d in found.items()} == {
        "3": (3, 3, 2),
        "4": (4, 4, 2),
    }


def test_the_vectors_of_the_page_hold_for_it_too() -> None:
    vectors = json.loads((SAMPLE.parent / "vectors.json").read_text(encoding="utf-8"))
    for vector in vectors["canonical_json"]:
        assert canonical(json.loads(vector["input"])) == vector["text"]
    for vector in vectors["requests"]:
        identity = digest(canonical(vector["document"]), 32).hex()
        assert (identity, component_id(identity)) == (vector["identity"], vector["id"])
        assert number(bytes.fromhex(identity)[:4]) == vector["derived_seed"]
