"""A Ray cluster for the tests: one node with what these tests see, and others, each started for itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.hidden import hiding

pytest.importorskip("ray", reason="Ray is not installed: pip install 'machinable[ray]'")

HEAD, OTHER, THIRD = (
    "127.0.0.2",
    "127.0.0.3",
    "127.0.0.4",
)  # Ray replaces 127.0.0.1 by the machine's outer address

ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_SCHEDULER_EVENTS": "0"}

os.environ.update(ENVIRONMENT)  # read when Ray is imported


class Cluster:
    """Nodes of Ray on loopback addresses, each a process in the foreground."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        with socket.socket() as probe:
            probe.bind((HEAD, 0))
            self.address = f"{HEAD}:{probe.getsockname()[1]}"
        self.temporary = f"{directory}/t"  # of the nodes alone: other tests run meanwhile
        os.mkdir(self.temporary)
        self._nodes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Starts the first node."""
        port = self.address.rpartition(":")[2]
        self._start(
            HEAD,
            "--head",
            f"--port={port}",
            "--include-dashboard=false",
            f"--temp-dir={self.directory}",
            "--num-cpus=2",
        )
        self._await_nodes(1)

    def add(self, *hidden: Path, resources: str, host: str = OTHER) -> subprocess.Popen[bytes]:
        """Starts a node that does not see some directories, and waits for it.

        Args:
            resources: What it has, as JSON.
        """
        before = self.alive()
        options = [f"--address={self.address}", "--num-cpus=1", f"--resources={resources}"]
        node = self._start(host, *options, hidden=hidden)
        self._await_nodes(before + 1)
        return node

    def _start(self, host: str, *options: str, hidden: tuple[Path, ...] = ()) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            f"--node-ip-address={host}",
            *options,
        ]
        command += ["--disable-usage-stats", f"--object-store-memory={80 * 2**20}", "--block"]
        if hidden:
            command = [*hiding(*hidden), *command]
        with open(f"{self.directory}/{host}.log", "ab") as log:
            node = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={**os.environ, "TMPDIR": self.temporary},
            )
        self._nodes.append(node)
        return node

    def alive(self) -> int:
        """How many nodes there are."""
        import ray

        return sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else 0

    def _await_nodes(self, number: int) -> None:
        import ray

        end = time.monotonic() + 60
        while time.monotonic() < end:
            if not ray.is_initialized():
                try:
                    with socket.create_connection((HEAD, int(self.address.rpartition(":")[2])), 1):
                        pass
                    ray.init(
                        address=self.address,
                        _node_ip_address=HEAD,
                        logging_level="error",
                        log_to_driver=False,
                    )
                except (ConnectionError, OSError):
                    pass
            if self.alive() >= number:
                return
            time.sleep(0.1)
        raise AssertionError("the node of Ray did not start")

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """Ends a node as a power failure does: its raylet, and thereby its workers."""
        for process in descendants(node.pid):
            if b"raylet/raylet" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0]:
                os.kill(process, signal.SIGKILL)

    def stop(self) -> None:
        """Ends all nodes."""
        import ray

        ray.shutdown()
        for node in reversed(self._nodes):
            if node.poll() is None:
                family = descendants(node.pid)
                node.terminate()
                try:
                    node.wait(20)
                except subprocess.TimeoutExpired:
                    for process in (*family, node.pid):
                        os.kill(process, signal.SIGKILL)
                    node.wait()


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                stat = Path(f"/proc/{name}/stat").read_bytes()
            except OSError:
                continue
            if int(stat.rpartition(b")")[2].split()[1]) == pid:
                found += [int(name), *descendants(int(name))]
    return found


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster that this process is connected to, with one node of two CPUs."""
    directory = tempfile.mkdtemp(prefix="mr", dir="/tmp")  # names of sockets have to be short
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the node `far` does not see."""
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="session")
def far(cluster: Cluster, hidden: Path) -> Cluster:
    """The cluster with a second node, which has the resource `far` and neither the projects nor the storages."""
    cluster.add(hidden, resources='{"far": 4}')
    return cluster
