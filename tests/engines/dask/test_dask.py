"""`dask` on clusters that are there: what a dead worker costs, what nobody can run, and what may be passed."""

from __future__ import annotations

import os
import signal

import pytest

from machinable import Experiment, execute, get
from machinable.engines.dask import Dask
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.types import Status
from tests.engines.dask.conftest import processes_that_serve, until

pytestmark = pytest.mark.xdist_group("dask")

WORK = """
    import os, time
    from machinable import Component

    class Work(Component):
        Config = {"how": "", "n": 0}

        def __call__(self):
            with open("ran", "a") as file:
                file.write(f"{self.id} {os.getpid()} {os.getppid()}\\n")
            getattr(self, self.config.how or "work")()
            self.save_file("result.json", {"n": self.config.n, "file": __file__, "directory": os.getcwd()})

        def work(self): pass
        def sleep(self):
            while not os.path.exists("go"):
                time.sleep(0.02)
"""

START = """
    import sys
    from machinable import Experiment, execute, get
    engine = get(f"dask:{sys.argv[1]}", {"retries": int(sys.argv[2]), "resources_timeout_seconds": 1.0})
    resources = {"dask": {"resources": {sys.argv[3]: 1}}} if len(sys.argv) > 3 else None
    plan = Experiment().component("work", {"how": "sleep"}, resources=resources)
    execution = execute(plan, "results", engine, seed=42, raise_on_failure=False)
    print(execution.components[0].status)
"""


def run(plan, engine, **arguments):
    return execute(plan, "results", engine, raise_on_failure=False, **arguments)


def test_components_are_tasks_of_a_scheduler_that_runs(cluster, workspace):
    workspace.write("work.py", WORK)
    execution = run(Experiment().component("work", [{"n": n} for n in range(20)]), f"dask:{cluster.address}")
    assert execution.is_finished()
    assert execution.components[3].load_file("result.json") == {
        "n": 3,
        "file": str(workspace.root / "work.py"),
        "directory": str(workspace.root),
    }
    until(lambda: not processes_that_serve(), "all processes of the run have ended")


def test_a_scheduler_file_names_the_scheduler(cluster, workspace):
    workspace.write("work.py", WORK)
    assert run(Experiment().component("work"), f"dask:{cluster.file}").is_finished()


@pytest.mark.parametrize("as_client", [True, False])
def test_any_cluster_object_can_be_passed_and_is_left_as_it_is(workspace, as_client):
    from distributed import Client, LocalCluster

    workspace.write("work.py", WORK)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        engine = Dask(cluster=client if as_client else cluster)
        assert run(Experiment().component("work", [{"n": 1}, {"n": 2}]), engine).is_finished()
        assert client.submit(lambda: 5).result() == 5
        with pytest.raises(ConfigurationError, match="wait=False needs a scheduler that outlives"):
            execute("work", "results", Dask(cluster=client), wait=False)


@pytest.mark.parametrize("retries", [0, 1])
def test_the_component_of_a_worker_that_dies_runs_again_only_if_retries_asks(cluster, workspace, retries):
    workspace.write("work.py", WORK)
    process = workspace.popen(START, cluster.address, str(retries))
    ran = workspace.root / "ran"
    until(ran.exists, "the component runs")
    until(lambda: ran.read_text().endswith("\n"), "it has said so")
    worker = int(ran.read_text().split()[2])
    os.kill(worker, signal.SIGKILL)
    if retries:
        until(lambda: len(ran.read_text().splitlines()) == 2, "it runs again")
        (workspace.root / "go").touch()
    output, errors = process.communicate(timeout=30)
    cluster.add()
    assert len(ran.read_text().splitlines()) == 1 + retries, errors
    assert output.splitlines()[-1] in (["finished"] if retries else ["interrupted", "lost"]), errors
    assert "its worker died" in errors


def test_what_only_a_dead_worker_could_run_is_told_after_a_bounded_wait(cluster, workspace):
    workspace.write("work.py", WORK)
    worker = cluster.add(resources="doomed=1")
    process = workspace.popen(START, cluster.address, "1", "doomed")
    until((workspace.root / "ran").exists, "the component runs")
    worker.kill()
    output, errors = process.communicate(timeout=30)
    assert output.splitlines()[-1] in ("interrupted", "lost"), errors
    assert "no worker of the Dask cluster has" in errors


def test_resources_that_no_worker_has_are_told_and_the_others_run(cluster, workspace):
    workspace.write("work.py", WORK)
    plan = Experiment().component("work", {"n": 1}, resources={"gpus": 2}).component("work", {"n": 2})
    engine = get("dask", {"address": cluster.address, "resources_timeout_seconds": 0.3})
    execution = run(plan, engine)
    assert [component.status for component in execution.components] == [Status.PENDING, Status.FINISHED]


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"cpus": 64}, "CPU=64 .at most CPU=2"),
        ({"gpus": 1}, "GPU=1"),
        ({"nodes": 3}, "on one worker, not on 3"),
    ],
)
def test_the_local_cluster_refuses_what_it_can_never_run(workspace, resources, text):
    workspace.write("work.py", WORK)
    with pytest.raises(ConfigurationError, match=text):
        run(Experiment().component("work", resources=resources), get("dask", {"processes": 2}))


def test_a_component_that_takes_too_long_is_interrupted(workspace):
    workspace.write("work.py", WORK)
    with pytest.raises(ExecutionFailed, match=r"it ran longer than 0\.2 s"):
        execute(get("work", {"how": "sleep"}), "results", get("dask", {"timeout_seconds": 0.2}))


def test_where_no_scheduler_answers_it_says_so(workspace, monkeypatch):
    workspace.write("work.py", WORK)
    engine = get("dask:tcp://127.0.0.1:9", {"cluster": {"timeout": 0.5}})
    with pytest.raises(ConfigurationError, match=r"dask:tcp://127\.0\.0\.1:9"):
        run(Experiment().component("work"), engine)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ({"options": {"retries": 3}}, "only by `retries`"),
        ({"retries": -1}, "at least 0"),
        ({"processes": 0}, "above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(version, text):
    with pytest.raises(ConfigurationError, match=text):
        get("dask", version)


def test_without_dask_it_names_the_extra(workspace):
    workspace.write("work.py", WORK)
    outcome = workspace.python(
        """
        import sys
        sys.modules["distributed"] = None
        from machinable import execute
        from machinable.errors import DependencyMissing
        try:
            execute("work", "results", "dask")
        except DependencyMissing as error:
            print(error)
        """
    )
    assert "pip install 'machinable[dask]'" in outcome.stdout
