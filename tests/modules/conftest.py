"""Projects of real files, and real Python processes in them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machinable.modules import importing, residence, source

SOURCE = str(Path(__file__).resolve().parents[2] / "src")

# What stands in for machinable's Interface in the modules of these tests.
BASE = """
class Base:
    pass
"""

Write = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[str]]


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Write:
    """Writes files into a project and returns its root: `project({"train.py": "..."})`."""

    def write(files: dict[str, str] | None = None, name: str = "project") -> Path:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        return write_files(root, {"own_base.py": BASE, **(files or {})})

    return write


@pytest.fixture
def run() -> Run:
    """Runs Python in a folder; its output is in `.stdout`."""

    def python(
        cwd: Path, *arguments: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")])),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return python


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Undoes what a test imported, so that tests do not meet in `sys.modules`."""
    before, path = dict(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - set(before):
        if "tmp" in str(
            getattr(sys.modules[name], "__file__", None) or getattr(sys.modules[name], "__path__", "")
        ):
            del sys.modules[name]
    for name, module in before.items():
        sys.modules.setdefault(name, module)
    sys.path[:] = path
    residence.finder.root = None
    residence._own.clear()
    residence._path_entry = None
    for cache in (importing._modules, importing._classes, source._known):
        cache.clear()
