"""Components start as soon as their inputs are finished; engines of users are given waves all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from machinable import Execution, Experiment, execute, get
from machinable.engines.native import Native
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.execution.resources import VOCABULARY, parse_resources
from tests.conftest import Workspace

STEPS = """
    import os, time
    from machinable import Component

    def wait_for(path):
        end = time.monotonic() + 30
        while not os.path.exists(path):
            if time.monotonic() > end:
                raise TimeoutError(path)
            time.sleep(0.01)

    class Step(Component):
        Config = {"name": "", "waits_for": "", "fails": False}
        def __call__(self):
            if self.config.waits_for:
                wait_for(self.config.waits_for)
            if self.config.fails:
                raise ValueError("as asked")
            open(self.config.name, "w").close()
            self.save_file("name.json", self.config.name)

    class User(Step):
        uses = {"step": "steps:Step"}

    class Lucky(Component):
        Config = {"how": "kill", "times": 1}
        def __call__(self):
            tries = len([name for name in os.listdir() if name.startswith("try-")])
            open(f"try-{tries}", "w").close()
            if tries < self.config.times:
                if self.config.how == "kill":
                    os.kill(os.getpid(), 9)
                if self.config.how == "memory":
                    raise MemoryError
                raise ValueError("not yet")
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("steps.py", STEPS)
    return workspace


def user(name: str, step: Any, **config: Any) -> Any:
    return get("steps:User", {"name": name, **config}, uses={"step": step})


def step(name: str, **config: Any) -> Any:
    return get("steps:Step", {"name": name, **config})


def names(execution: Execution) -> list[Any]:
    return [component.load_file("name.json", None) for component in execution.components]


@pytest.mark.parametrize("engine", ["native:2", "multiprocess"])
def test_a_user_starts_before_what_it_does_not_need_has_ended(project: Workspace, engine: str) -> None:
    # Under waves, `slow` waits for what the wave after its own does.
    slow = step("slow", waits_for="quick-user")
    components = [slow, user("quick-user", step("quick"))]
    options = {"processes": 2} if engine == "multiprocess" else {}
    with get(engine, options) as execution:
        execution.add(*components)
    assert names(execution) == ["slow", "quick-user"]


def test_chains_of_users_finish_in_order(project: Workspace) -> None:
    chain = [step("0")]
    for number in range(1, 6):
        chain.append(user(str(number), chain[-1], waits_for=str(number - 1)))
    with get("native:2") as execution:
        execution.add(chain[-1], *chain)
    assert execution.is_finished()


def test_users_of_a_failure_are_blocked_at_any_distance_and_others_run(project: Workspace) -> None:
    bad = step("bad", fails=True)
    far = user("far", user("near", bad))
    execution = get("native:2")
    execution.add(far, user("good-user", step("good")))
    with pytest.raises(ExecutionFailed) as failure:
        execution.dispatch()
    reasons = {
        component.config.name: reason for component, _, reason in _told(failure.value, execution, bad, far)
    }
    assert reasons["bad"].startswith("ValueError")
    assert reasons["near"] == reasons["far"] == "blocked: its input 'step' failed"
    assert names(execution) == [None, "good-user"]


def _told(error: ExecutionFailed, execution: Any, bad: Any, far: Any) -> list[Any]:
    known = {each.id: each for each in (*execution.components, bad, far, *far.uses.values())}
    return [(known[id_], name, reason) for name, id_, reason in error.failures]


def test_a_run_that_is_stopped_starts_nothing_more(project: Workspace) -> None:
    bad = step("bad", fails=True)
    plan = [bad, *(step(f"s{number}", waits_for="never") for number in range(3))]
    with pytest.raises(ExecutionFailed) as failure:
        execute(plan, storage=project.storage, engine=get("native:1"), max_failures=1)
    reasons = [reason for _, _, reason in failure.value.failures]
    assert reasons[1:] == ["not started: the run was stopped after too many failures"] * 3


def test_a_subclass_with_a_call_of_its_own_gets_waves(project: Workspace) -> None:
    seen = []

    class Own(Native):
        def __call__(self) -> None:
            seen.append([component.config.name for component in self.pending_executables])
            super().__call__()

    with Own({"processes": 2}) as execution:
        execution.add(user("after", step("before")), step("other"))
    assert execution.is_finished()
    assert [sorted(wave) for wave in seen] == [["before", "other"], ["after"]]


def test_an_engine_of_ones_own_can_schedule_inputs(project: Workspace) -> None:
    calls = []

    class Own(Execution):
        schedules_inputs = True

        def __call__(self) -> None:
            schedule = self.schedule
            assert schedule is not None
            while not schedule.is_done:
                for component in schedule.take():
                    calls.append(component.config.name)
                    component.dispatch()
                    assert schedule.settle(component) is None

    with Own() as execution:
        execution.add(user("after", step("before")))
    assert calls == ["before", "after"]
    assert execution.is_finished()


def test_what_such_an_engine_leaves_behind_is_told(project: Workspace) -> None:
    class Lazy(Execution):
        schedules_inputs = True

        def __call__(self) -> None:
            assert self.schedule is not None
            self.schedule.take()

    class Broken(Execution):
        schedules_inputs = True

        def __call__(self) -> None:
            raise OSError("no cluster")

    for engine, told in (
        (Lazy, "without having called its dispatch"),
        (Broken, "raised OSError: no cluster"),
    ):
        with pytest.raises(ExecutionFailed) as failure:
            engine().add(user("after", step("before"))).dispatch()
        reasons = [reason for _, _, reason in failure.value.failures]
        assert told in reasons[0]
        assert reasons[1] == "blocked: its input 'step' failed"


def test_what_another_launcher_runs_is_awaited_while_others_run(project: Workspace) -> None:
    other = project.popen(
        "from machinable import get; get('steps:Step', {'name': 'shared', 'waits_for': 'late'}).launch()"
    )
    try:
        shared = step("shared", waits_for="late")
        while not (project.storage / shared.id / ".machinable").is_dir():
            assert other.poll() is None
        # With one process, `late` comes after the component that the other launcher runs, which waits for it.
        with get("native:1") as execution:
            execution.add(user("user", shared), shared, step("late"))
        assert execution.is_finished()
        assert shared.reused
    finally:
        other.wait(timeout=30)


# --- retries


class Asking(Native):
    def on_retry(self, attempt: int, reason: Any) -> Any:
        asked.append((attempt, str(reason), reason.text, reason.resources, reason.component.module))
        return answer[0]


asked: list[Any] = []
answer: list[Any] = [None]


@pytest.mark.parametrize(
    ("how", "gives", "finishes"),
    [
        ("kill", None, True),
        ("kill", False, False),
        ("raise", None, False),
        ("raise", True, True),
        ("memory", None, False),
        ("memory", {"memory_gib": 4}, True),
    ],
)
def test_on_retry_decides(project: Workspace, how: str, gives: Any, finishes: bool) -> None:
    asked.clear()
    answer[:] = [gives]
    component = get("steps:Lucky", {"how": how})
    execution = Asking({"processes": 1, "retries": 1}, resources={"memory_gib": 2})
    execution.add(component)
    if finishes:
        execution.dispatch()
    else:
        with pytest.raises(ExecutionFailed):
            execution.dispatch()
    kinds = {"kill": "crash", "raise": "exception", "memory": "out_of_memory"}
    ((attempt, kind, _, resources, module),) = asked
    assert (attempt, kind, resources, module) == (1, kinds[how], {"memory_gib": 2}, "steps:Lucky")
    assert execution.resources_for(component) == {"memory_gib": 4 if isinstance(gives, dict) else 2}


# --- resources


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"cpu": 2}, "Did you mean 'cpus'?"),
        ({"cpus": 0}, "cpus is 0, but a whole number of at least 1 is needed"),
        ({"cpus": 1.5}, "cpus is 1.5"),
        ({"nodes": True}, "nodes is True"),
        ({"memory_gib": "4G"}, "memory_gib is '4G', but a number above 0 is needed"),
        ({"time_minutes": -1}, "time_minutes is -1"),
        ({"gpus": float("nan")}, "gpus is nan"),
        ({"partitoin": "x"}, "Did you mean 'partition'?"),
        ({"engine": {"cpu": 1}}, "engine has no option 'cpu'. Did you mean 'cpus'?"),
        ({"engine": 3}, "a dict with options of engine is needed"),
        ({"slrum": {}}, "Did you mean 'slurm'?"),
    ],
    ids=str,
)
def test_resources_of_no_use_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_resources(given, "engine", {"partition"})
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_resources_are_read_with_the_engine_s_own_section_on_top() -> None:
    found = parse_resources(
        {"cpus": 2, "partition": "a", "gpus": None, "engine": {"cpus": 4, "partition": "b"}, "ray": {"x": 1}},
        "engine",
        {"partition"},
    )
    assert (found.cpus, found.gpus, found.native) == (4, None, {"partition": "b"})
    assert json.loads(json.dumps({name: getattr(found, name) for name in VOCABULARY}))["cpus"] == 4


def test_a_slip_in_the_resources_is_told_before_anything_is_written(project: Workspace) -> None:
    plan = Experiment().component("steps:Step", {"name": "x"}, resources={"memory_gb": 3})
    with pytest.raises(ConfigurationError, match="Did you mean 'memory_gib'"):
        execute(plan, storage=project.storage, engine="native:1")
    assert not project.storage.exists()
    given = {"partition": "gpu", "slurm": {"qos": "long"}, "cpus": 1}
    plan = Experiment().component("steps:Step", {"name": "x"}, resources=given)
    assert execute(plan, storage=project.storage, engine="native:1").is_finished()


def test_sections_are_merged_option_by_option() -> None:
    execution = Execution(resources={"cpus": 1, "slurm": {"qos": "long", "partition": "a"}})
    component = get("machinable:Component")
    execution.plan_resources(component, {"slurm": {"partition": "b"}})
    assert execution.resources_for(component) == {"cpus": 1, "slurm": {"qos": "long", "partition": "b"}}
