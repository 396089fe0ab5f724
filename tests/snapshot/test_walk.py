"""Which files are in the snapshot of a project without Git."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machinable.snapshot import listing, rules

from .conftest import Repository, names


def test_all_files_are_in_that_no_ignore_file_excludes(project: Repository) -> None:
    project.write({"train.py": "", "package/a.py": "", "run.log": "", ".gitignore": "*.log\n/build/\n"})
    project.write(
        {"build/x": "", "package/build/x": "", "package/.gitignore": "!keep.log\n", "package/keep.log": ""}
    )
    snapshot = project.take()
    assert names(snapshot) == [
        ".gitignore",
        "package/.gitignore",
        "package/a.py",
        "package/build/x",
        "package/keep.log",
        "train.py",
    ]
    assert (snapshot.commit, snapshot.branch, snapshot.dirty) == (None, None, None)


def test_what_tools_make_is_never_in(project: Repository) -> None:
    project.write(
        {"train.py": "", "__pycache__/train.pyc": "", "node_modules/x/y.js": "", "a/.git/config": ""}
    )
    project.write(
        {"env/pyvenv.cfg": "", "env/lib/x.py": "", "conda/conda-meta/history": "", "conda/lib/x.py": ""}
    )
    assert project.names() == ["train.py"]


def test_without_the_git_command_a_repository_is_walked(project: Repository, without_git: None) -> None:
    project.write({"train.py": "", "a.log": "", ".gitignore": "*.log\n"})
    (project.root / ".git").mkdir()
    assert project.names() == [".gitignore", "train.py"]


def test_links_are_not_followed(project: Repository) -> None:
    project.write({"package/a.py": ""})
    (project.root / "again").symlink_to("package")
    (project.root / "package" / "up").symlink_to("..")
    assert project.names() == ["again", "package/a.py", "package/up"]


def test_pipes_and_sockets_do_not_block(project: Repository) -> None:
    project.write({"train.py": ""})
    os.mkfifo(project.root / "pipe")
    assert project.names() == ["train.py"]


def test_too_many_files_are_left_out_by_directory_from_the_deepest(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_FILES", 5)
    project.write({"train.py": "", "package/a.py": "", **{f"data/deep/{n}.txt": "" for n in range(9)}})
    project.write({"data/deep/deeper/deepest/x": ""})
    snapshot = project.take()
    assert {"package/a.py", "train.py"} < set(names(snapshot)) and snapshot.files == 5
    assert list(snapshot.left_out) == ["data/"]


def test_too_many_bytes_are_left_out(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_BYTES", 100)
    project.write({"train.py": "x" * 50, "data/a": "x" * 80})
    assert project.names() == ["train.py"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_what_can_not_be_read_is_named(project: Repository) -> None:
    project.write({"train.py": "", "locked.py": "", "closed/a.py": ""})
    (project.root / "locked.py").chmod(0)
    (project.root / "closed").chmod(0)
    try:
        snapshot = project.take()
        assert names(snapshot) == ["train.py"]
        assert snapshot.left_out == {
            "closed/": "unreadable: Permission denied",
            "locked.py": "unreadable: Permission denied",
        }
    finally:
        (project.root / "closed").chmod(0o755)


parts = st.sampled_from(["a", "b", "ab", "c.py"])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
patterns = st.builds(
    lambda no, start, path, end: no + start + path + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/", "**/"]),
    st.lists(
        st.sampled_from(
            ["a", "b", "ab", "*", "*.py", "a*", "?", "**", "[ab]", "[!a]", "[a-b]*", "\\a", "*b*"]
        ),
        min_size=1,
        max_size=3,
    ).map("/".join),
    st.sampled_from(["", "/", "/*", "/**"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.sets(paths, min_size=1, max_size=6),
    top=st.lists(patterns, max_size=4),
    below=st.lists(patterns, max_size=3),
)
def test_ignore_files_mean_the_same_without_git_as_with_it(
    tmp_path: Path, files: set[str], top: list[str], below: list[str]
) -> None:
    shutil.rmtree(tmp_path / "project", ignore_errors=True)
    project = Repository(tmp_path / "project", tmp_path / "storage")
    for file in sorted(files, key=len, reverse=True):
        if not (project.root / file).exists() and not any(p.is_file() for p in (project.root / file).parents):
            project.write({file: "x"})
    project.write({".gitignore": "\n".join(top)})
    if (project.root / "a").is_dir():
        project.write({"a/.gitignore": "\n".join(below)})
    walked = project.take()
    project.git("init", "-q")
    asked = project.take()
    assert names(walked) == names(asked)
    assert walked.hash == asked.hash


def test_a_file_that_may_not_be_read_is_named(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: bytes) -> bytes:
        if path.endswith(b"locked.py"):
            raise PermissionError(13, "Permission denied")
        return b""

    monkeypatch.setattr(listing, "read_file", read)
    snapshot = project.write({"train.py": "", "locked.py": ""}).take()
    assert names(snapshot) == ["train.py"]
    assert snapshot.left_out == {"locked.py": "unreadable: Permission denied"}
