"""The keys and documents in the storage are those of docs/format.md, and reading changes none of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest

from machinable.store.opening import open_store
from machinable.store.store import Store
from tests.remote.machines import DONE, Machine

pytestmark = pytest.mark.xdist_group("seaweed-2")

Machines = Callable[[str], Machine]


def _content(store: Store) -> dict[str, bytes]:
    return store.get_many(entry.key for entry in store.entries())


def _files_of(store: Store, place: str, number: int) -> dict[str, bytes]:
    """The files of a record, read as the page says."""
    end = json.loads(store.get(f"{place}/.machinable/end-{number}.json"))
    assert (end["format"], end["kind"], end["attempt"]) == (1, "end", number)
    found = {}
    for listed in end["files"]:
        attempt = listed.get("attempt", number)
        prefix = place if attempt == 1 else f"{place}/.machinable/files-{attempt}"
        data = store.get(f"{prefix}/{listed['path']}")
        assert len(data) == listed["size"] and blake2b(data, digest_size=16).hexdigest() == listed["hash"]
        found[listed["path"]] = data
    return found


def test_a_record_lies_in_the_storage_as_the_page_says(s3_url: str, machine: Machines) -> None:
    machine("a").launch(s3_url, FAIL="1")
    machine("b").launch(s3_url)
    store = open_store(s3_url)
    (place,) = {key.partition("/")[0] for key in _content(store)} - {".machinable"}
    claim = json.loads(store.get(f"{place}/.machinable/attempt-1.json"))
    assert (claim["format"], claim["kind"], claim["attempt"]) == (1, "claim", 1)
    assert (
        claim["started"]["kind"] == "started"
        and claim["started"]["owner"]["nonce"]
        and claim["started"]["alive"]
    )
    assert claim["component"]["id"] == place and claim["component"]["kind"] == "component"
    end = json.loads(store.get(f"{place}/.machinable/end-1.json"))
    assert [each["kind"] for each in end["lines"]] == ["started", "failed"]
    assert end["lines"][0] == claim["started"] and end["component"] == claim["component"]
    assert end["row"] == {"step": 2}
    assert set(_files_of(store, place, 1)) == {"record.jsonl", "output.log"}

    second = _files_of(store, place, 2)
    assert set(second) == {"record.jsonl", "output.log", "output-2.log", "result.json", "deep/er/text.txt"}
    assert second["output-2.log"] == b"it runs\n" and json.loads(second["result.json"]) == {"n": 0}
    listed = json.loads(store.get(f"{place}/.machinable/end-2.json"))["files"]
    assert {each["path"]: each.get("attempt") for each in listed}["output.log"] == 1
    assert "component" not in json.loads(store.get(f"{place}/.machinable/attempt-2.json"))


def test_reading_writes_nothing(s3_url: str, machine: Machines) -> None:
    machine("a").launch(s3_url)
    store = open_store(s3_url)
    before = _content(store)
    assert machine("b").launch(s3_url).result == {**DONE, "reused": True, "attempts": 1}
    machine("b").run(s3_url, "result = [str(each.status) for each in get.all()]")  # type: ignore[arg-type]
    assert _content(store) == before


def test_a_storage_that_was_copied_into_a_bucket_opens_and_goes_on(
    s3_url: str, machine: Machines, tmp_path: Path
) -> None:
    one = machine("a")
    directory = tmp_path / "storage"
    one.run(directory, "get('tiny').launch()")
    one.run(directory, "get('tiny', {'n': 1}).launch()", FAIL="1")
    files = [path for path in directory.rglob("*") if path.is_file()]
    open_store(s3_url).put_many((path.relative_to(directory).as_posix(), path.read_bytes()) for path in files)

    assert machine("b").launch(s3_url).result == {**DONE, "reused": True, "attempts": 1}
    resumed = machine("b").run(
        s3_url,  # type: ignore[arg-type]
        "c = get('tiny', {'n': 1}).launch(); result = [c.load_file('result.json'), len(c.executions), len(c.record)]",
    )
    assert resumed.result == [{"n": 1}, 2, 3]
    assert machine("c").run(s3_url, "result = get('tiny', {'n': 1}).launch().reused").result is True  # type: ignore[arg-type]


def test_data_that_are_not_what_the_manifest_says_are_an_error_that_names_them(
    s3_url: str, machine: Machines
) -> None:
    machine("a").launch(s3_url)
    store = open_store(s3_url)
    (key,) = [entry.key for entry in store.entries() if entry.key.endswith("/result.json")]
    store.put(key, b'{"n":7}\n')
    answer = machine("b").run(s3_url, "get('tiny').load_file('result.json')")  # type: ignore[arg-type]
    assert answer.error == "StorageError" and f"{s3_url}/{key}" in answer.text and "\n" not in answer.text
    store.delete([key])
    answer = machine("b").run(s3_url, "get('tiny').load_file('result.json')")  # type: ignore[arg-type]
    assert answer.error == "StorageError" and key in answer.text
    assert machine("b").run(s3_url, "result = get('tiny').load_file('deep/er/text.txt')").result == "deep"  # type: ignore[arg-type]


def test_a_record_loads_by_its_url(s3_url: str, machine: Machines) -> None:
    id_ = machine("a").run(s3_url, "result = get('tiny').launch().id").result  # type: ignore[arg-type]
    seen = machine("b").run(
        f"{s3_url}/other", f"result = get.from_directory('{s3_url}/{id_}').load_file('result.json')"
    )  # type: ignore[arg-type]
    assert seen.result == {"n": 0}
    missing = machine("b").run(f"{s3_url}/other", f"get.from_directory('{s3_url}/{id_[::-1]}')")  # type: ignore[arg-type]
    assert missing.error == "StorageError" and f"{s3_url}/{id_[::-1]}" in missing.text


def test_symbolic_links_and_large_files_arrive(s3_url: str, machine: Machines) -> None:
    one = machine("a")
    one.write(
        "large.py",
        """
        import os
        from machinable import Component

        class Large(Component):
            def __call__(self):
                self.save_file("large.bin", os.urandom(1000) * 9000)
                os.symlink("large.bin", self.local_directory("link.bin"))
                os.makedirs(self.local_directory("empty"))
        """,
    )
    (machine("b").root / "large.py").write_text((one.root / "large.py").read_text())
    source = """
    import hashlib
    c = get("large").launch()
    result = [c.reused, *(hashlib.sha256(c.load_file(name)).hexdigest() for name in ("large.bin", "link.bin"))]
    """
    first = one.run(s3_url, source).result  # type: ignore[arg-type]
    second = machine("b").run(s3_url, source).result  # type: ignore[arg-type]
    assert first[0] is False and second == [True, *first[1:]] and first[1] == first[2]
    assert os.environ["AWS_ENDPOINT_URL"]
