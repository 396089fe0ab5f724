"""What the tests share: a project directory of one's own, and processes that run in it."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from machinable import Project, Storage
from machinable.records.active import runs_here

SOURCES = Path(__file__).resolve().parent.parent / "src"


def pytest_configure(config: pytest.Config) -> None:
    """Compiles the package once: the thousands of processes that tests start write no bytecode."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(SOURCES, quiet=2)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """With `-n auto`, two workers for each core: half of the time, tests wait for processes and servers."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2 * (os.cpu_count() or 1)


class Workspace:
    """A project directory with a storage in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = root / "storage"

    def write(self, name: str, source: str) -> Path:
        """Writes a module of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of processes that run in the project."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MACHINABLE_")}
        return {**clean, "PYTHONDONTWRITEBYTECODE": "1", **variables}

    def python(
        self, source: str, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a piece of Python in the project, in a process of its own."""
        return self.run([sys.executable, "-c", textwrap.dedent(source), *arguments], check=check, **variables)

    def script(
        self, name: str, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script of the project."""
        return self.run([sys.executable, name, *arguments], check=check, **variables)

    def command(
        self, *arguments: str, check: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `machinable …` in the project."""
        return self.run([sys.executable, "-m", "machinable", *arguments], check=check, **variables)

    def run(self, command: list[str], *, check: bool, **variables: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and result.returncode:
            raise AssertionError(
                f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
            )
        return result

    def popen(self, source: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Starts a piece of Python in the project."""
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source), *arguments],
            cwd=self.root,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )


@pytest.fixture(autouse=True)
def nothing_runs_on():
    """No attempt counts as running here when a test is over: such a process would write no index any more."""
    yield
    assert not runs_here()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty project, entered, with a storage of its own."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text("[tool.machinable]\n")
    monkeypatch.chdir(root)
    for name in [name for name in os.environ if name.startswith("MACHINABLE_")]:
        monkeypatch.delenv(name)
    before = set(sys.modules)
    with Project(root), Storage(root / "storage"):
        yield Workspace(root)
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(root)):
            del sys.modules[name]
