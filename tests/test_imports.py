"""What importing machinable loads: little, since every command and every worker pays for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"
OPTIONAL = {"fsspec", "pydantic", "ray", "rich", "sqlite3"}
REQUIRED = {"cloudpickle", "msgspec", "yaml"}
STANDARD = {"dataclasses", "inspect", "logging", "pathlib", "typing"}


def loaded_by(statement: str) -> set[str]:
    """The names of the modules that a statement loads in a process without site packages."""
    # `-S`: what site packages load at the start of Python could not be told from what the statement loads.
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import machinable", "from machinable import Component, get", "import machinable.errors"]
)
def test_importing_machinable_loads_no_heavy_package(statement: str) -> None:
    assert not loaded_by(statement) & (OPTIONAL | REQUIRED | STANDARD)


def test_importing_the_command_line_loads_no_heavy_package() -> None:
    assert not loaded_by("from machinable.cli import main") & (OPTIONAL | REQUIRED)


def test_the_version_is_that_of_the_package() -> None:
    statement = "import machinable, machinable.version as v; assert machinable.__version__ == v.__version__"
    assert "machinable.version" in loaded_by(statement)


@pytest.mark.parametrize("name", ["Component", "get"])
def test_public_names_are_listed(name: str) -> None:
    loaded_by(f"import machinable; assert {name!r} in machinable.__all__ and {name!r} in dir(machinable)")


def test_every_listed_name_exists() -> None:
    import machinable

    missing = [name for name in machinable.__all__ if not hasattr(machinable, name)]
    assert not missing
