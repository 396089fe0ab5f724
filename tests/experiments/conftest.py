"""A project with an experiment in it, and the processes that execute it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Workspace

_TRACE = """
import json
import os
import random
import time
from machinable import Component

class Trace(Component):
    '''Leaves a line outside of the storage whenever it runs.'''

    Config = {"n": 0, "seconds": 0.0}

    def __call__(self):
        files = os.listdir(os.path.join(self.directory, ".machinable"))
        number = max(int(name[8:-6]) for name in files if name.startswith("attempt-"))
        line = f"{self.id} {self.config.n} {self.trial.number if self.trial else 0} {number} {os.getpid()}\\n"
        descriptor = os.open("ran.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        time.sleep(self.config.seconds)
        if os.path.exists(f"fail-{self.config.n}"):
            raise ValueError(f"asked to fail at {self.config.n}")
        self.save_file("result.json", {"n": self.config.n, "seed": self.seed, "draw": random.random()})
"""


class Lab:
    """A project with the component `trace`, executed by processes of its own."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.root = workspace.root
        self.storage = workspace.root / "results"
        self.started = 0
        workspace.write("trace.py", _TRACE)

    def write(self, name: str, source: str) -> Path:
        """Writes a module of the project."""
        return self.workspace.write(name, source)

    def script(
        self, source: str, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script of the project that has imported what it needs."""
        self.write("script.py", _IMPORTS + source)
        return self.workspace.script("script.py", *arguments, check=check, **variables)

    def start(self, source: str, *arguments: str) -> subprocess.Popen[str]:
        """Starts such a script."""
        self.started += 1  # a file for each: Python may still be reading the one before
        path = self.write(f"started_{self.started}.py", _IMPORTS + source)
        return subprocess.Popen(
            [sys.executable, path.name, *arguments],
            cwd=self.root,
            env=self.workspace.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def runs(self) -> list[str]:
        """The ID of each run of `trace`, in order."""
        path = self.root / "ran.txt"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def results(self, execution_id: str = "00000g", name: str = "result.json") -> dict[str, Any]:
        """What the components of an execution have saved, by ID."""
        return results(self.storage / execution_id, name)


_IMPORTS = "from machinable import Component, Experiment, Storage, execute, get, grid\n"


def results(directory: Path, name: str = "result.json") -> dict[str, Any]:
    """What the components in an execution's directory have saved, by ID."""
    return {
        path.parent.name: json.loads(path.read_text()) for path in sorted(directory.glob(f"[!.]*/{name}"))
    }


def attempts(component: Path) -> list[list[dict[str, Any]]]:
    """The whole lines of each attempt of a component, read without machinable."""
    paths = sorted((component / ".machinable").glob("attempt-*.jsonl"), key=lambda path: int(path.stem[8:]))
    return [
        [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        for path in paths
    ]


def is_finished(component: Path) -> bool:
    """Whether an attempt of the component has finished."""
    return any(line["kind"] == "finished" for lines in attempts(component) for line in lines)


def unreadable(storage: Path) -> list[str]:
    """Published JSON documents of a storage that can not be read. The last line of a file may be cut."""
    bad = []
    for path in storage.rglob("*.json*"):
        parts = path.relative_to(storage).parts
        if any(part.startswith(".") and part != ".machinable" for part in parts) or "trash" in parts:
            continue
        text = path.read_text()
        try:
            if path.suffix == ".json":
                json.loads(text)
            else:
                for line in text.splitlines(keepends=True):
                    if line.endswith("\n"):
                        json.loads(line)
        except ValueError as error:
            bad.append(f"{path}: {error}")
    return bad


@pytest.fixture
def lab(workspace: Workspace) -> Lab:
    """A project with the component `trace`."""
    return Lab(workspace)
