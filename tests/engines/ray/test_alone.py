"""`ray` with no cluster around: one is started for the run, and nothing of it is left."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.engines.ray.conftest import ENVIRONMENT, HEAD

pytestmark = pytest.mark.xdist_group("ray")

SCRIPT = """
    import sys, time
    from machinable import Component, execute, get, Experiment

    class Here(Component):
        def __call__(self):
            pass

    init = {"num_cpus": 1, "_node_ip_address": sys.argv[1], "_temp_dir": sys.argv[2], "object_store_memory": 80 * 2**20}
    try:
        plan = Experiment().component(Here, resources={"cpus": 2})
        execute(plan, "results", get("ray:local", {"init": init}), seed=1)
    except Exception as error:
        print(error)
    execute(Experiment().component(Here), "results", get("ray:local", {"init": init}), seed=42)
    import ray
    print("connected" if ray.is_initialized() else "finished")
"""


@pytest.fixture
def directory():
    path = tempfile.mkdtemp(prefix="mr", dir="/tmp")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def processes_of(directory: str) -> list[str]:
    """The processes whose command lines name the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if directory in line and "pytest" not in line:
            found.append(line)
    return found


def test_a_cluster_is_started_for_the_run_and_refuses_what_it_can_never_run(workspace, directory):
    workspace.write("script.py", SCRIPT)
    outcome = workspace.script("script.py", HEAD, directory, **ENVIRONMENT)
    assert outcome.stdout.splitlines()[-1] == "finished"
    assert "no node of the Ray cluster has 2 CPUs (at most 1 CPU)" in outcome.stdout
    assert not (workspace.root / "results" / "000001").exists()
    assert processes_of(directory) == []
