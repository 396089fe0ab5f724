from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.remote.machines import Machine
from tests.servers.s3 import nanio_server, s3_url, seaweed_server, unconditional_url
from tests.servers.sshd import sftp_url, ssh_server

__all__ = ["nanio_server", "s3_url", "seaweed_server", "sftp_url", "ssh_server", "unconditional_url"]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[[str], Machine]]:
    """Makes machines by name. They count executions in one place."""
    made: dict[str, Machine] = {}
    with ExitStack() as stack:

        def make(name: str) -> Machine:
            if name not in made:
                made[name] = stack.enter_context(Machine(tmp_path / name, tmp_path / "count"))
            return made[name]

        yield make
