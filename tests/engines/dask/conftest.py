"""A Dask cluster for the tests: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.hidden import hiding

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'machinable[dask]'")

SECONDS = 30


class Cluster:
    """A scheduler with its own defaults, under which a task of a dead worker is given to the next, and workers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "scheduler.json"
        self.temporary = str(directory / "temporary")  # of the workers alone: other tests run meanwhile
        os.mkdir(self.temporary)
        self._processes: list[subprocess.Popen[bytes]] = []
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self._start([sys.executable, "-m", "distributed.cli.dask_scheduler", *options])
        until(lambda: self.file.exists() and self.file.stat().st_size > 0, "the scheduler listens")

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(json.loads(self.file.read_text())["address"])

    def add(self, *hidden: Path, resources: str = "") -> subprocess.Popen[bytes]:
        """Starts a worker with one thread that does not see some directories, and waits for it."""
        from distributed import Client

        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1"]
        command += ["--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
        command += ["--local-directory", str(self.directory)]
        if resources:
            command += ["--resources", resources]
        with Client(self.address, set_as_default=False) as client:
            before = len(client.scheduler_info(n_workers=-1)["workers"])
            process = self._start([*hiding(*hidden), *command] if hidden else command)
            until(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) > before, "the worker is there")
        return process

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with open(self.directory / "log", "ab") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={**os.environ, "TMPDIR": self.temporary},
            )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """Ends all of them."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()


def until(holds, what: str) -> None:
    """Waits until something holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two workers."""
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    try:
        cluster.add()
        cluster.add()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the worker `far` does not see."""
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="session")
def far(cluster: Cluster, hidden: Path) -> Cluster:
    """The cluster with a third worker, which has the resource `far` and neither the projects nor the storages."""
    cluster.add(hidden, resources="far=1")
    return cluster


def processes_that_serve() -> list[int]:
    """The processes that stand by workers to run components."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"machinable.engines.servant" in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
