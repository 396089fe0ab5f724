"""What every store must do, on each kind of server."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from machinable.store.opening import open_store
from machinable.store.store import Store

pytestmark = pytest.mark.xdist_group("storages")

KINDS = ["s3", "unconditional", "sftp", "memory"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(request.getfixturevalue(f"{request.param}_url"))


def test_a_write_replaces_what_was_there(store: Store) -> None:
    store.put("a/b.json", b"old, and longer")
    store.put("a/b.json", b"new")
    assert store.get("a/b.json") == b"new"


def test_what_is_not_there_is_an_error_that_names_it(store: Store) -> None:
    store.put("a/b", b"")
    for key in ("nothing", "a", "a/c", "a/b/c"):
        with pytest.raises(FileNotFoundError, match=key):
            store.get(key)


def test_many_are_written_and_read_at_once_and_absent_ones_left_out(store: Store) -> None:
    written = {f"many/{number % 5}/{number}": bytes([number]) * number for number in range(40)}
    store.put_many(written.items())
    assert store.get_many([*written, "many/absent"]) == written
    assert store.get_many([]) == {}


def test_names_with_all_kinds_of_characters(store: Store, request: pytest.FixtureRequest) -> None:
    if "unconditional" in request.node.name:
        pytest.skip("nanio computes a wrong signature for names beyond ASCII")
    keys = ["ü ~x#?%20&=+.txt", "a/.machinable/b", "[1]*", "OY1p1o~2a/x", "a'b\"c", "日本"]
    if store.url.startswith("memory"):
        keys.remove("[1]*")
    store.put_many((key, key.encode()) for key in keys)
    assert store.get_many(keys) == {key: key.encode() for key in keys}
    assert [entry.key for entry in store.entries()] == sorted(keys)


def test_listing_tells_size_and_time(store: Store) -> None:
    before = store.now()
    store.put_many([("x/b", b"22"), ("x/a/c", b"1"), ("xy", b""), ("x/.h/i", b"333")])
    after = store.now()
    assert [(entry.key, entry.size) for entry in store.entries("x")] == [
        ("x/.h/i", 3),
        ("x/a/c", 1),
        ("x/b", 2),
    ]
    assert {entry.key for entry in store.entries()} == {"x/b", "x/a/c", "xy", "x/.h/i"}
    # Servers tell whole seconds.
    assert all(before - 2 <= entry.modified <= after + 2 for entry in store.entries())
    assert store.entries("nothing") == []


def test_children_are_the_names_one_level_below(store: Store) -> None:
    store.put_many([("d/b", b""), ("d/a/c", b""), ("d/a/e/f", b""), ("top", b"")])
    assert store.children("d") == ["a", "b"]
    assert store.children() == ["d", "top"]
    assert store.children("nothing") == []


def test_creation_never_replaces(store: Store) -> None:
    assert store.create("claim", b"first")
    if store.can_claim:
        assert not store.create("claim", b"second")
        assert store.get("claim") == b"first"


def test_creation_of_the_same_content_again_is_ours(store: Store) -> None:
    assert store.create("claim", b"the same")
    assert store.create("claim", b"the same")


def test_what_is_removed_is_gone_and_removing_it_again_is_fine(store: Store) -> None:
    store.put_many([("a/b", b""), ("a/c", b""), ("d", b"")])
    store.delete(["a/b", "d", "never/there"])
    assert [entry.key for entry in store.entries()] == ["a/c"]
    store.delete([])
    store.delete(["a/b"])


def test_files_go_there_and_back(store: Store, tmp_path: Path) -> None:
    contents = {"empty": b"", "small": b"x" * 1000, "deep/large": os.urandom(9 * 2**20 + 1)}
    for key, data in contents.items():
        (tmp_path / "from" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / key).write_bytes(data)
    done: dict[str, int] = {}
    store.upload([(key, str(tmp_path / "from" / key)) for key in contents], progress=done.__setitem__)
    assert done == {key: len(data) for key, data in contents.items()}
    assert {entry.key: entry.size for entry in store.entries()} == done
    done.clear()
    store.download([(key, str(tmp_path / "to" / key)) for key in contents], progress=done.__setitem__)
    assert done == {key: len(data) for key, data in contents.items()}
    found = {
        str(path.relative_to(tmp_path / "to")): path.read_bytes()
        for path in (tmp_path / "to").rglob("*")
        if path.is_file()
    }
    assert found == contents


def test_a_download_of_nothing_leaves_what_was_there(store: Store, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(FileNotFoundError, match="absent"):
        store.download([("absent", str(tmp_path / "kept"))])
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "kept"


def test_the_clock_is_that_of_the_server_which_is_this_machine(store: Store) -> None:
    assert abs(store.now() - time.time()) < 5


def test_a_child_that_was_forked_off_goes_on(store: Store) -> None:
    store.put_many([("before", b"1"), ("other", b"2")])
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            data = store.get("before") + b"".join(store.get_many(["before", "other"]).values())
            if not store.url.startswith("memory"):
                store.put("after", data)
            os.write(writer, data)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == b"112"
    os.waitpid(child, 0)
    if not store.url.startswith("memory"):
        assert store.get("after") == b"112"


def test_threads_share_a_store(store: Store) -> None:
    def work(number: int) -> None:
        for step in range(5):
            store.put(f"{number}/{step}", b"%d" % step)
            assert store.get(f"{number}/{step}") == b"%d" % step
        done.append(number)

    done: list[int] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 12
    assert len(store.entries()) == 60


@pytest.mark.parametrize(
    ("kind", "honest"), [("s3", True), ("sftp", True), ("unconditional", False), ("memory", False)]
)
def test_whether_creation_excludes_others_is_found_out(
    kind: str, honest: bool, request: pytest.FixtureRequest
) -> None:
    store = open_store(request.getfixturevalue(f"{kind}_url"))
    assert store.can_claim is honest
    assert store.entries() == []  # the trial leaves nothing behind


def test_what_was_found_out_is_remembered(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = str(tmp_path / "claims.json")
    assert open_store(s3_url, memory=memory).can_claim
    # Nobody listens there, so this can only be known.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert open_store(s3_url, memory=memory).can_claim


@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_of_sixteen_writers_that_race_one_wins(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    keys = [f"race/{number}" for number in range(8)]
    start, results = os.pipe(), os.pipe()
    children = []
    for number in range(16):
        child = os.fork()
        if child == 0:
            try:
                os.close(start[1])
                store = open_store(url)
                store.children()  # connected
                os.write(results[1], b"ready\n")
                os.read(start[0], 1)  # ends for all when the parent closes its side
                for key in keys:
                    if store.create(key, b"writer %d" % number):
                        os.write(results[1], f"{key} writer {number}\n".encode())
            finally:
                os._exit(0)
        children.append(child)
    os.close(results[1])
    with os.fdopen(results[0]) as lines:
        assert [lines.readline() for _ in children] == ["ready\n"] * 16
        os.close(start[1])
        won = [line.split(" ", 1) for line in lines.read().splitlines()]
    for child in children:
        os.waitpid(child, 0)
    os.close(start[0])
    assert sorted(key for key, _ in won) == keys  # one winner each
    store = open_store(url)
    assert {key: store.get(key).decode() for key in keys} == dict(won)  # and it is what stands there


def test_a_child_opens_once_for_all_of_its_threads(s3_url: str) -> None:
    store = open_store(s3_url)
    store.put_many((str(number), b"%d" % number) for number in range(20))
    for _ in range(5):
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if len(store.get_many(str(number) for number in range(20))) == 20 else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
