"""Taking a snapshot: the same content is the same zip, once per storage, once per process."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from machinable.errors import StorageError
from machinable.snapshot import cache, changed_since, listing, take
from machinable.snapshot.content import content_hash
from machinable.store import owner

from .conftest import Repository, names

SOURCE = str(Path(__file__).resolve().parents[2] / "src")


def zips(storage: Path) -> list[str]:
    return sorted(name for name in os.listdir(storage / ".machinable" / "code") if name.endswith(".zip"))


def test_the_zip_is_named_by_its_content_and_kept_once(project: Repository) -> None:
    project.commit({"train.py": "1"})
    first = project.take()
    assert first.path == str(project.storage / ".machinable" / "code" / f"{first.hash}.zip")
    stamp = os.stat(first.path).st_mtime_ns
    assert project.take().hash == first.hash
    assert (zips(project.storage), os.stat(first.path).st_mtime_ns) == ([f"{first.hash}.zip"], stamp)
    project.write({"train.py": "2"})
    assert project.take().hash != first.hash
    assert len(zips(project.storage)) == 2


def test_the_same_tree_gives_the_same_bytes_elsewhere(project: Repository, tmp_path: Path) -> None:
    project.commit({"train.py": "1", "a/b.py": "2", "a-b": "3", "naïve.py": "4"})
    (project.root / "run.sh").write_text("#!/bin/sh\n")
    (project.root / "run.sh").chmod(0o700)
    (project.root / "link").symlink_to("a")
    other = Repository(tmp_path / "other", tmp_path / "elsewhere")
    shutil.copytree(
        project.root, other.root, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
    )
    (other.root / "run.sh").chmod(0o755)
    (other.root / "train.py").chmod(0o600)
    first, second = project.take(), other.take()
    assert first.hash == second.hash
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


def test_the_bytes_of_a_known_tree_never_change(project: Repository) -> None:
    project.write({"train.py": "print(1)\n"})
    (project.root / "link").symlink_to("train.py")
    snapshot = project.take()
    assert snapshot.hash == "14349bb9df71933eb1d8243776524b70"
    assert (
        content_hash(Path(snapshot.path).read_bytes())
        == "c10484a5647fd83df5c00095c3513797c2014686c15d11e0b6e82736c27698c9"
    )


@pytest.mark.parametrize("change", ["content", "name", "executable", "link"])
def test_every_change_gives_another_hash(project: Repository, change: str) -> None:
    path = project.write({"train.py": "1"}).root / "train.py"
    before = project.take().hash
    if change == "content":
        path.write_text("2")
    elif change == "name":
        path.rename(project.root / "other.py")
    elif change == "executable":
        path.chmod(0o755)
    else:
        path.unlink()
        path.symlink_to("1")
    assert project.take().hash != before


def test_a_process_takes_it_once_whatever_happens_to_the_files(project: Repository, tmp_path: Path) -> None:
    first = project.commit({"train.py": "1"}).take()
    project.write({"train.py": "2"})
    assert take(str(project.root), str(project.storage)) is first
    second = take(str(project.root), str(tmp_path / "other"))
    assert (second.hash, second.commit) == (first.hash, first.commit)
    assert Path(second.path).read_bytes() == Path(first.path).read_bytes()
    assert Path(second.path).parent == tmp_path / "other" / ".machinable" / "code"


def test_the_document_is_plain_json(project: Repository) -> None:
    project.commit({"train.py": "1"}).write({".env": ""})
    snapshot = project.take()
    document = json.loads(json.dumps(snapshot.document()))
    assert document == {
        "hash": snapshot.hash,
        "commit": snapshot.commit,
        "branch": "main",
        "dirty": False,
        "left_out": {".env": "may hold a secret, and Git does not track it"},
    }


def test_an_empty_project_has_a_snapshot(project: Repository) -> None:
    snapshot = project.take()
    assert (snapshot.files, names(snapshot)) == (0, [])


def test_many_files_make_a_zip_that_others_can_read(project: Repository) -> None:
    count = 66_000  # more than a zip counts in 16 bits
    from machinable.snapshot import archive

    project.write({"x": "x"})
    entries = [listing.Entry(b"%d" % n, listing.LINK, "", b"x") for n in range(count)]
    with open(project.root / "many.zip", "wb") as file:
        archive.write(file, str(project.root), entries)
    assert archive.is_whole(str(project.root / "many.zip"))
    with zipfile.ZipFile(project.root / "many.zip") as opened:
        assert len(opened.namelist()) == count
        assert opened.read("65999") == b"x"


def test_a_zip_that_a_crash_cut_short_is_written_again(project: Repository) -> None:
    snapshot = project.write({"train.py": "1"}).take()
    whole = Path(snapshot.path).read_bytes()
    for damage in (b"", whole[:40], bytes(len(whole))):
        Path(snapshot.path).write_bytes(damage)
        project.take()
        assert Path(snapshot.path).read_bytes() == whole


def test_what_dead_processes_left_is_removed_and_what_live_ones_write_stays(project: Repository) -> None:
    project.write({"train.py": "1"}).take()
    directory = project.storage / ".machinable" / "code"
    dead = subprocess.run(
        [sys.executable, "-c", "from machinable.store import owner; print(owner.token())"],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (directory / f".prepared-{dead}").write_text("")
    alive = directory / f".prepared-{owner.token()}"
    alive.write_text("")
    project.write({"train.py": "2"}).take()
    assert [path for path in directory.iterdir() if path.name.startswith(".prepared-")] == [alive]


def test_a_file_that_changes_while_the_zip_is_written_is_named_by_what_is_in_the_zip(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"train.py": "1", "gone.py": ""})
    original = listing.list_project

    def changed_after(*arguments: object) -> listing.Listing:
        found = original(*arguments)  # type: ignore[arg-type]
        project.write({"train.py": "2"})
        (project.root / "gone.py").unlink()
        return found

    monkeypatch.setattr("machinable.snapshot.taking.list_project", changed_after)
    raced = project.take()
    monkeypatch.undo()
    assert raced.hash == project.take().hash
    assert names(raced) == ["train.py"]


def test_an_unchanged_file_is_not_read_again(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({"train.py": "1", "b.py": "2"})
    later = time.time_ns() + 10**10
    monkeypatch.setattr(cache.time, "time_ns", lambda: later)  # the files have settled
    first = project.take().hash
    read = []
    monkeypatch.setattr(listing, "read_file", lambda path: read.append(path))
    assert project.take().hash == first
    assert read == []


def test_a_file_that_changed_a_moment_ago_is_read_again(project: Repository) -> None:
    path = project.write({"train.py": "1"}).root / "train.py"
    first, status = project.take().hash, path.stat()
    path.write_text("2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert project.take().hash != first


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"version":1}', '{"version":1,"files":{"train.py":3}}', '{"version":9,"files":{}}']
)
def test_a_damaged_cache_is_ignored(project: Repository, damage: str) -> None:
    hash = project.write({"train.py": "1"}).take().hash
    made = cache.Cache(str(project.storage / ".machinable" / "code"), os.path.realpath(project.root))
    Path(made.path).write_text(damage)
    assert project.take().hash == hash


def test_a_process_that_starts_late_can_ask_whether_the_code_changed(project: Repository) -> None:
    snapshot = project.commit({"train.py": "1"}).take()
    before = sorted(os.listdir(project.storage / ".machinable" / "code"))
    ask = str(project.root), str(project.storage), snapshot.hash
    assert not changed_since(*ask)
    project.write({"train.py": "2"})
    assert changed_since(*ask)
    project.write({"train.py": "1"})
    assert not changed_since(*ask)
    project.write({"new.py": ""})
    assert changed_since(*ask)
    assert sorted(os.listdir(project.storage / ".machinable" / "code")) == before


def test_a_storage_that_is_a_file_is_one_clear_line(project: Repository) -> None:
    project.write({"train.py": "1"})
    project.storage.write_text("")
    with pytest.raises(StorageError, match="choose another storage") as caught:
        project.take()
    assert "\n" not in str(caught.value)


def test_a_snapshot_that_is_there_is_used_where_nothing_can_be_written(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash = project.write({"train.py": "1"}).take().hash

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "write_whole", refuse)
    monkeypatch.setattr("machinable.snapshot.taking._publish", refuse)
    assert project.take().hash == hash


def _take(root: str, storage: str) -> str:
    return take(root, storage).hash


def test_many_processes_at_once_publish_one_zip(project: Repository) -> None:
    project.commit({f"{n}.py": str(n) for n in range(50)})
    arguments = [(str(project.root), str(project.storage))] * 4
    with multiprocessing.get_context("fork").Pool(4) as pool:
        hashes = set(pool.starmap(_take, arguments, chunksize=1))
    assert zips(project.storage) == [f"{hash}.zip" for hash in hashes]
    assert not [name for name in os.listdir(project.storage / ".machinable" / "code") if ".prepared" in name]


def test_taking_an_unchanged_one_loads_nothing_heavy(project: Repository) -> None:
    project.commit({"train.py": "1"}).take()
    statement = f"import machinable.snapshot as s; s.take({str(project.root)!r}, {str(project.storage)!r})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; {statement}; print(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"subprocess", "zipfile", "pathspec", "pathlib", "typing", "tempfile", "inspect", "struct"}
    assert not heavy & set(done.stdout.split())
