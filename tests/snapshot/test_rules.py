"""What a snapshot leaves out: secrets, storages, and large files."""

from __future__ import annotations

from pathlib import Path

import pytest

from machinable.snapshot.rules import is_secret

from .conftest import Repository, names

SECRETS = [
    ".env",
    ".env.local",
    "server.pem",
    "a.key",
    "id_rsa",
    "id_ed25519",
    "credentials.json",
    "secrets.yaml",
    ".netrc",
]
HARMLESS = [
    "env.py",
    ".env.example",
    "keys.py",
    "secrets.py",
    "credentials.py",
    "monkey",
    ".envrc",
    "data.json",
]


@pytest.mark.parametrize("name", SECRETS)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret(name.encode()) and is_secret(b"deep/" + name.upper().encode())


@pytest.mark.parametrize("name", HARMLESS)
def test_code_is_no_secret(name: str) -> None:
    assert not is_secret(name.encode())


def test_untracked_secrets_are_left_out_and_named(project: Repository) -> None:
    project.commit({"train.py": ""}).write({".env": "TOKEN=1"})
    snapshot = project.take()
    assert names(snapshot) == ["train.py"]
    assert snapshot.left_out == {".env": "may hold a secret, and Git does not track it"}
    assert snapshot.dirty is False


def test_tracked_secrets_are_in(project: Repository) -> None:
    project.commit({"train.py": "", ".env": "NOT=secret"})
    assert project.names() == [".env", "train.py"]


def test_without_git_secrets_are_left_out(project: Repository) -> None:
    project.write({"train.py": "", "a/id_rsa": "x"})
    assert project.names() == ["train.py"]


@pytest.mark.parametrize("with_git", [True, False])
def test_files_over_ten_megabytes_are_left_out_and_named(project: Repository, with_git: bool) -> None:
    project.write({"train.py": "", "model.bin": "x" * 12_345_678, "small.bin": "x" * 10_000_000})
    if with_git:
        project.commit()
    snapshot = project.take()
    assert names(snapshot) == ["small.bin", "train.py"]
    assert snapshot.left_out == {"model.bin": "12.3 MB"}


@pytest.mark.parametrize("with_git", [True, False])
def test_storages_inside_the_project_are_left_out(project: Repository, with_git: bool) -> None:
    project.write(
        {
            "train.py": "",
            "mine/abc/data.txt": "",
            "old/.machinable/code/x.zip": "",
            "old/abc/record.jsonl": "",
        }
    )
    project.write(
        {"deep/er/abc/.machinable/component.json": "", "deep/er/abc/data.txt": "", "deep/er/own.py": ""}
    )
    if with_git:
        project.commit()
    assert project.names(project.root / "mine") == ["deep/er/own.py", "train.py"]


@pytest.mark.parametrize("with_git", [True, False])
def test_a_project_that_is_its_own_storage_keeps_its_code(project: Repository, with_git: bool) -> None:
    if with_git:
        project.commit()
    project.write(
        {"train.py": "", "abc/.machinable/component.json": "", "abc/data.txt": "", "package/a.py": ""}
    )
    assert project.names(project.root) == ["package/a.py", "train.py"]
    assert project.names(project.root) == ["package/a.py", "train.py"]


def test_a_link_that_stands_for_the_storage_is_left_out(project: Repository, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (project.root / "storage").symlink_to(tmp_path / "scratch")
    project.commit({"train.py": ""})
    snapshot = project.take(project.root / "storage")
    assert (names(snapshot), snapshot.left_out) == (["train.py"], {})
