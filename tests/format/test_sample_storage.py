"""The sample storage of format 1 reads as it did when it was made. Every later version has to pass this.

If a test fails here, the code is wrong: results that people have stored would be lost, or read as something else. The
files in tests/data/storage-v1 and tests/data/project-v1 (the project whose results they are) are never changed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from machinable import Collection, Component, Project, Scope, Status, Storage, get
from machinable.errors import StorageError

DATA = Path(__file__).parents[1] / "data"

FIT = "models.fitting"
SHAPE = {"rate": 0.5, "steps": 4, "method": {"name": "descent", "momentum": 0.0}, "tags": []}
DATA_ID = "nyBkCgh6zJSm"
KILLED = "DCDIuobI7znc"


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the storage, entered, in a place without the project's code."""
    storage = tmp_path / "results"
    # Git keeps no modification times, so neither does the copy.
    shutil.copytree(DATA / "storage-v1", storage, copy_function=shutil.copyfile)
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    for name in [name for name in os.environ if name.startswith("MACHINABLE_")]:
        monkeypatch.delenv(name)
    before = contents(storage)
    with Project(empty), Storage(storage):
        yield storage
    assert contents(storage) == before, "reading has written"


@pytest.fixture
def project(sample: Path, tmp_path: Path) -> Iterator[Path]:
    """The project whose results these are, entered."""
    root = shutil.copytree(DATA / "project-v1", tmp_path / "project")
    with Project(root):
        yield root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def by_id(component_id: str) -> Component:
    component = get.by_id(component_id)
    assert component is not None
    return component


def silent_since(storage: Path, record: str, seconds: float) -> None:
    path = storage / record / ".machinable" / "attempt-1.jsonl"
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def test_the_sample_itself_has_not_changed() -> None:
    total = blake2b(digest_size=16)
    for root in ("project-v1", "storage-v1"):
        for name, data in sorted(contents(DATA / root).items()):
            if "__pycache__" not in name:
                total.update(f"{root}/{name}:{len(data)}\n".encode() + data)
    assert total.hexdigest() == "2ffbd7f90f4b2df149c9f38e4c2bf8a0"


def test_all_records_are_found_oldest_first(sample: Path) -> None:
    found = get.all()
    assert isinstance(found, Collection)
    assert [component.id for component in found] == [
        "nyBkCgh6zJSm",
        "h97HS4CSiCq7",
        "PXOmXmd8C9n6",
        "TRrLv0nYIOqr",
        "3hDdSymhjVoa",
        "xryi5Juojway",
        "DCDIuobI7znc",
        "2fMBVp9EwO85",
        "odeAxGIE1Yp1",
        "BLDm4qcq7AL1",
        "8WJuRGKSKOuM",
        "ttfTX3UtKgiM",
        "32hdZ8C32NZu",
        "zHLRYFNxV0Mx",
        "lGD8LWHhjh5J",
        "07vjYva526bY",
        "0kWJINlsCAfO",
        "f1ZZyGpJ7Zw7",
        "knBzeOJ0uIuq",
        "nvc7ChFi5Zii",
    ]
    assert len({component.directory for component in found}) == 20


def test_a_finished_one(sample: Path) -> None:
    component = by_id("h97HS4CSiCq7")
    assert component.module == FIT
    assert component.identity == "0c8354eeded1e2a0fffa8e266c74ef8f7172cd2f046125db8710b651718cd5af"
    assert component.status is Status.FINISHED
    assert component.cached()
    assert component.status_evidence.startswith("attempt 1 says so")
    assert component.seed == 209933550
    assert component.nickname == "bright_rain"
    assert component.timestamp == 1795381917.2011566
    assert component.finished_at == 1795381917.2234743
    assert component.duration_seconds == 0.018403
    assert component.config.to_dict() == {**SHAPE, "device": "cpu"}
    assert component.load_file("results/mean.json") == {"mean": 0.38041116383153223}
    assert component.output() == "step 0\nstep 1\nstep 2\nstep 3\n"
    assert list(component.record) == [
        {"step": 0, "mean": 0.20288595404348386},
        {"step": 1, "mean": 0.3043289310652258},
        {"step": 2, "mean": 0.35505041957609673},
        {"step": 3, "mean": 0.38041116383153223},
    ]
    (attempt,) = component.executions
    assert attempt["engine"] == "native"
    assert attempt["owner"]["host"] == "host"
    assert attempt["end"]["kind"] == "finished"


def test_its_input(sample: Path) -> None:
    component = by_id("h97HS4CSiCq7")
    assert list(component.uses) == ["data"]
    assert component.uses["data"].id == DATA_ID
    assert component.inputs == [DATA_ID]
    numbers = component.uses["data"].load_file("numbers.json")
    assert numbers == [0.23837506002883324, 0.5619562524868265, 0.6275610712090738, 0.1951952486231373]
    assert by_id(DATA_ID).uses == {}


def test_values_that_are_not_part_of_the_identity(sample: Path) -> None:
    component = by_id("PXOmXmd8C9n6")
    assert component.config.device == "gpu:0"
    assert component.config.tags == ["a", "é"]
    assert component.config.method.momentum == 0.5


def test_a_failed_one(sample: Path) -> None:
    component = by_id("TRrLv0nYIOqr")
    assert component.status is Status.FAILED
    assert not component.cached()
    assert component.config.rate == 0.25
    exception = component.executions[0]["end"]["exception"]
    assert (exception["type"], exception["message"]) == ("ValueError", "the sample was told to fail")
    assert component.output() == f"step 0\nstep 1\nstep 2\n{exception['traceback']}"
    assert component.record.column("step") == [0, 1]
    assert component.finished_at is None


def test_an_interrupted_one(sample: Path) -> None:
    component = by_id("3hDdSymhjVoa")
    assert component.status is Status.INTERRUPTED
    assert component.executions[0]["end"]["reason"] == "SIGTERM"
    assert len(component.record) == 3


def test_a_killed_one(sample: Path) -> None:
    component = by_id(KILLED)
    # Its owner's machine is not this one, so the time since its last heartbeat decides.
    assert component.status is Status.RUNNING
    silent_since(sample, KILLED, 60)
    assert component.status is Status.RUNNING
    silent_since(sample, KILLED, 3600)
    assert component.status is Status.LOST
    assert len(component.executions) == 1
    assert component.executions[0]["end"] is None
    assert len(component.record) == 2


def test_a_resumed_one(sample: Path) -> None:
    component = by_id("xryi5Juojway")
    assert component.status is Status.FINISHED
    assert component.seed == 2317110158
    first, second = component.executions
    assert first["end"]["kind"] == "failed"
    assert (second["end"]["kind"], second["resumed_from"]) == ("finished", 1)
    assert (first["values"], second["values"]) == ({"device": "cpu"}, {"device": "gpu:1"})
    assert component.config.device == "gpu:1"
    assert component.record.column("step") == [0, 1, 2, 3]
    assert component.output() == "step 2\nstep 3\n"
    assert (
        (sample / "xryi5Juojway" / "output.log").read_text().startswith("step 0\nstep 1\nstep 2\nTraceback")
    )


def test_one_whose_second_attempt_is_a_directory(sample: Path) -> None:
    component = by_id("ttfTX3UtKgiM")
    assert (sample / "ttfTX3UtKgiM/.machinable/attempt-2.jsonl/attempt.jsonl").is_file()
    assert component.status is Status.FINISHED
    assert [attempt["end"]["kind"] for attempt in component.executions] == ["failed", "finished"]


def test_an_invalidated_one(sample: Path) -> None:
    component = by_id("2fMBVp9EwO85")
    assert component.status is Status.PENDING
    assert component.status_evidence.startswith("invalidated on ")
    assert component.load_file("results/mean.json") == {"mean": 0.4057719080869677}


def test_a_withdrawn_attempt_counts_for_nothing(sample: Path) -> None:
    component = by_id("32hdZ8C32NZu")
    assert component.status is Status.FINISHED
    assert component.duration_seconds == 0.001462
    assert [attempt["end"]["kind"] for attempt in component.executions] == ["finished", "withdrawn"]


def test_the_execution(sample: Path) -> None:
    planned = [component for component in get.all() if Path(str(component.directory)).parent != sample]
    assert {(c.module, c.seed, c.trial.number, c.trial.total) for c in planned} == {
        ("numbers_data", 251110476, 0, 2),
        ("numbers_data", 2573936715, 1, 2),
        (FIT, 2214803515, 0, 2),
        (FIT, 1373369698, 1, 2),
        ("numbers_data", 4280585784, 0, 2),
        ("numbers_data", 411094486, 1, 2),
    }
    assert {component.executions[0]["execution"] for component in planned} == {"00000g"}
    second = by_id("00000g/0kWJINlsCAfO")
    assert second.trial.number == 1
    assert second.executions[0]["uses"] == {"data": "lGD8LWHhjh5J"}
    part = by_id("00000g/knBzeOJ0uIuq")
    assert (part.trial.split.number, part.trial.split.total, part.trial.split.seed) == (1, 2, 847155867)
    assert by_id("nvc7ChFi5Zii").directory == str(sample / "nvc7ChFi5Zii")


def test_records_are_found_by_the_beginning_of_an_id_and_by_their_directory(sample: Path) -> None:
    assert by_id("h97").id == "h97HS4CSiCq7"
    assert get.by_id("zzz") is None
    assert get.from_directory(sample / "h97HS4CSiCq7").id == "h97HS4CSiCq7"
    with pytest.raises(StorageError):
        get.from_directory(sample)


def test_all_records_with_a_value(sample: Path, project: Path) -> None:
    assert {component.config.rate for component in get.all(FIT)} == {
        0.5,
        0.25,
        0.125,
        0.75,
        0.0625,
        1.0,
        0.375,
    }
    assert [component.id for component in get.all(FIT, {"method.momentum": 0.5})] == ["PXOmXmd8C9n6"]
    assert len(get.all("numbers_data", {"count": 3})) == 2


def asked(version: dict[str, Any] | None = None) -> Component:
    component: Component = get(FIT, version)
    return component


def test_asking_finds_the_results(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = get("numbers_data").launch()
    assert (found.id, found.reused) == (DATA_ID, True)
    assert asked({"rate": 0.75}).launch().id == "xryi5Juojway"
    assert asked({"tags": ["a", "é"], "method.momentum": 0.5}).launch().id == "PXOmXmd8C9n6"
    assert asked({"rate": 0.25}).status is Status.FAILED
    assert get.cached(FIT, {"rate": 1.0}) is None
    # The code is what it was, so nothing is said of it.
    assert capfd.readouterr().err == ""


def test_asking_finds_the_newest(project: Path) -> None:
    assert asked().id == "odeAxGIE1Yp1"
    assert asked().identity == "ce4954f287eac673737a9d4062ca91de1317d5473ae2bbd7c570a7157c2c00fb"


def test_scopes_and_seeds_are_part_of_what_is_asked_for(project: Path) -> None:
    with Scope({"fold": 1}):
        assert get("numbers_data").id == "BLDm4qcq7AL1"
    assert get("numbers_data", {"count": 2}, seed=7).id == "8WJuRGKSKOuM"
    assert get("numbers_data", {"count": 2}).directory is None


def test_a_field_that_is_added_later_finds_the_results_of_before(project: Path) -> None:
    module = project / "numbers_data.py"
    module.write_text(module.read_text().replace('{"count": 4}', '{"count": 4, "lowest": 0.0}'))
    assert get("numbers_data").id == DATA_ID
    assert get("numbers_data", {"count": 9}).id == "32hdZ8C32NZu"
    assert get("numbers_data", {"lowest": 1.0}).directory is None
    # And what uses them: its request has another identity by now.
    assert asked().uses["data"].id == DATA_ID
    assert asked({"rate": 0.75}).id == "xryi5Juojway"


def test_keys_and_kinds_of_later_versions_are_ignored(sample: Path, project: Path) -> None:
    record = sample / "h97HS4CSiCq7" / ".machinable"
    added = record / "notes" / "1895381917201-b7cf999d-4000-140000-937a18c9d400.json"
    attempt = record / "attempt-1.jsonl"
    document = record / "component.json"
    original = attempt.read_bytes(), document.read_bytes()
    try:
        added.parent.mkdir()
        added.write_text('{"format":1,"kind":"tag","text":"good","time":1895381917.201}\n')
        first, last = original[0].splitlines(keepends=True)
        attempt.write_bytes(first + b'{"kind":"moved","to":"a better place","time":1.0}\n' + last)
        document.write_text(json.dumps({**json.loads(original[1]), "colour": "green"}) + "\n")
        (record / "end-1.json").write_text("{}\n")
        (sample / "output-rank0.log").write_text("")
        assert by_id("h97HS4CSiCq7").status is Status.FINISHED
    finally:
        shutil.rmtree(added.parent)
        attempt.write_bytes(original[0])
        document.write_bytes(original[1])
        (record / "end-1.json").unlink()
        (sample / "output-rank0.log").unlink()


def test_a_document_of_a_later_format_is_refused_by_name(sample: Path) -> None:
    document = sample / "h97HS4CSiCq7" / ".machinable" / "component.json"
    original = document.read_bytes()
    document.write_bytes(original.replace(b'"format":1', b'"format":2', 1))
    try:
        with pytest.raises(StorageError, match=r"component\.json has format 2"):
            by_id("h97HS4CSiCq7")
        assert by_id("xryi5Juojway").cached()
    finally:
        document.write_bytes(original)
