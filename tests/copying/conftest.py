"""Storages of several kinds, and a storage to copy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.servers.s3 import nanio_server, s3_url, seaweed_server, unconditional_url
from tests.servers.sshd import sftp_url, ssh_server

__all__ = ["nanio_server", "s3_url", "seaweed_server", "sftp_url", "ssh_server", "unconditional_url"]

WALK = """
    import os
    import random

    from machinable import Component


    class Walk(Component):
        Config = {"steps": 3, "fails": False}

        def __call__(self):
            for step in range(self.config.steps):
                self.record["position"] = random.random()
                self.record.save()
            self.save_file("a/end.json", self.config.steps)
            self.save_file("weights.npy.txt", "x" * 5000)
            print("walked")
            if self.config.fails and not os.path.exists("mended"):
                raise ValueError("not today")


    class Total(Component):
        def __call__(self):
            self.save_file("total.json", self.uses["walk"].load_file("a/end.json"))
"""

FILL = """
    from machinable import Experiment, Storage, errors, execute, get, grid

    plan = Experiment().component("walk:Walk", grid(steps=[1, 2]), name="walk").component(
        "walk:Walk", {"fails": True}
    )
    try:
        execute(plan, storage="storage", seed=7)
    except errors.ExecutionFailed:
        pass
    with Storage("storage"):
        walk = get("walk:Walk", {"steps": 5}).launch()
        get("walk:Total", uses={"walk": walk}).launch()
        get("walk:Walk", {"steps": 6}).launch().invalidate()
"""


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """A project whose storage `storage` holds six components, one of them failed, one invalidated."""
    workspace.write("walk.py", WALK)
    workspace.python(FILL)
    return workspace


@pytest.fixture
def place(request: pytest.FixtureRequest, workspace: Workspace) -> Callable[[str], str]:
    """The URL of an empty storage of a kind."""

    def url(kind: str) -> str:
        if kind == "local":
            return str(workspace.root / f"other-{os.urandom(3).hex()}")
        found: str = request.getfixturevalue(f"{kind}_url")
        return found

    return url


def content(storage: Path) -> dict[str, bytes]:
    """All files of a storage that are no caches, by path."""
    caches = ("/shapes/", "/swept.json", "/index", "/changes/", "/trash/")
    found = {
        path.relative_to(storage).as_posix(): path for path in sorted(storage.rglob("*")) if path.is_file()
    }
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if not any(cache in f"/{name}" for cache in caches)
    }
