"""Projects of real files in real Git repositories, apart from the settings of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from machinable.snapshot import Snapshot, take
from machinable.snapshot.taking import _asked, _taken


class Repository:
    """A project with a storage beside it."""

    def __init__(self, root: Path, storage: Path) -> None:
        self.root = root
        self.storage = storage
        root.mkdir(parents=True, exist_ok=True)

    def write(self, files: dict[str, str]) -> Repository:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: dict[str, str] | None = None) -> Repository:
        """Makes the project a repository, if it is none, and commits all of it."""
        self.write(files or {})
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "all")
        return self

    def take(self, storage: Path | None = None) -> Snapshot:
        """A snapshot as another process takes it."""
        _taken.clear()
        _asked.clear()
        return take(str(self.root), str(storage or self.storage))

    def names(self, storage: Path | None = None) -> list[str]:
        """The files that a snapshot holds."""
        return names(self.take(storage))


def names(snapshot: Snapshot) -> list[str]:
    with zipfile.ZipFile(snapshot.path) as archive:
        return archive.namelist()


@pytest.fixture(autouse=True)
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    yield
    _taken.clear()
    _asked.clear()


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    """An empty project without Git."""
    return Repository(tmp_path / "project", tmp_path / "storage")


@pytest.fixture
def without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no `git` command."""
    monkeypatch.setenv("PATH", "/nowhere")
