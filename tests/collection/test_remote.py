"""Results of a remote storage, on a machine that has nothing but its URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collection.conftest import FIT
from tests.conftest import Workspace
from tests.servers.s3 import s3_url, seaweed_server

__all__ = ["s3_url", "seaweed_server"]

pytestmark = pytest.mark.xdist_group("seaweed")

RUN = """
import sys
from machinable import Experiment, execute, grid
execute(Experiment().component("fit", grid(lr=[0.1, 0.2])).repeat(3), storage=sys.argv[1], seed=1)
"""

LOOK = """
import sys
from machinable import Storage, get
with Storage(sys.argv[1]):
    found = get.all("fit")
    print(len(found), len(found.where("lr < 0.15 and loss > 0.5")))
    print([round(line.statistics["loss"].mean, 3) for line in found.summary()])
    print([line.get_xdata().tolist() for line in found.plot("epoch", "loss").lines])
    print(found.to_csv(columns=["lr", "trial", "loss"]).count("finished"), found[0].status)
"""


def test_a_second_machine_has_the_tables_and_curves(
    s3_url: str, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.write("fit.py", FIT)
    workspace.python(RUN, s3_url, MACHINABLE_CACHE=str(tmp_path / "one"))
    seen = workspace.python(LOOK, s3_url, MACHINABLE_CACHE=str(tmp_path / "two"), MPLBACKEND="agg")
    assert seen.stdout.split("\n")[:4] == [
        "6 2",
        "[0.6, 0.7]",
        "[[0, 1, 2, 3], [0, 1, 2, 3]]",
        "0 finished",
    ]
