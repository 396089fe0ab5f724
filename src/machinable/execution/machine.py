"""The machine that an execution ran on, as its runs record it."""

from __future__ import annotations

import os
import re
import sys

from machinable.store import owner

__all__ = ["describe_machine"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GPUS = "/proc/driver/nvidia/gpus"


def describe_machine() -> dict[str, Any]:
    """Host, system, processor, cores, memory and GPUs of this machine, as plain JSON. What can not be told is null."""
    return {
        "host": owner.current()["host"],
        "system": " ".join(os.uname()[::2]) if hasattr(os, "uname") else sys.platform,
        "processor": _first_line(r"model name\s*:\s*(.+)", "/proc/cpuinfo"),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "gpus": _gpus(),
    }


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _gpus() -> list[str]:
    """The models of NVIDIA's GPUs, as the driver tells them: asking `nvidia-smi` takes a second."""
    try:
        names = sorted(os.listdir(_GPUS))
    except OSError:
        return []
    found = (_first_line(r"Model:\s*(.+)", os.path.join(_GPUS, name, "information")) for name in names)
    return [model or "NVIDIA GPU" for model in found]


def _first_line(pattern: str, path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read(1 << 16))
    except OSError:
        return None
    return match[1].strip() if match else None
