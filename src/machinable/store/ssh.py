"""A connection to an SSH server, by the settings that the command `ssh` would use: `~/.ssh/config`, keys, agent."""

from __future__ import annotations

import os

from machinable.errors import DependencyMissing, StorageError
from machinable.store.retrying import timeout_seconds

__all__ = ["SAFE_CHANNELS", "connect", "preload"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.store.url import Location

#: How many channels one connection may have: OpenSSH allows ten unless its administrator says otherwise.
SAFE_CHANNELS = 8
_HOST_KEYS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts")


def connect(location: Location) -> Any:
    """An open `paramiko.SSHClient` for the host of an `sftp://` URL.

    Raises:
        StorageError: If the host can not be reached, its key is not known, or it refuses the credentials.
        DependencyMissing: If paramiko is not installed.
    """
    try:
        import paramiko
    except ImportError:
        raise DependencyMissing("sftp:// storages need paramiko: pip install 'machinable[sftp]'") from None
    import logging

    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # or it prints what is raised here anyway
    user, _, machine = location.host.rpartition("@")
    host, port = _split(machine)
    options = _options(paramiko, host)
    name = options.get("hostname", host)
    number = port or int(options.get("port", 22))
    client = paramiko.SSHClient()
    for path in [*options.get("userknownhostsfile", "").split(), *_HOST_KEYS]:
        try:
            client.load_system_host_keys(os.path.expanduser(path))
        except (OSError, paramiko.SSHException):
            pass  # not there, or not readable
    trusting = options.get("stricthostkeychecking", "").lower() in ("no", "off", "accept-new")
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy() if trusting else paramiko.RejectPolicy())
    keys = [path for path in options.get("identityfile", []) if os.path.exists(os.path.expanduser(path))]
    seconds = min(10.0, timeout_seconds())
    try:
        client.connect(
            name,
            port=number,
            username=user or options.get("user"),
            password=location.password,
            key_filename=[os.path.expanduser(path) for path in keys] or None,
            allow_agent=options.get("identitiesonly", "no") != "yes",
            sock=_proxy(paramiko, options, name, number),
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
        )
    except (paramiko.AuthenticationException, paramiko.PasswordRequiredException):
        raise StorageError(
            f"{location.url}: {machine} refuses the credentials. Check user and key: ssh {location.host}"
        ) from None
    except paramiko.BadHostKeyException:
        raise StorageError(
            f"{location.url}: the key of {machine} is not the one in known_hosts. Do not go on before you know why."
        ) from None
    except paramiko.SSHException as error:
        if "not found in known_hosts" in str(error):
            raise StorageError(
                f"{location.url}: the key of {machine} is not known here. Connect once by: "
                f"ssh -p {number} {location.host.rpartition(':')[0] if port else location.host}"
            ) from None
        if "No authentication methods" in str(error):
            raise StorageError(
                f"{location.url}: there is no key for {machine}. Name one in ~/.ssh/config (IdentityFile), "
                "or start an agent."
            ) from None
        raise ConnectionError(str(error)) from None
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from None
    transport = client.get_transport()
    assert transport is not None
    transport.set_keepalive(30)
    return client


def preload() -> None:
    """Loads paramiko, if it is installed."""
    try:
        import paramiko  # noqa: F401
    except ImportError:
        pass  # told by who connects


def _split(machine: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port` or `[address]:port`."""
    if machine.startswith("["):
        address, _, rest = machine[1:].partition("]")
        return address, int(rest[1:]) if rest[1:].isdecimal() else None
    host, _, port = machine.partition(":")
    return host, int(port) if port.isdecimal() else None


def _options(paramiko: Any, host: str) -> dict[str, Any]:
    """What `~/.ssh/config` says about a host."""
    path = os.path.expanduser("~/.ssh/config")
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, Any] = dict(paramiko.SSHConfig.from_file(file).lookup(host))
    except OSError:
        return {}
    except paramiko.ConfigParseError as error:
        raise StorageError(f"{path} can not be read: {error}.") from None
    return found


def _proxy(paramiko: Any, options: dict[str, Any], host: str, port: int) -> Any:
    command = options.get("proxycommand")
    jump = options.get("proxyjump")
    if jump and jump != "none":
        command = f"ssh -W {host}:{port} {jump}"
    return paramiko.ProxyCommand(command) if command and command != "none" else None
