"""A project with a storage of some records, and what an index in another process says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from machinable import Experiment, execute, get
from machinable.errors import ExecutionFailed
from machinable.index import open_index

TRAIN = """
from machinable import Component

class Train(Component):
    Config = {"lr": 0.1, "optimizer": {"name": "adam"}, "fail": False}

    def __call__(self):
        if self.config.fail:
            raise ValueError("too bad")
        self.record["loss"] = self.config.lr * 2
        self.record.save()
"""

LOOK = """
import json, sys
from machinable.index import open_index
index = open_index(sys.argv[1])
index.refresh()
rows = [*index.select(), *index.damaged()]
print(json.dumps({row["path"]: [row["status"], row["record"].get("loss"), row["attempts"]] for row in rows}))
"""


class Results:
    """The storage of a project."""

    def __init__(self, workspace: Any) -> None:
        self.workspace = workspace
        self.root: Path = workspace.storage
        self.file = self.root / ".machinable" / "index.sqlite"

    def seen(self, root: Path | None = None, **variables: str) -> dict[str, list[Any]]:
        """Status, loss and attempts by path, as a new process sees them."""
        return json.loads(self.workspace.python(LOOK, str(root or self.root), **variables).stdout)

    def found(self, expression: str, **options: Any) -> list[str]:
        """The IDs of what this process finds."""
        return [component.id for component in get.all("train", **options).where(expression)]


@pytest.fixture
def results(workspace: Any) -> Results:
    """Four records, one of them in an execution, another one failed."""
    workspace.write("train.py", TRAIN)
    for lr in (0.1, 0.2):
        get("train", {"lr": lr}).launch()
    with pytest.raises(ExecutionFailed, match="too bad"):
        get("train", {"fail": True}).launch()
    execute(Experiment().component("train", {"lr": 0.3}), storage=workspace.storage, seed=42)
    return Results(workspace)


@pytest.fixture
def indexed(results: Results) -> Results:
    """The same with an index in a file, as storages of many records have it."""
    open_index(str(results.root)).rebuild()
    assert results.file.is_file()
    return results
