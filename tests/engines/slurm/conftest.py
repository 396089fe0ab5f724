"""A private, real Slurm for the tests: two nodes on this machine, on loopback, started once and stopped at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[2] / "lab"

_COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")


def _missing() -> str:
    """Why there can be no Slurm here; empty if there can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [name for name in _COMMANDS if shutil.which(name, path=path) is None]
    if lacking:
        return f"needs {', '.join(lacking)} (packages slurm-wlm and munge)"
    return "" if os.geteuid() == 0 else "needs root, to start the daemons of Slurm"


needs_slurm = pytest.mark.skipif(bool(_missing()), reason=_missing() or "it is there")


def _free_ports(count: int) -> int:
    """The first of so many TCP ports that are free."""
    first = 20000 + os.getpid() % 20000
    while True:
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            first = first + count if first < 60000 else 20000
        else:
            return first


@pytest.fixture(scope="session")
def slurm_lab() -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find it."""
    directory = tempfile.mkdtemp(prefix="slurm-")  # short: it holds sockets
    environment = {
        "SLURM_LAB_DIR": f"{directory}/lab",
        "SLURM_LAB_PORT": str(_free_ports(20)),
        "SLURM_LAB_CPUS": "4",
        "SLURM_CONF": f"{directory}/lab/etc/slurm.conf",
    }
    everything = {**os.environ, **environment}
    os.chmod(directory, 0o755)
    try:
        done = subprocess.run(
            [LAB / "slurm-up.sh"], env=everything, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            pytest.skip(f"Slurm does not start here: {done.stderr[-300:]}")
        yield environment
    finally:
        subprocess.run([LAB / "slurm-down.sh"], env=everything, capture_output=True, timeout=120)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def slurm(slurm_lab: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The same, for this process as well; what a test leaves in the queue is cancelled."""
    for name, value in slurm_lab.items():
        monkeypatch.setenv(name, value)
    yield slurm_lab
    queue = ["squeue", "-h", "-o", "%A"]
    left = subprocess.run(queue, capture_output=True, text=True).stdout.split()
    if left:
        subprocess.run(["scancel", *sorted(set(left))])
