"""Who owns an attempt: this process, described so that any process on any host can tell whether it still lives."""

from __future__ import annotations

import json
import os
import sys
from itertools import count

from machinable.blake import blake2b

__all__ = ["current", "current_text", "is_alive", "same_machine", "token", "token_is_alive"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LINUX = sys.platform.startswith("linux")


class _Process:
    """This process: its description and the prefix of its tokens. Made anew after a fork."""

    __slots__ = ("description", "pid", "text", "token_prefix", "tokens")

    def __init__(self) -> None:
        self.pid = os.getpid()
        boot, namespace = _boot(), _namespace()
        started = _start_time(self.pid) or 0
        self.description: dict[str, Any] = {
            "host": _host(),
            "boot": boot,
            "namespace": namespace,
            "pid": self.pid,
            "started": started,
        }
        self.text = json.dumps(self.description, separators=(",", ":"))
        self.token_prefix = f"{_machine(boot, namespace)}-{self.pid}-{started}-{os.urandom(5).hex()}"
        self.tokens = count(1)


_process: _Process | None = None


def _this() -> _Process:
    global _process
    if _process is None or _process.pid != os.getpid():
        _process = _Process()
    return _process


def current() -> dict[str, Any]:
    """This process as attempts record it: host, boot, PID namespace, PID and its start time.

    The unit of `started` is the platform's own (clock ticks since boot on Linux, seconds since the epoch elsewhere):
    it is only ever compared for equality, on the machine that wrote it.
    """
    return _this().description


def current_text() -> str:
    """`current()` as JSON, encoded once per process."""
    return _this().text


def token() -> str:
    """A new name, unique in the world, that says which process made it: `<machine>-<pid>-<start>-<random><count>`."""
    process = _this()
    return f"{process.token_prefix}{next(process.tokens):x}"


def token_is_alive(text: str) -> bool | None:
    """Whether the process that made a token lives; `None` if it was made on another machine or is no token."""
    machine, _, rest = text.partition("-")
    pid, _, rest = rest.partition("-")
    started = rest.partition("-")[0]
    if not (pid.isdecimal() and started.isdecimal()) or machine != _this().token_prefix.partition("-")[0]:
        return None
    if _LINUX and not _this().description["namespace"]:
        return None
    return _lives(int(pid), int(started))


def same_machine(owner: Mapping[str, Any]) -> bool:
    """Whether an owner's PID means something here: same boot of the same host, same PID namespace."""
    here = current()
    if _LINUX and not here["namespace"]:
        return False
    if here["boot"]:
        return bool(owner.get("boot") == here["boot"] and owner.get("namespace") == here["namespace"])
    return bool(owner.get("host") == here["host"] and owner.get("namespace") == here["namespace"])


def is_alive(owner: Mapping[str, Any]) -> bool | None:
    """Whether the owner of an attempt lives, by the process table; `None` where that can not tell."""
    if not same_machine(owner):
        return None
    return _lives(int(owner.get("pid", -1)), int(owner.get("started", -1)))


def _lives(pid: int, started: int) -> bool:
    # PIDs are recycled within the hour on busy machines, so the start time has to agree as well.
    return _start_time(pid) == started


def _machine(boot: str, namespace: str) -> str:
    return blake2b(f"{boot}|{namespace}|{'' if boot else _host()}".encode(), digest_size=4).hexdigest()


def _host() -> str:
    try:
        return os.uname().nodename
    except AttributeError:
        import platform

        return platform.node()


def _boot() -> str:
    if not _LINUX:
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _namespace() -> str:
    """The PID namespace; empty where `/proc` is absent, or shows the processes of another one (`unshare --pid`)."""
    if not _LINUX:
        return ""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """When the process started, or `None` if there is none of that PID (a zombie counts as none)."""
    if pid <= 0:
        return None
    if not _LINUX:
        return _start_time_elsewhere(pid)
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(descriptor, 1024)
    except OSError:  # ESRCH: it went away while we looked
        return None
    finally:
        os.close(descriptor)
    # The command name stands in parentheses and may itself hold spaces and parentheses (proc(5)).
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])


def _start_time_elsewhere(pid: int) -> int | None:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return int(process.create_time())
    except psutil.Error:
        return None
