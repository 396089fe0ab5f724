from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims.launchers import Launchers


@pytest.fixture
def launchers(tmp_path: Path) -> Iterator[Launchers]:
    """A project of its own and processes that launch in it."""
    with Launchers(tmp_path) as processes:
        yield processes


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A path for a storage; nothing is there yet."""
    return tmp_path / "storage"
