"""Which files are in the snapshot of a project in a Git repository, and what is said about its commit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from machinable.snapshot import git, restore

from .conftest import Repository, names


def test_tracked_files_and_untracked_ones_that_are_not_ignored_are_in(project: Repository) -> None:
    project.commit({"train.py": "1", ".gitignore": "*.log\n"})
    project.write({"new.py": "2", "run.log": "3", "package/deep/new.py": "4"})
    assert project.names() == [".gitignore", "new.py", "package/deep/new.py", "train.py"]


def test_nested_ignore_files_count_from_where_they_are(project: Repository) -> None:
    project.commit({"a/.gitignore": "/data\n!keep.txt\n", ".gitignore": "*.txt\n"})
    project.write({"a/data/x": "", "data/x": "", "a/keep.txt": "", "b/keep.txt": ""})
    assert project.names() == [".gitignore", "a/.gitignore", "a/keep.txt", "data/x"]


def test_global_and_local_excludes_are_honoured(project: Repository, tmp_path: Path) -> None:
    project.commit({"train.py": ""})
    (tmp_path / "home" / "ignore").write_text("*.global\n")
    project.git("config", "--global", "core.excludesFile", str(tmp_path / "home" / "ignore"))
    (project.root / ".git" / "info" / "exclude").write_text("*.local\n")
    project.write({"a.global": "", "a.local": "", "a.neither": ""})
    assert project.names() == ["a.neither", "train.py"]


def test_a_tracked_file_that_is_ignored_is_in(project: Repository) -> None:
    project.commit({"kept.log": ""}).write({".gitignore": "*.log\n", "other.log": ""})
    assert project.names() == [".gitignore", "kept.log"]


def test_deleted_and_staged_files_are_as_the_directory_has_them(project: Repository) -> None:
    project.commit({"deleted.py": "", "removed.py": "", "uncached.py": "", "stays.py": ""})
    (project.root / "deleted.py").unlink()
    project.git("rm", "-q", "removed.py")
    project.git("rm", "-q", "--cached", "uncached.py")
    project.write({"staged.py": ""}).git("add", "staged.py")
    assert project.names() == ["staged.py", "stays.py", "uncached.py"]


def test_commit_branch_and_dirty_flag_are_said(project: Repository) -> None:
    project.commit({"train.py": "1"})
    clean = project.take()
    assert (clean.commit, clean.branch, clean.dirty) == (project.git("rev-parse", "HEAD"), "main", False)
    project.write({"train.py": "2"})
    assert project.take().dirty is True


def test_an_untracked_file_makes_it_dirty_since_the_commit_does_not_have_it(project: Repository) -> None:
    project.commit({"train.py": "1"}).write({"new.py": ""})
    assert project.take().dirty is True


def test_results_in_the_project_do_not_make_it_dirty(project: Repository) -> None:
    project.commit({"train.py": "1"}).write({"storage/abc/record.jsonl": "{}"})
    snapshot = project.take(project.root / "storage")
    assert (names(snapshot), snapshot.dirty) == (["train.py"], False)


def test_a_detached_head_has_no_branch(project: Repository) -> None:
    project.commit({"train.py": "1"}).git("checkout", "-q", "--detach")
    snapshot = project.take()
    assert (snapshot.branch, snapshot.commit) == (None, project.git("rev-parse", "HEAD"))


def test_a_repository_without_a_commit_has_files_and_a_branch(project: Repository) -> None:
    project.write({"train.py": "1", "staged.py": ""}).git("init", "-q", "-b", "trunk")
    project.git("add", "staged.py")
    snapshot = project.take()
    assert names(snapshot) == ["staged.py", "train.py"]
    assert (snapshot.commit, snapshot.branch, snapshot.dirty) == (None, "trunk", True)


def test_of_a_repository_around_the_project_only_the_project_is_in(
    project: Repository, tmp_path: Path
) -> None:
    outer = Repository(tmp_path / "outer", tmp_path / "storage")
    outer.commit({"other.py": "", "inner/train.py": "1", ".gitignore": "*.log\n"})
    outer.write({"other.py": "changed", "inner/new.py": "", "inner/a.log": "", "new.py": ""})
    inner = Repository(outer.root / "inner", tmp_path / "storage")
    snapshot = inner.take()
    assert names(snapshot) == ["new.py", "train.py"]
    assert snapshot.commit == outer.git("rev-parse", "HEAD")
    (inner.root / "new.py").unlink()
    assert inner.take().dirty is False  # the change is elsewhere


def test_a_project_in_a_directory_that_git_ignores_is_taken_without_git(tmp_path: Path) -> None:
    outer = Repository(tmp_path / "outer", tmp_path / "storage").commit({".gitignore": "*\n"})
    inner = Repository(outer.root / "inner", tmp_path / "storage").write({"train.py": ""})
    snapshot = inner.take()
    assert (names(snapshot), snapshot.commit, snapshot.dirty) == (["train.py"], None, None)


def test_submodules_that_are_checked_out_are_in_with_their_changes(
    project: Repository, tmp_path: Path
) -> None:
    library = Repository(tmp_path / "library", tmp_path / "storage").commit(
        {"lib.py": "1", ".gitignore": "*.log\n"}
    )
    project.commit({"train.py": ""})
    project.git("submodule", "add", "-q", str(library.root), "vendor/library")
    project.commit()
    assert project.names() == [
        ".gitmodules",
        "train.py",
        "vendor/library/.gitignore",
        "vendor/library/lib.py",
    ]
    assert project.take().dirty is False
    project.write({"vendor/library/lib.py": "2", "vendor/library/a.log": ""})
    snapshot = project.take()
    assert (len(names(snapshot)), snapshot.dirty, snapshot.commit) == (
        4,
        True,
        project.git("rev-parse", "HEAD"),
    )
    project.git("submodule", "deinit", "-q", "-f", "--all")
    assert project.names() == [".gitmodules", "train.py"]


def test_a_repository_inside_that_is_no_submodule_is_in(project: Repository) -> None:
    project.commit({"train.py": ""})
    Repository(project.root / "clone", project.storage).commit({"lib.py": "", ".gitignore": "x\n"}).write(
        {"x": ""}
    )
    assert project.names() == ["clone/.gitignore", "clone/lib.py", "train.py"]


def test_a_worktree_is_a_repository(project: Repository, tmp_path: Path) -> None:
    project.commit({"train.py": ""}).git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Repository(tmp_path / "side", tmp_path / "storage").write({"new.py": ""})
    assert (side.names(), side.take().branch) == (["new.py", "train.py"], "side")


def test_the_repository_of_a_running_hook_is_not_taken_for_the_projects(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other", tmp_path / "storage").commit({"other.py": ""})
    project.commit({"train.py": ""})
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    assert project.names() == ["train.py"]


def test_files_in_conflict_are_in_once(project: Repository) -> None:
    project.commit({"a.py": "0"}).git("checkout", "-q", "-b", "side")
    project.commit({"a.py": "1"}).git("checkout", "-q", "main")
    project.commit({"a.py": "2"})
    with pytest.raises(AssertionError):
        project.git("merge", "side")
    assert project.names() == ["a.py"]
    assert project.take().dirty is True


def test_pointers_of_large_file_storage_stay_pointers(project: Repository) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    project.commit({"model.bin": pointer, ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    restore(project.take().path, str(project.root.parent / "restored"))
    assert (project.root.parent / "restored" / "model.bin").read_text() == pointer


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_names_that_are_not_utf_8_or_odd_are_kept(project: Repository) -> None:
    odd = [
        b"caf\xe9.py",
        "naïve.py".encode(),
        b"with space",
        b"tab\there",
        b"line\nbreak",
        b'"quoted"',
        b"a:b",
    ]
    for name in odd:
        Path(os.fsdecode(os.fsencode(project.root) + b"/" + name)).write_text("x")
    project.commit()
    Path(os.fsdecode(os.fsencode(project.root) + b"/untracked\xff")).write_text("x")
    restore(project.take().path, str(project.root.parent / "restored"))
    assert sorted(os.listdir(os.fsencode(project.root.parent / "restored"))) == sorted(
        [*odd, b"untracked\xff"]
    )


def test_links_are_links_and_circles_harmless(project: Repository) -> None:
    project.write({"package/a.py": "", "b.py": ""})
    for link, target in [
        ("loop", "loop"),
        ("package/self", "../package"),
        ("one", "two"),
        ("two", "one"),
        ("b2.py", "b.py"),
    ]:
        (project.root / link).symlink_to(target)
    project.commit()
    snapshot = project.take()
    assert names(snapshot) == ["b.py", "b2.py", "loop", "one", "package/a.py", "package/self", "two"]
    assert snapshot.left_out == {}
    restore(snapshot.path, str(project.root.parent / "restored"))
    assert os.readlink(project.root.parent / "restored" / "package" / "self") == "../package"


def test_a_link_out_of_the_project_is_left_out_and_named(project: Repository) -> None:
    project.write({"train.py": ""})
    (project.root / "data").symlink_to("/scratch/data")
    (project.root / "up").symlink_to("../elsewhere")
    project.commit()
    snapshot = project.take()
    assert names(snapshot) == ["train.py"]
    assert snapshot.left_out == {
        "data": "a link out of the project, to /scratch/data",
        "up": "a link out of the project, to ../elsewhere",
    }


def test_files_of_a_directory_that_became_a_link_are_not_in_twice(project: Repository) -> None:
    project.commit({"old/a.py": "1", "new/a.py": "1"})
    (project.root / "old" / "a.py").unlink()
    (project.root / "old").rmdir()
    (project.root / "old").symlink_to("new")
    assert project.names() == ["new/a.py", "old"]


def test_asking_git_writes_nothing(project: Repository) -> None:
    project.commit({"train.py": "1"})
    os.utime(project.root / "train.py", (1, 1))  # what `git status` would note in its index
    before = (project.root / ".git" / "index").stat()
    project.take()
    after = (project.root / ".git" / "index").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_without_posix_spawn_git_is_asked_all_the_same(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit({"train.py": "1"})
    hash = project.take().hash
    monkeypatch.delattr(os, "posix_spawnp", raising=False)
    assert (project.take().hash, project.take().branch) == (hash, "main")


def test_a_repository_that_git_can_not_read_is_taken_without_it(
    project: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write({"train.py": "1"})
    (project.root / ".git").mkdir()
    snapshot = project.take()
    assert (names(snapshot), snapshot.commit) == (["train.py"], None)
    assert "git status" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["results", "with space", "a[b]*?", "sub/dir"])
def test_git_does_not_list_the_storage(project: Repository, name: str) -> None:
    project.commit({"train.py": "1"}).write({f"{name}/x": "", "other/x": ""})
    tree = git.ask(str(project.root), git.Storages(str(project.root), str(project.root / name)))
    assert tree is not None and tree.untracked == {b"other/x"}
