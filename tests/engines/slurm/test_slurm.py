"""`slurm` on a real Slurm: arrays, dependencies, time limits, preemption, retries, and coming back later."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import Experiment, execute, get, grid
from machinable.engines import slurm_queue
from machinable.engines.slurm import Slurm
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.execution.submissions import submissions
from machinable.types import Status
from tests.conftest import Workspace
from tests.engines.slurm.conftest import needs_slurm

pytestmark = [needs_slurm, pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("slurm")]

SMALL = {"memory_gib": 0.05, "poll_seconds": 0.3}

MODULE = """
    import os, signal, time
    from machinable import Component

    VERSION = 1

    def wait_for(path):
        end = time.monotonic() + 90
        while path and not os.path.exists(path):
            if time.monotonic() > end:
                raise TimeoutError(path)
            time.sleep(0.01)

    class Data(Component):
        Config = {"n": 0, "until": "", "fails": False}
        def __call__(self):
            open(f"began-{self.config.n}", "w").close()
            wait_for(self.config.until)
            if self.config.fails:
                raise ValueError("as asked")
            self.save_file("seen.json", {"version": VERSION, "file": __file__, "job": os.environ["SLURM_JOB_ID"],
                                         "cpus": os.environ.get("SLURM_CPUS_PER_TASK"), "cwd": os.getcwd()})

    class Train(Component):
        Config = {"lr": 0.1}
        uses = {"data": "work:Data"}
        def __call__(self):
            self.save_file("of.json", self.uses["data"].load_file("seen.json")["job"])

    class Loop(Component):
        # A step ends now and then, so that SIGTERM is heard.
        def on_create(self):
            self.resumed = False
        def on_execute_iteration(self, i):
            open("looping", "w").close()
            time.sleep(0.02)
            if self.resumed:
                self.save_file("from.json", i)
                raise StopIteration
        def on_save(self, directory):
            open(os.path.join(directory, "at"), "w").close()
        def on_restore(self, directory):
            self.resumed = True

    class Dies(Component):
        Config = {"times": 1}
        def __call__(self):
            tries = len([name for name in os.listdir() if name.startswith("try-")])
            open(f"try-{tries}-{os.environ.get('SLURM_MEM_PER_NODE')}", "w").close()
            if tries < self.config.times:
                os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("work.py", MODULE)
    return workspace


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def slurm(**version: Any) -> Slurm:
    engine = get("slurm", {**SMALL, **version})
    assert isinstance(engine, Slurm)
    return engine


def kinds(component: Any) -> list[str]:
    return [attempt["end"]["kind"] if attempt["end"] else "" for attempt in component.executions]


def shell(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def calls_of(name: str, project: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts how often a command is called, which still does what it does."""
    real = shell("sh", "-c", f"command -v {name}").strip()
    counted = project.root / f"{name}.calls"
    folder = project.root / "counting"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\necho call >> {counted}\nexec {real} "$@"\n')
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: len(counted.read_text().splitlines()) if counted.exists() else 0


def test_jobs_run_the_snapshot_with_what_they_need(project: Workspace) -> None:
    execution = execute("work:Data", project.storage, slurm(cpus=2), wait=False)
    # Whatever becomes of the tree while the job is in the queue or starts.
    project.write("work.py", MODULE.replace("VERSION = 1", "VERSION = 2"))
    assert execution.wait().is_finished()
    seen = execution.components[0].load_file("seen.json")
    assert (seen["version"], seen["cpus"], seen["cwd"]) == (1, "2", str(project.root))
    until(lambda: not Path(seen["file"]).exists(), "the code stayed on the node")
    jobs = Path(str(execution.directory), ".machinable", "jobs")
    until(lambda: not list(jobs.glob("*.out")), "the output of a good job stayed")


def test_a_thousand_components_are_ten_submissions_and_one_look_at_the_queue(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = calls_of("sbatch", project, monkeypatch)
    asked = calls_of("squeue", project, monkeypatch)
    plan = Experiment().component("work:Data", grid(n=list(range(500))), name="data")
    plan = plan.component("work:Train", {"lr": 1.0}, uses={"data": get("work:Data", {"n": -1})})
    trials = Experiment().component("work:Data", {"n": 1000}, name="part")
    trials = trials.component("work:Train", uses={"data": "part"}).repeat(249)
    execution = execute(plan + trials, project.storage, slurm(options={"begin": "now+1hour"}), wait=False)
    assert submitted() <= 10
    before = asked()
    status = project.command("status", str(execution.id), PATH=os.environ["PATH"])
    assert "1000 queued" in status.stdout, status.stdout[-500:] + status.stderr
    assert asked() == before + 1
    documents = submissions(str(execution.directory))
    assert sum(len(ids) for each in documents for ids in each["tasks"].values()) == 1000
    cancelled = project.command("cancel", str(execution.id), "--yes")
    assert "1,000 components: taken from the queue" in cancelled.stdout, cancelled.stderr
    until(lambda: not get.by_id(str(execution.id)).is_active(), "it is still in the queue")


def test_users_wait_in_the_queue_and_those_of_a_failure_are_blocked(project: Workspace) -> None:
    plan = Experiment().component("work:Data", {"n": 1, "fails": True}, name="bad")
    plan = plan.component("work:Data", {"n": 2}, name="good")
    for number in range(6):
        plan = plan.component(
            "work:Train", {"lr": float(number)}, uses={"data": "bad" if number % 2 else "good"}
        )
    with pytest.raises(ExecutionFailed) as failure:
        execute(plan, project.storage, slurm())
    reasons = sorted(reason.partition(":")[0] for _, _, reason in failure.value.failures)
    assert reasons == ["ValueError", "blocked", "blocked", "blocked"]


def test_submit_log_out_and_come_back(project: Workspace) -> None:
    plan = "Experiment().component('work:Data', [dict(n=n, until='go') for n in (0, 1)])"
    code = f"""
        from machinable import Experiment, execute, get, grid
        print(execute({plan}, "storage", get("slurm", {SMALL!r}), seed=42, wait=False).id)
    """
    assert project.python(code).stdout.split() == ["00000g", "00000g"]
    again = get.by_id("00000g")
    assert again.is_active()
    until(lambda: Path("began-0").exists() and Path("began-1").exists(), "nothing began")
    assert "2 running" in project.command("status", "00000g").stdout
    Path("go").touch()
    attached = project.command("attach", "00000g")
    assert attached.returncode == 0, attached.stderr
    assert "2 finished" in attached.stdout
    assert again.wait().is_finished()


def test_what_is_queued_is_told_and_can_be_cancelled(project: Workspace) -> None:
    execution = execute("work:Data", project.storage, slurm(options={"begin": "now+1hour"}), wait=False)
    component = execution.components[0]
    assert execution.status(component) is Status.QUEUED
    assert execution.is_active() and not execution.is_started()
    execution.cancel()
    until(lambda: not execution.is_active(), "it is still in the queue")
    assert execution.status(component) is Status.PENDING
    assert execute(
        "work:Data", project.storage, "native", seed=execution.id, raise_on_failure=False
    ).components


def test_cancel_interrupts_a_running_job(project: Workspace) -> None:
    execution = execute(Experiment().component("work:Loop"), project.storage, slurm(), wait=False)
    until(lambda: Path("looping").exists(), "it did not begin")
    result = project.command("cancel", str(execution.id), "--yes")
    assert result.returncode == 0, result.stderr
    until(lambda: not execution.is_active(), "it goes on")
    assert kinds(execution.components[0]) == ["interrupted"]


def test_the_end_of_its_time_and_a_preemption_are_normal_events(project: Workspace) -> None:
    # The smallest limit is a minute; so that nobody waits, the signal before it is sent as Slurm does, by hand.
    timed = execute(Experiment().component("work:Loop"), project.storage, slurm(time_minutes=5), wait=False)
    until(lambda: Path("looping").exists(), "it did not begin")
    Path("looping").unlink()
    preempted = execute(Experiment().component("work:Loop"), project.storage, slurm(), wait=False)
    until(lambda: Path("looping").exists(), "it did not begin")
    until(lambda: preempted.components[0].status is Status.RUNNING, "it did not begin")
    (document,) = submissions(str(timed.directory))
    shell("scancel", "--batch", "--signal=USR1", f"{document['job']}_0")
    result = project.command("preempt", str(preempted.id))
    assert result.returncode == 0 and "preempted" in result.stdout, result.stderr
    for execution in (timed, preempted):
        assert execution.wait().is_finished()
        component = execution.components[0]
        assert kinds(component) == ["interrupted", "finished"]
        assert component.load_file("from.json") > 0


def test_a_node_that_fails_is_a_normal_event(project: Workspace) -> None:
    execution = execute(
        Experiment().component("work:Data", {"until": "go"}), project.storage, slurm(), wait=False
    )
    until(lambda: Path("began-0").exists(), "it did not begin")
    (document,) = submissions(str(execution.directory))
    node = shell("squeue", "-h", "-j", f"{document['job']}_0", "-o", "%N").strip()
    Path("began-0").unlink()
    shell("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    until(lambda: Path("began-0").exists(), "Slurm did not run it again")
    Path("go").touch()
    assert execution.wait().is_finished()
    assert kinds(execution.components[0])[-1] == "finished" and len(kinds(execution.components[0])) == 2


def test_too_many_failures_take_the_rest_from_the_queue(project: Workspace) -> None:
    plan = (
        Experiment()
        .component("work:Data", {"n": 0, "fails": True})
        .component("work:Data", {"n": 1}, resources={"slurm": {"begin": "now+1hour"}})
    )
    with pytest.raises(ExecutionFailed) as failure:
        execute(plan, project.storage, slurm(), max_failures=1)
    assert [reason.partition(":")[0] for _, _, reason in failure.value.failures] == [
        "ValueError",
        "not started",
    ]


def test_what_can_not_save_is_not_interrupted_before_its_time(project: Workspace) -> None:
    plan = Experiment().component("work:Data", {"until": "go"})
    execution = execute(plan, project.storage, slurm(time_minutes=5), wait=False)
    until(lambda: Path("began-0").exists(), "it did not begin")
    (document,) = submissions(str(execution.directory))
    shell("scancel", "--batch", "--signal=USR1", f"{document['job']}_0")
    Path("go").touch()
    assert execution.wait().is_finished()
    assert kinds(execution.components[0]) == ["finished"]


class Doubling(Slurm):
    def on_retry(self, attempt: int, reason: Any) -> Any:
        asked.append((attempt, str(reason)))
        return {"memory_gib": 2 * reason.resources["memory_gib"]}


asked: list[Any] = []


def test_retries_can_ask_for_more(project: Workspace) -> None:
    asked.clear()
    plan = Experiment().component("work:Dies", {"times": 2}, name="data")
    execution = execute(plan, project.storage, Doubling({**SMALL, "retries": 2}))
    assert execution.is_finished()
    assert [attempt for attempt, _ in asked] == [1, 2]
    assert {kind for _, kind in asked} <= {"crash", "node_failure"}
    memory = sorted(name.split("-")[2] for name in os.listdir() if name.startswith("try-"))
    assert sorted(map(int, memory)) == [52, 103, 205]


def test_without_retries_a_crash_fails_alone_and_says_how_it_ended(project: Workspace) -> None:
    plan = Experiment().component("work:Dies", {"times": 9}).component("work:Data")
    with pytest.raises(ExecutionFailed) as failure:
        execute(plan, project.storage, slurm())
    ((_, _, reason),) = failure.value.failures
    assert reason.startswith("lost: its job ") and "FAILED" in reason


def test_several_run_in_one_job(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Experiment().component("work:Data", grid(n=list(range(5))))
    execution = execute(plan, project.storage, slurm(pack=3))
    jobs = [component.load_file("seen.json")["job"] for component in execution.components]
    assert len(set(jobs)) == 2 and execution.is_finished()


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ({"cpus": 64}, "cpus is 64, but the largest node of partition main has 4."),
        ({"memory_gib": 500}, "memory_gib is 500, but the largest node of partition main has 2.0."),
        ({"nodes": 9}, "nodes is 9, but partition main has 2."),
        ({"gpus": 1}, "gpus is 1, but no node of partition main has more than 0."),
        ({"partition": "shrt"}, "there is no partition 'shrt'. Did you mean 'short'?"),
        ({"partition": "short", "time_minutes": 60}, "time_minutes is 60, but partition short allows 1."),
        ({"options": {"exclud": "n1"}}, "has no option 'exclud'. Did you mean 'exclude'?"),
        ({"pack": 0}, "pack is 0, but an integer of at least 1 is needed."),
    ],
    ids=str,
)
def test_what_can_never_run_is_refused_before_anything_is_written(
    project: Workspace, version: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        execute("work:Data", project.storage, get("slurm", version))
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not project.storage.exists()


def test_a_coordinator_that_was_killed_is_followed_by_one_that_submits_nothing_twice(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""
        from machinable import Experiment, execute, get, grid
        execute(Experiment().component("work:Data", [dict(n=n, until="go") for n in (0, 1, 2)]), "storage",
                get("slurm", {SMALL!r}), seed=42)
    """
    first = project.popen(code)
    until(lambda: Path("began-2").exists(), "nothing began")
    first.kill()
    first.communicate()
    submitted = calls_of("sbatch", project, monkeypatch)
    second = project.popen(code)
    until(lambda: len(get.by_id("00000g").runs) == 2, "the second did not begin")
    Path("go").touch()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert submitted() == 0
    assert get.by_id("00000g").is_finished()


def test_a_job_id_that_is_another_s_says_nothing(project: Workspace) -> None:
    execution = execute("work:Data", project.storage, slurm(), wait=False)
    execution.wait()
    (document,) = submissions(str(execution.directory))
    component = execution.components[0].id
    assert slurm_queue.standings([document])[component].reason == ""
    after_a_restart = {**document, "name": "machinable-of-before"}
    assert slurm_queue.standings([after_a_restart])[component].reason == "vanished"
    unknown = {**document, "job": str(int(document["job"]) + 5000)}
    assert slurm_queue.standings([unknown])[component].reason == "vanished"


def test_while_slurm_does_not_answer_nothing_is_concluded(
    project: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    plan = Experiment().component("work:Data", {"until": "go"})
    execution = execute(plan, project.storage, slurm(), wait=False)
    until(lambda: Path("began-0").exists(), "nothing began")
    broken = project.root / "broken"
    broken.mkdir()
    (broken / "squeue").write_text("#!/bin/sh\necho squeue: error: no answer >&2\nexit 1\n")
    (broken / "squeue").chmod(0o755)
    with monkeypatch.context() as without:
        without.setenv("PATH", f"{broken}:{os.environ['PATH']}")
        assert slurm_queue.standings(submissions(str(execution.directory))) == {}
    assert "the queue is not known at the moment: squeue: no answer" in capfd.readouterr().err
    Path("go").touch()
    assert execution.wait().is_finished()


def test_a_queue_that_has_forgotten_a_job_does_not_end_it(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = calls_of("sbatch", project, monkeypatch)
    looks = project.root / "looks"
    forgetful = project.root / "counting" / "squeue"
    forgetful.write_text(f"#!/bin/sh\necho look >> {looks}\n[ $(wc -l < {looks}) -lt 12 ] || touch go\n")
    forgetful.chmod(0o755)
    plan = Experiment().component("work:Data", {"until": "go"})
    execution = execute(plan, project.storage, slurm(retries=3, poll_seconds=0.5))
    assert execution.is_finished() and submitted() == 1
    assert kinds(execution.components[0]) == ["finished"]


def test_the_scripts_are_shown_and_nothing_is_submitted(project: Workspace, capsys: Any) -> None:
    shown = project.command(
        "execute", "work:Data", "n=1,2,3", "--grid", "--engine", "slurm:short", "--seed", "42", "--dry"
    )
    assert shown.returncode == 0, shown.stderr
    assert "#SBATCH --partition=short" in shown.stdout and "#SBATCH --array=0-2" in shown.stdout
    execute("work:Data", project.storage, slurm(dry=True, throttle=2))
    assert "#SBATCH --array=0%2" in capsys.readouterr().out
    assert not project.storage.exists()
    assert json.loads(project.command("engines", "--json").stdout)
    assert sys.executable in shown.stdout
