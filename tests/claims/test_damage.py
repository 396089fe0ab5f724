"""Damaged metadata: what a crash cut makes the component run anew, with a warning; all else is named and left alone."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from machinable.errors import DamagedRecord
from machinable.records.documents import parse
from tests.claims.launchers import Launchers, content, until, why_no_strace

_REASON = why_no_strace()

_LAUNCH = """
component = get("tiny").launch()
result = {"status": str(component.status), "saved": component.load_file("result.json")}
"""
_DONE = {"status": "finished", "saved": {"n": 0}}

_OTHERS = """
result = {
    "other": get("tiny", {"n": 1}).launch().load_file("result.json"),
    "all": [component.config.n for component in get.all("tiny")],
    "shown": repr(get.all("tiny")).count("finished"),
    "by_id": get.by_id(arguments) and "found",
}
"""


def _empty(data: bytes) -> bytes:
    return b""


def _zeros(data: bytes) -> bytes:
    return b"\0" * len(data)


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _zeros_at_the_end(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\0" * (len(data) - len(data) // 2)


def _garbage(data: bytes) -> bytes:
    return b"<<<<<<< ours\n" + data


def _binary(data: bytes) -> bytes:
    return bytes(range(128, 256)) + b"\n"


def _list(data: bytes) -> bytes:
    return b"[1, 2]\n"


def _higher(data: bytes) -> bytes:
    return data.replace(b'{"format":1,', b'{"format":2,', 1)


def _no_format(data: bytes) -> bytes:
    return data.replace(b'{"format":1,', b"{", 1)


CRASHES = [_empty, _zeros, _half, _zeros_at_the_end]
OTHER = [_garbage, _binary, _list, _higher, _no_format]


def _name(function: object) -> str:
    return getattr(function, "__name__", "").strip("_").replace("_", " ")


@pytest.fixture
def record(launchers: Launchers, storage: Path) -> Path:
    """A finished record, beside another one."""
    assert launchers.run(storage, _LAUNCH).result == _DONE
    assert launchers.run(storage, "get('tiny', {'n': 1}).launch()").result is None
    return storage / str(launchers.run(storage, "result = get('tiny').id").result)


def _damage(path: Path, function: object) -> None:
    data = path.read_bytes()
    changed = function(data)  # type: ignore[operator]
    assert changed != data
    path.write_bytes(changed)


@pytest.mark.parametrize("crash", CRASHES, ids=_name)
def test_a_document_that_a_crash_cut_goes_to_the_trash_and_the_component_runs_anew(
    launchers: Launchers, storage: Path, record: Path, crash: object
) -> None:
    _damage(record / ".machinable" / "component.json", crash)
    before = content(storage)
    seen = launchers.run(storage, "result = [str(get('tiny').status), get.cached('tiny') is None]")
    assert seen.result == ["pending", True]
    listed = launchers.run(storage, "result = [component.config.n for component in get.all('tiny')]")
    assert listed.result == [1] and "component.json" in listed.output and len(listed.output.splitlines()) == 1
    named = launchers.run(storage, f"get.by_id({record.name!r})")
    assert named.error == "DamagedRecord" and "component.json" in named.text
    assert content(storage) == before  # reading writes nothing

    again = launchers.run(storage, _LAUNCH)
    assert again.result == _DONE
    assert again.output.count("machinable: ") == 1 and "trash" in again.output and record.name in again.output
    assert launchers.executions(storage) == 3
    (buried,) = (storage / ".machinable" / "trash").iterdir()
    assert buried.name.startswith(record.name) and (buried / "result.json").exists()
    assert launchers.run(storage, _LAUNCH).output == ""
    assert launchers.executions(storage) == 3


@pytest.mark.parametrize("damage", OTHER, ids=_name)
@pytest.mark.parametrize("file", ["component.json", "attempt-1.jsonl"])
def test_damage_that_no_crash_leaves_is_named_and_left_alone(
    launchers: Launchers, storage: Path, record: Path, damage: object, file: str
) -> None:
    _damage(record / ".machinable" / file, damage)
    before = content(record)
    answer = launchers.run(storage, _LAUNCH)
    assert answer.error in ("StorageError", "DamagedRecord"), answer.output
    assert file in answer.text and record.name in answer.text and len(answer.text.splitlines()) == 1
    if damage is _higher:
        assert "format 2" in answer.text and "upgrade" in answer.text.lower()
    assert content(record) == before
    assert launchers.executions(storage) == 2
    seen = launchers.run(storage, "result = [component.config.n for component in get.all('tiny')]")
    assert seen.result == [1] and file in seen.output
    others = launchers.run(storage, _OTHERS, arguments="no such ID").result
    assert others == {"other": {"n": 1}, "all": [1], "shown": 1, "by_id": None}
    assert content(record) == before


def test_a_missing_document_is_named_and_left_alone(
    launchers: Launchers, storage: Path, record: Path
) -> None:
    (record / ".machinable" / "component.json").unlink()
    before = content(record)
    answer = launchers.run(storage, _LAUNCH)
    assert answer.error == "DamagedRecord" and "component.json is missing" in answer.text
    assert content(record) == before
    seen = launchers.run(storage, "result = [component.config.n for component in get.all('tiny')]")
    assert seen.result == [1] and "component.json" in seen.output


def test_a_directory_of_that_name_that_holds_something_else_is_named_and_left_alone(
    launchers: Launchers, storage: Path, record: Path
) -> None:
    (record / ".machinable").rename(storage / "elsewhere")
    answer = launchers.run(storage, _LAUNCH)
    assert answer.error == "DamagedRecord" and record.name in answer.text
    assert (record / "result.json").exists()


def test_an_empty_directory_or_one_without_attempts_is_in_nobodys_way(
    launchers: Launchers, storage: Path, record: Path
) -> None:
    (record / ".machinable" / "attempt-1.jsonl").unlink()
    assert launchers.run(storage, "result = str(get('tiny').status)").result == "pending"
    assert launchers.run(storage, _LAUNCH).result == _DONE
    for path in sorted(record.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert launchers.run(storage, "result = str(get('tiny').status)").result == "pending"
    assert launchers.run(storage, _LAUNCH).result == _DONE


def test_a_file_of_that_name_is_named_and_left_alone(
    launchers: Launchers, storage: Path, record: Path
) -> None:
    record.rename(storage / "elsewhere")
    record.write_text("a note")
    answer = launchers.run(storage, _LAUNCH)
    assert (
        answer.error == "StorageError" and record.name in answer.text and len(answer.text.splitlines()) == 1
    )
    assert record.read_text() == "a note"
    assert launchers.run(storage, "result = len(get.all('tiny'))").result == 1


@pytest.mark.parametrize("crash", CRASHES, ids=_name)
def test_an_attempt_that_a_crash_cut_runs_once_more_and_the_next_attempt_says_so(
    launchers: Launchers, storage: Path, record: Path, crash: object
) -> None:
    path = record / ".machinable" / "attempt-1.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])  # no end: it was running
    _damage(path, crash)
    look = "c = get('tiny')\nresult = [str(c.status), c.status_evidence]"
    # Over a network file system, the line of an attempt published this moment may not be visible yet.
    status = launchers.run(storage, look).result
    assert status[0] == "running" and str(path) in status[1]
    os.utime(path, (0, 0))
    status = launchers.run(storage, look).result
    assert status[0] == "lost" and str(path) in status[1]
    assert launchers.run(storage, "result = len(get.all('tiny'))").result == 2
    again = launchers.run(storage, _LAUNCH)
    assert again.result == _DONE
    warnings = [line for line in again.output.splitlines() if line.startswith("machinable: ")]
    assert len(warnings) == 1 and str(path) in warnings[0], again.output
    assert launchers.executions(storage) == 3
    assert launchers.run(storage, _LAUNCH).result == _DONE
    assert launchers.executions(storage) == 3


def test_a_last_line_without_newline_is_ignored(launchers: Launchers, storage: Path, record: Path) -> None:
    path = record / ".machinable" / "attempt-1.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert launchers.run(storage, "result = str(get('tiny').status)").result == "lost"
    assert launchers.run(storage, _LAUNCH).result == _DONE
    assert launchers.executions(storage) == 3


def test_unknown_kinds_and_keys_are_kept_and_ignored(
    launchers: Launchers, storage: Path, record: Path
) -> None:
    path = record / ".machinable" / "attempt-1.jsonl"
    started, finished = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        started.replace(b"{", b'{"later":[1],', 1).replace(
            b'{"later":[1],"format":1,', b'{"format":1,"later":[1],'
        )
        + b'{"kind":"celebrated","time":1.5}\n'
        + finished
        + b'{"kind":"remembered","time":2.5}\n'
    )
    document = record / ".machinable" / "component.json"
    document.write_bytes(document.read_bytes().replace(b'"kind"', b'"mood":{"a":1},"kind"', 1))
    note = record / ".machinable" / "notes" / "1-later.json"
    note.parent.mkdir()
    note.write_text('{"format":1,"kind":"sung","time":3.5}\n')
    before = content(storage)
    assert launchers.run(storage, _LAUNCH).result == _DONE
    assert launchers.executions(storage) == 2
    assert content(storage) == before


@pytest.mark.parametrize("function", [*CRASHES, *OTHER], ids=_name)
@pytest.mark.parametrize("file", ["shapes/tiny.Tiny/*.json", "swept.json"])
def test_damage_in_what_can_be_rebuilt_disturbs_nobody(
    launchers: Launchers, storage: Path, record: Path, function: object, file: str
) -> None:
    (path,) = (storage / ".machinable").glob(file)
    _damage(path, function)
    assert launchers.run(storage, _LAUNCH).result == _DONE
    fresh = launchers.run(storage, "result = get('tiny', {'n': 2}).launch().load_file('result.json')")
    assert fresh.result == {"n": 2}
    assert launchers.executions(storage) == 3
    # A field that is added later still finds the records from before.
    launchers.write(
        "tiny.py", (launchers.root / "tiny.py").read_text().replace('{"n": 0}', '{"n": 0, "m": 5}', 1)
    )
    with Launchers.again(launchers) as later:
        assert later.run(
            storage, "result = [str(get('tiny', {'n': n}).status) for n in range(4)]"
        ).result == [
            "finished",
            "finished",
            "finished",
            "pending",
        ]


@pytest.mark.parametrize("crash", [_empty, _half], ids=_name)
def test_of_many_launchers_that_find_the_same_damage_none_buries_the_fresh_record(
    launchers: Launchers, storage: Path, record: Path, crash: object
) -> None:
    _damage(record / ".machinable" / "component.json", crash)
    launchers.start(storage, _LAUNCH, count=8, PAUSE="0.1")
    assert [answer.result for answer in launchers.wait()] == [_DONE] * 8
    assert launchers.executions(storage) == 3
    assert len(list((storage / ".machinable" / "trash").iterdir())) == 1


@pytest.mark.skipif(bool(_REASON), reason=_REASON)
@pytest.mark.parametrize("place", ["rename", "newfstatat,fstat,stat", "openat"])
@pytest.mark.parametrize("before", ["nobody tried", "one died burying"])
def test_delays_on_the_way_to_the_trash_bury_no_fresh_record(
    launchers: Launchers, storage: Path, record: Path, place: str, before: str
) -> None:
    _damage(record / ".machinable" / "component.json", _half)
    if before == "one died burying":
        (answer,), _ = launchers.traced(
            storage,
            _LAUNCH,
            "-e",
            "trace=rename",
            "-P",
            str(record),
            "-e",
            "inject=rename:signal=SIGKILL:when=1",
        )
        assert answer.killed and (record / ".machinable" / "burial-1").exists()
    answers, _ = launchers.traced(
        storage,
        _LAUNCH,
        "-e",
        f"trace={place}",
        "-P",
        str(record),
        "-e",
        f"inject={place}:delay_enter=30000",
        count=8,
    )
    assert [answer.result for answer in answers] == [_DONE] * 8
    assert launchers.executions(storage) == 3
    assert len(list((storage / ".machinable" / "trash").iterdir())) == 1


def test_a_burial_by_another_host_that_never_ended_does_not_hang(
    launchers: Launchers, storage: Path, record: Path
) -> None:
    _damage(record / ".machinable" / "component.json", _empty)
    (record / ".machinable" / "burial-1").write_text("0123abcd-77-1234-00aa00aa00")
    os.utime(record / ".machinable" / "burial-1", (0, 0))
    os.utime(record / ".machinable" / "attempt-1.jsonl", (0, 0))
    assert launchers.run(storage, _LAUNCH).result == _DONE
    assert launchers.executions(storage) == 3


def test_damage_of_a_living_owner_is_not_touched(launchers: Launchers, storage: Path) -> None:
    (pid,) = launchers.start(storage, _LAUNCH, PAUSE="60")
    until(lambda: launchers.executions(storage) == 1, "it runs")
    (path,) = storage.glob("????????????/.machinable/component.json")
    _damage(path, _half)
    with Launchers.again(launchers) as others:
        answer = others.run(storage, _LAUNCH)
        assert answer.error == "DamagedRecord" and str(path) in answer.text
        assert path.parent.parent.exists()
        os.kill(pid, signal.SIGKILL)
        launchers.wait()
        assert others.run(storage, _LAUNCH).result == _DONE


def test_a_document_cut_at_any_byte_reads_as_cut() -> None:
    document = {
        "text": 'a "quoted" \\ back\tslash ü 🎲 \u0001',
        "numbers": [1, -2, 1.5e-7],
        "words": [True, False, None],
        "in": {"": {}},
    }
    for ensure_ascii in (False, True):
        data = json.dumps({"format": 1, **document}, ensure_ascii=ensure_ascii).encode() + b"\n"
        assert parse(data, "x") == {"format": 1, **document}
        for length in range(len(data) - 1):
            for tail in (b"", b"\0" * (len(data) - length)):
                with pytest.raises(DamagedRecord) as caught:
                    parse(data[:length] + tail, "x")
                assert caught.value.recoverable, data[:length] + tail
