"""The servers that stores are tested against, and a proxy in front of one that can be told to fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from machinable.store.opening import open_store
from machinable.store.store import Store
from tests.servers.proxy import Proxy, proxy
from tests.servers.s3 import BUCKET, S3Server, enter, nanio_server, s3_url, seaweed_server, unconditional_url
from tests.servers.sshd import sftp_url, ssh_server

__all__ = ["nanio_server", "s3_url", "seaweed_server", "sftp_url", "ssh_server", "unconditional_url"]


@pytest.fixture
def memory_url() -> Iterator[str]:
    """A storage of fsspec's that lies in this process."""
    fsspec = pytest.importorskip("fsspec")
    name = f"/stores-{os.urandom(4).hex()}"
    yield f"memory:/{name}"
    files = fsspec.filesystem("memory")
    if files.exists(name):
        files.rm(name, recursive=True)


@dataclass
class Faulty:
    """A store whose requests go through a proxy that fails as told."""

    store: Store
    proxy: Proxy
    url: str


@pytest.fixture
def faulty(seaweed_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """A new, empty store, with few attempts and short time-outs."""
    with proxy(seaweed_server.endpoint) as between:
        enter(monkeypatch, seaweed_server.environment(between.endpoint))
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
        url = f"s3://{BUCKET}/faults-{os.urandom(4).hex()}"
        yield Faulty(open_store(url), between, url)
