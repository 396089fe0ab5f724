"""Commands that go on while a test looks at what they do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.cli.conftest import variables

STEPS = """
import os
import time

from machinable import Component


class Steps(Component):
    Config = {"name": "a"}

    def __call__(self):
        print(f"{self.config.name} has begun", flush=True)
        end = time.monotonic() + 60
        while not os.path.exists(f"go-{self.config.name}") and time.monotonic() < end:
            time.sleep(0.01)
        print(f"{self.config.name} has ended", flush=True)
"""


@contextmanager
def started(*words: str, out: int | IO[str] = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """`python -m machinable`, ended at the end of the block at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-m", "machinable", *words],
        env=variables(),
        stdout=out,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def await_until(holds: Callable[[], object], what: str) -> None:
    """Waits until it holds."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def await_logs(project: Path, execution: str, count: int) -> None:
    """Waits until so many components of an execution have printed something."""
    await_until(
        lambda: len(list((project / "storage" / execution).glob("[!.]*/output*.log"))) >= count,
        f"{count} components of {execution} print something",
    )
