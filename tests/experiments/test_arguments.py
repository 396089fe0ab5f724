"""What `execute` takes, what it runs when it is called again, and how it tells of failures."""

from __future__ import annotations

import os

import pytest

from machinable import Experiment, execute, get, grid
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.execution.execution import Execution
from tests.experiments.conftest import attempts

_PLAN = "plan = Experiment().component('trace', grid(n=[0, 1, 2, 3]))\n"


def _states(execution: Execution) -> list[str]:
    return [str(component.status) for component in execution.components]


def test_a_plan_a_module_a_component_and_a_list_of_them_can_be_executed(lab):
    assert len(execute(Experiment().component("trace").repeat(2), lab.storage).components) == 2
    [component] = execute("trace", lab.storage, seed=7).components
    assert component.directory == str(lab.storage / "000007" / component.id)
    [asked] = execute(get("trace", {"n": 1}), seed=7).components
    assert asked.directory == str(lab.root / "storage" / asked.id)
    many = execute(
        ["trace", get("trace", {"n": 2}), Experiment().component("trace", {"n": 3})], lab.storage, seed=8
    )
    assert [component.config.n for component in many.components] == [0, 3, 2]
    assert many.is_finished()


def test_the_engine_is_a_name_or_an_execution(lab):
    assert execute("trace", lab.storage, "native:2").components[0].executions[0]["engine"] == "native:2"
    assert execute("trace", lab.storage, get("native", {"processes": 1})).is_finished()
    with get("native:2"):
        assert execute("trace", lab.storage).components[0].executions[0]["engine"] == "native:2"


def test_the_execution_in_force_runs_what_execute_is_given(lab):
    with get("native") as execution:
        assert execute("trace", lab.storage) is execution


def test_leaving_the_block_runs_only_what_was_not_executed_inside(lab, capfd):
    (lab.root / "fail-0").touch()
    with get("native") as execution:
        execute("trace", lab.storage, raise_on_failure=False)
        assert len(lab.runs()) == 1
    assert len(lab.runs()) == 1 and capfd.readouterr().err.count("1 new") == 1
    assert execution.is_failed()
    with get("native"):
        execute("trace", lab.storage, raise_on_failure=False)
        get("trace", {"n": 1}).launch()
        assert len(lab.runs()) == 2
        (lab.root / "fail-0").unlink()
    assert len(lab.runs()) == 4


def test_called_again_it_runs_only_what_is_new(lab):
    first = lab.script(_PLAN + "execute(plan, 'results', seed=42)")
    assert "4 new" in first.stderr
    again = lab.script(_PLAN + "execute(plan, 'results', seed=42)")
    assert "4 reused: nothing is left to run" in again.stderr
    more = lab.script(
        _PLAN + "execute(plan + Experiment().component('trace', grid(n=[8, 9])), 'results', seed=42)"
    )
    assert "4 reused · 2 new" in more.stderr
    assert len(lab.runs()) == len(set(lab.runs())) == 6
    assert (
        len(list((lab.storage / "00000g/.machinable/runs").iterdir())) == 2
    )  # a run that had nothing to do is none


def test_failed_interrupted_and_lost_components_are_resumed(lab):
    lab.write(
        "trouble.py",
        """
        import os
        import signal
        from machinable import Component

        class Trouble(Component):
            Config = {"how": "fine"}

            def __call__(self):
                if not os.path.exists("repaired"):
                    if self.config.how == "fail":
                        raise ValueError("as asked")
                    if self.config.how != "fine":
                        os.kill(os.getpid(), getattr(signal, self.config.how))
                        signal.pause()
        """,
    )
    plan = "plan = Experiment().component('trouble', grid(how=['fine', 'fail', 'SIGTERM', 'SIGKILL']))\n"
    call = (
        "e = execute(plan, 'results', 'native:2', seed=42, raise_on_failure=False)\n"
        "print([str(c.status) for c in e.components])"
    )
    first = lab.script(plan + call)
    assert first.stdout.splitlines()[1] == "['finished', 'failed', 'interrupted', 'lost']"
    (lab.root / "repaired").touch()
    again = lab.script(plan.replace("'fine', ", "'fine', 'new', ") + call)
    assert "1 reused · 3 resumed · 1 new" in again.stderr
    assert again.stdout.splitlines()[1] == "['finished', 'finished', 'finished', 'finished', 'finished']"
    ends = {
        tuple(lines[-1]["kind"] for lines in attempts(path))
        for path in (lab.storage / "00000g").glob("[!.]*")
    }
    assert ends == {
        ("finished",),
        ("failed", "finished"),
        ("interrupted", "finished"),
        ("started", "finished"),
    }


def test_a_failure_is_raised_at_the_end_with_the_list_of_all(lab):
    (lab.root / "fail-1").touch()
    (lab.root / "fail-3").touch()
    plan = Experiment().component("trace", grid(n=[0, 1, 2, 3]))
    with pytest.raises(ExecutionFailed, match="2 of 4 components failed") as caught:
        execute(plan, lab.storage, seed=42)
    assert [(name, reason) for name, _, reason in caught.value.failures] == [
        ("trace", "ValueError: asked to fail at 1"),
        ("trace", "ValueError: asked to fail at 3"),
    ]
    assert isinstance(caught.value.__cause__, ValueError)
    execution = execute(plan, lab.storage, seed=42, raise_on_failure=False)
    assert _states(execution) == ["finished", "failed", "finished", "failed"]
    assert execution.is_failed() and not execution.is_finished()


def test_too_many_failures_stop_the_run(lab):
    for n in (0, 2):
        (lab.root / f"fail-{n}").touch()
    plan = Experiment().component("trace", grid(n=[0, 1, 2, 3, 4]))
    execution = execute(plan, lab.storage, seed=42, raise_on_failure=False, max_failures=2)
    assert _states(execution) == ["failed", "finished", "failed", "pending", "pending"]
    with pytest.raises(ExecutionFailed, match="not started: the run was stopped after too many failures"):
        execute(plan, lab.storage, seed=43, max_failures=1)


@pytest.mark.parametrize("engine", ["native", "native:2", "multiprocess"])
def test_an_uncaught_failure_ends_a_script_with_exit_code_1_and_the_users_error(lab, engine):
    (lab.root / "fail-2").touch()
    result = lab.script(_PLAN + f"execute(plan, 'results', {engine!r}, seed=42)", check=False)
    assert result.returncode == 1
    assert "asked to fail at 2" in result.stderr and "3 finished, 1 failed" in result.stderr
    assert "seed='00000g'" in result.stderr
    (lab.root / "fail-2").unlink()
    assert (
        "3 reused · 1 resumed" in lab.script(_PLAN + f"execute(plan, 'results', {engine!r}, seed=42)").stderr
    )


def test_storage_is_where_the_context_says_unless_one_is_given(lab):
    [component] = execute("trace", seed=1).components
    assert component.directory == str(lab.root / "storage/000001" / component.id)
    result = lab.script("with Storage('elsewhere'):\n    execute('trace', seed=2)")
    assert (lab.root / "elsewhere/000002").is_dir() and "memory" not in result.stderr
    result = lab.script("execute('trace', seed=3)", MACHINABLE_STORAGE="variable")
    assert (lab.root / "variable/000003").is_dir() and "memory" not in result.stderr
    lab.write("pyproject.toml", "[tool.machinable]\nstorage = 'setting'\n")
    result = lab.script("execute('trace', seed=4)")
    assert (lab.root / "setting/000004").is_dir() and "memory" not in result.stderr


def test_a_project_elsewhere_can_be_executed(lab, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text("[tool.machinable]\n")
    (other / "away.py").write_text(
        "from machinable import Component\n\nclass Away(Component):\n"
        "    def __call__(self):\n        self.save_file('where.json', __file__)\n"
    )
    for engine in ("native", "native:2"):
        [component] = execute("away", lab.storage / engine, engine, project=other).components
        assert component.load_file("where.json") == str(other / "away.py")


def test_the_seed_of_an_engine_given_stands(lab):
    assert execute("trace", lab.storage, Execution(seed=42)).id == "00000g"
    assert execute("trace", lab.storage, Execution(seed=42), seed="00000g").id == "00000g"
    with pytest.raises(ConfigurationError, match="has the seed 42"):
        execute("trace", lab.storage, Execution(seed=42), seed=43)


def test_an_execution_object_can_be_executed_with_again(lab):
    engine = get("native:2")
    first = execute("trace", lab.storage, engine)
    second = execute(Experiment().component("trace", {"n": 1}), lab.storage, engine)
    assert first is second and len(second.components) == 2 and second.is_finished()
    assert len(lab.runs()) == 2


def test_scope_is_part_of_what_is_planned(lab):
    from machinable import Scope

    plain = execute("trace", lab.storage, seed=1).components[0]
    with Scope({"study": "a"}):
        inside = execute("trace", lab.storage, seed=1).components[0]
    assert plain.id != inside.id and os.path.dirname(plain.directory) == os.path.dirname(inside.directory)
