"""An SSH server on loopback, with keys of its own, and a home directory whose `.ssh/config` leads to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

import pytest

from tests.servers.ports import free_ports, wait_for_port

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
AuthorizedKeysFile {directory}/authorized
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
MaxStartups 200
Subsystem sftp internal-sftp
"""

_CLIENT = """\
Host lab
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {directory}/key
  UserKnownHostsFile {directory}/known_hosts
"""


@dataclass(frozen=True)
class Sshd:
    """A running server. With `HOME` set to `home`, `ssh lab` would log in."""

    home: Path
    port: int
    directory: Path  # an empty one that it serves


@contextlib.contextmanager
def sshd() -> Iterator[Sshd]:
    """OpenSSH's server, as this user."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not os.path.exists(program) or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd: apt-get install openssh-server")
    root = Path(tempfile.mkdtemp(prefix="sshd-"))
    with contextlib.suppress(OSError):
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # without it, a server of root does not start
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(root / name)], check=True)
    shutil.copy(root / "key.pub", root / "authorized")
    (port,) = free_ports(1)
    kind, key, *_ = (root / "host.pub").read_text().split()
    (root / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (root / "config").write_text(_CONFIG.format(port=port, directory=root))
    (root / "home" / ".ssh").mkdir(parents=True)
    (root / "home" / ".ssh" / "config").write_text(_CLIENT.format(port=port, user=getuser(), directory=root))
    (root / "files").mkdir()
    log = (root / "log").open("wb")
    process = subprocess.Popen([program, "-D", "-e", "-f", str(root / "config")], stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        yield Sshd(root / "home", port, root / "files")
    finally:
        process.terminate()
        process.wait()
        log.close()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[Sshd]:
    """One SSH server for all tests of this process."""
    pytest.importorskip("paramiko")
    with sshd() as server:
        yield server


@pytest.fixture
def sftp_url(
    ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of an empty storage behind SSH, in an environment that leads to it, with a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HOME", str(ssh_server.home))
    monkeypatch.setenv("MACHINABLE_CACHE", str(cache))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return f"sftp://lab{ssh_server.directory}/{cache.name}-{os.urandom(4).hex()}"
