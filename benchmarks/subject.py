"""What is measured: a project with one component that only saves a small JSON, and its records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COUNT = 500
CONFIG = {"x": 0, "lr": 0.1, "epochs": 10, "optimizer": "sgd", "shuffle": True}
# With compiled modules kept, as they are on the machine of a user.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
MODULE = f"""\
from machinable import Component


class Noop(Component):
    Config = {CONFIG!r}

    def __call__(self):
        self.save_file("result.json", {{"x": self.config.x, "loss": 0.25, "accuracy": 0.75}})
"""


def make_project(parent: str) -> str:
    """A new project in `parent`; its module is `noop`."""
    root = os.path.join(parent, "project")
    os.makedirs(root, exist_ok=True)
    Path(root, "pyproject.toml").write_text("[tool.machinable]\n", encoding="utf-8")
    Path(root, "noop.py").write_text(MODULE, encoding="utf-8")
    return root


def child(
    verb: str,
    project: str,
    storage: str,
    first: int,
    count: int,
    text: str = "",
    prefix: tuple[str, ...] = (),
) -> str:
    """The output of `child.py`, in a process of its own."""
    script = str(Path(__file__).with_name("child.py"))
    command = [*prefix, sys.executable, script, verb, project, storage, str(first), str(count)]
    return subprocess.run(
        command, input=text, check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ).stdout


def records(storage: str) -> list[str]:
    """The directories of all records."""
    return sorted(
        entry.path for entry in os.scandir(storage) if entry.is_dir() and not entry.name.startswith(".")
    )


class Floor:
    """The same bytes to the same files as one storage holds, with `open`, `os` and `json`, and nothing else."""

    def __init__(self, storage: str) -> None:
        self.plan: list[tuple[list[str], list[tuple[str, list[object], tuple[str, str], str]]]] = []
        for record in records(storage):
            directories, files = [], []
            for directory, _, names in sorted(os.walk(record)):
                directories.append(os.path.relpath(directory, storage))
                for name in sorted(names):
                    path = os.path.join(directory, name)
                    files.append((os.path.relpath(path, storage), *self.documents(path)))
            self.plan.append((directories, files))

    @staticmethod
    def documents(path: str) -> tuple[list[object], tuple[str, str], str]:
        """The JSON documents of a file, and the separators and line end that give the same bytes again."""
        text = Path(path).read_text(encoding="utf-8")
        documents = [json.loads(part) for part in (text.splitlines() if path.endswith(".jsonl") else [text])]
        end = "\n" if text.endswith("\n") else ""
        for separators in [(",", ":"), (", ", ": ")]:
            if Floor.text(documents, separators, end) == text:
                return documents, separators, end
        raise ValueError(f"{path} is not what json.dumps writes: {text[:200]}")

    @staticmethod
    def text(documents: list[object], separators: tuple[str, str], end: str) -> str:
        return (
            "\n".join([json.dumps(each, ensure_ascii=False, separators=separators) for each in documents])
            + end
        )

    def write(self, storage: str) -> None:
        os.mkdir(storage)
        for directories, files in self.plan:
            for directory in directories:
                os.mkdir(os.path.join(storage, directory))
            for path, documents, separators, end in files:
                with open(os.path.join(storage, path), "w", encoding="utf-8") as file:
                    file.write(self.text(documents, separators, end))
