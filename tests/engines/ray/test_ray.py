"""`ray`: components as tasks of a Ray cluster, and what becomes of them where nodes, workers or the user end them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from machinable import Experiment, execute, get
from machinable.errors import ConfigurationError, DependencyMissing
from machinable.types import Status
from tests.engines.hidden import left_on_nodes
from tests.engines.ray.conftest import THIRD

pytestmark = pytest.mark.xdist_group("ray")

WORK = """
    import os, signal, sys, time
    from machinable import Component

    class Work(Component):
        Config = {"how": "", "n": 0}

        def __call__(self):
            print("it runs", self.config.n)
            getattr(self, self.config.how or "work")()
            self.save_file("result.json", {"n": self.config.n, "file": __file__, "directory": os.getcwd()})

        def work(self): pass
        def leave(self): os._exit(3)
        def leave_once(self):
            if len(self.executions) == 1:
                os._exit(3)
        def fail(self): raise KeyError("no such thing")
        def sleep(self): time.sleep(60)
        def nap(self): time.sleep(2)
"""


def run(plan, version=None, **arguments):
    return execute(
        plan, engine=get("ray", version or {}), raise_on_failure=False, **{"storage": "results", **arguments}
    )


def test_components_are_tasks_of_the_cluster_that_this_process_is_connected_to(cluster, workspace):
    workspace.write("work.py", WORK)
    execution = run(Experiment().component("work", [{"n": n} for n in range(20)]))
    assert execution.is_finished()
    pids = {component.executions[0]["owner"]["pid"] for component in execution.components}
    assert os.getpid() not in pids and len(pids) < 20
    result = execution.components[3].load_file("result.json")
    assert result == {"n": 3, "file": str(workspace.root / "work.py"), "directory": str(workspace.root)}
    assert [component.executions[0]["engine"] for component in execution.components] == ["ray"] * 20


def test_a_worker_that_dies_fails_its_component_alone_and_nothing_is_tried_again_unasked(cluster, workspace):
    workspace.write("work.py", WORK)
    plan = Experiment().component("work", [{"n": 1}, {"how": "leave"}, {"how": "fail"}, {"n": 2}])
    execution = run(plan)
    states = [component.status for component in execution.components]
    assert states == [Status.FINISHED, Status.LOST, Status.FAILED, Status.FINISHED]
    assert "its worker died" in execution.components[1].status_evidence
    assert [len(component.executions) for component in execution.components] == [1] * 4
    assert execution.components[1].output() == "it runs 0\n"


def test_with_retries_a_component_whose_worker_died_is_started_again(cluster, workspace, capfd):
    workspace.write("work.py", WORK)
    execution = run(Experiment().component("work", {"how": "leave_once"}), {"retries": 2})
    assert execution.is_finished() and len(execution.components[0].executions) == 2
    assert "its worker died; started again (1)" in capfd.readouterr().err


def test_a_component_that_takes_too_long_is_interrupted(cluster, workspace):
    workspace.write("work.py", WORK)
    plan = Experiment().component("work", {"how": "sleep"}, resources={"time_minutes": 0.005})
    execution = run(plan)
    [component] = execution.components
    assert component.status is Status.INTERRUPTED
    assert "ran longer than 0.3 s" in component.status_evidence


def test_resources_that_no_node_has_are_told_after_a_bounded_wait(cluster, workspace, capfd):
    workspace.write("work.py", WORK)
    plan = (
        Experiment()
        .component("work", {"n": 1}, resources={"gpus": 3})
        .component("work", {"n": 2}, resources={"ray": {"resources": {"no such thing": 1}}})
        .component("work", {"n": 3})
    )
    execution = run(plan, {"resources_timeout_seconds": 0.5})
    assert [component.status for component in execution.components] == ["pending", "pending", "finished"]
    errors = capfd.readouterr().err
    assert "no node of the Ray cluster has 1 CPU, 3 GPUs (at most 2 CPUs, 0 GPUs)" in errors
    assert "waited 0.5 s (resources_timeout_seconds)" in errors


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"cpu": 2}, "ray has no option 'cpu'. Did you mean 'cpus'?"),
        ({"nodes": 2}, "a task of Ray runs on one node, not on 2"),
        ({"gpus": -1}, "gpus is -1"),
    ],
)
def test_resources_that_make_no_sense_are_refused_before_anything_is_written(
    cluster, workspace, resources, text
):
    workspace.write("work.py", WORK)
    with pytest.raises(ConfigurationError, match=text.replace("?", r"\?").replace(".", r"\.")):
        run(Experiment().component("work", resources=resources))
    assert not os.path.exists("results") or os.listdir("results") in ([], [".machinable"])


@pytest.mark.parametrize(
    ("engine", "text"),
    [("ray:here", "'here' is no address"), ("ray:host:", "no address"), ("ray:ray://", "no address")],
)
def test_addresses_that_are_none_are_refused(engine, text):
    with pytest.raises(ConfigurationError, match=text):
        get(engine)


@pytest.mark.parametrize("option", ["max_retries", "retry_exceptions"])
def test_ray_itself_never_retries(option):
    with pytest.raises(ConfigurationError, match="only by `retries`"):
        get("ray", {"options": {option: 3}})


def test_where_nobody_answers_it_says_so_at_once(workspace):
    workspace.write("work.py", WORK)
    outcome = workspace.python(
        "from machinable import execute; execute('work', 'results', 'ray:127.0.0.2:9')", check=False
    )
    assert "ray:127.0.0.2:9: nobody answers" in outcome.stderr
    assert not (workspace.root / "results" / ".machinable" / "runs").exists()


def test_without_ray_it_names_the_extra(workspace):
    workspace.write("work.py", WORK)
    outcome = workspace.python(
        """
        import sys
        sys.modules["ray"] = None
        from machinable import execute
        from machinable.errors import DependencyMissing
        try:
            execute("work", "results", "ray")
        except DependencyMissing as error:
            print(error)
        """
    )
    assert "pip install 'machinable[ray]'" in outcome.stdout
    assert issubclass(DependencyMissing, Exception)


def test_ctrl_c_interrupts_what_sleeps_and_leaves_what_waits(cluster, workspace):
    workspace.write("work.py", WORK)
    process = workspace.popen(
        """
        import sys
        from machinable import Experiment, execute
        plan = Experiment().component("work", [{"n": n, "how": "sleep"} for n in range(4)])
        execute(plan, "results", f"ray:{sys.argv[1]}", seed=42)
        """,
        cluster.address,
        start_new_session=True,
    )
    with_state(workspace, "running", 2)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), errors
    states = sorted(states_in(workspace))
    assert states[:2] == ["interrupted"] * 2 and len(states) == 2, errors
    assert "2 interrupted" in errors and "2 not started" in errors, errors


def test_a_node_that_dies_fails_its_components_alone_and_what_needs_it_does_not_wait_for_ever(
    cluster, workspace
):
    workspace.write("work.py", WORK)
    node = cluster.add(resources='{"doomed": 1}', host=THIRD)
    there = {"ray": {"resources": {"doomed": 1}}}
    process = workspace.popen(
        """
        import sys
        from machinable import Experiment, execute, get
        there = {"ray": {"resources": {"doomed": 1}}}
        plan = (
            Experiment()
            .component("work", {"how": "sleep"}, resources=there)
            .component("work", {"n": 2}, resources=there)
            .component("work", {"n": 3, "how": "nap"})
        )
        engine = get(f"ray:{sys.argv[1]}", {"resources_timeout_seconds": 1.0})
        execution = execute(plan, "results", engine, seed=42, raise_on_failure=False)
        print([str(component.status) for component in execution.components])
        """,
        cluster.address,
    )
    with_state(workspace, "running", 2)
    cluster.kill(node)
    output, errors = process.communicate(timeout=60)
    assert output.splitlines()[-1] == "['lost', 'pending', 'finished']", errors
    assert "its node died" in errors and "resources_timeout_seconds" in errors
    assert there


def test_code_that_was_edited_since_does_not_run_and_what_the_snapshot_leaves_out_is_there(
    cluster, workspace
):
    workspace.write(".gitignore", "data/\n")
    workspace.write("data/numbers.txt", "1 2 3")
    source = """
        from pathlib import Path
        from machinable import Component

        class Reads(Component):
            Config = {"n": 0}

            def __call__(self):
                numbers = (Path(__file__).parent / "data" / "numbers.txt").read_text()
                self.save_file("read.json", [VERSION, numbers])
    """
    workspace.write("reads.py", source.replace("VERSION", "'first'"))
    execute(Experiment().component("reads"), "results", "native", seed=42)
    workspace.write("reads.py", source.replace("VERSION", "'edited'"))
    execution = run(Experiment().component("reads", {"n": 1}))
    assert execution.components[0].load_file("read.json") == ["first", "1 2 3"]
    assert left_on_nodes(cluster.temporary) == []


def test_what_a_component_prints_is_shown_while_it_runs(cluster, workspace):
    workspace.write("work.py", WORK)
    process = workspace.popen(
        """
        import sys
        from machinable import Experiment, execute, get
        plan = Experiment().component("work", {"how": "sleep"})
        execute(plan, "results", get(f"ray:{sys.argv[1]}"), seed=42)
        """,
        cluster.address,
    )
    for line in process.stdout:
        if "it runs 0" in line:
            break
    else:
        raise AssertionError(process.stderr.read())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_it_goes_on_without_the_process_that_asked_for_it(cluster, workspace):
    workspace.write("work.py", WORK)
    plan = Experiment().component("work", [{"n": 1}, {"n": 2}])
    execution = execute(plan, "results", "ray", seed=42, wait=False).wait()
    assert execution.is_finished()
    nodes = {component.executions[0]["engine"] for component in execution.components}
    assert nodes == {"ray"}


def states_in(workspace) -> list[str]:
    found = []
    for path in (workspace.root / "results" / "00000g").glob("[!.]*"):
        found.append(str(get.from_directory(path).status))
    return found


def with_state(workspace, state: str, number: int) -> None:
    end = time.monotonic() + 60
    while states_in(workspace).count(state) < number:
        assert time.monotonic() < end, states_in(workspace)
        time.sleep(0.05)
