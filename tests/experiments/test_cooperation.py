"""The same script, started several times at once, shares the plan out; and many runs make one execution."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.experiments.conftest import attempts, results, unreadable

_SCRIPT = """
import os, time
open(f"ready-{{os.getpid()}}", "w").close()
while len([name for name in os.listdir() if name.startswith("ready-")]) < 3:
    time.sleep(0.01)
plan = Experiment().component("trace", {{"seconds": 0.03}}).repeat(12)
execution = execute(plan, "results", {engine!r}, seed=42)
assert execution.is_finished()
print(len([component.load_file("result.json") for component in execution.components]))
"""


@pytest.mark.parametrize("engine", ["native", "native:2"])
def test_three_callers_share_the_plan_out_and_each_ends_with_all_results(lab, engine):
    callers = [lab.start(_SCRIPT.format(engine=engine)) for _ in range(3)]
    for caller in callers:
        out, err = caller.communicate(timeout=60)
        assert caller.returncode == 0, err
        assert out.splitlines() == ["00000g", "12"]
    assert Counter(lab.runs()) == Counter(lab.results().keys())
    assert len(lab.results()) == 12
    assert {len(attempts(path)) for path in (lab.storage / "00000g").glob("[!.]*")} == {1}
    assert unreadable(lab.storage) == []
    pids = {line.split()[-1] for line in (lab.root / "ran.txt").read_text().splitlines()}
    assert len(pids) > 1


def test_a_caller_goes_on_with_other_work_while_another_runs_a_component(lab):
    slow = "plan = Experiment().component('trace', [{'n': 1, 'seconds': 6.0}, {'n': 2}, {'n': 3}])\n"
    first = lab.start(slow + "execute(plan, 'results', seed=42)")
    _until(lambda: len(lab.runs()) == 1)
    second = lab.script(
        slow + "execute(plan + Experiment().component('trace', {'n': 4}), 'results', seed=42)\n"
    )
    _, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    lines = [line.split() for line in (lab.root / "ran.txt").read_text().splitlines()]
    assert sorted(line[1] for line in lines) == ["1", "2", "3", "4"]
    assert len({line[4] for line in lines if line[1] != "1"}) == 1, "the second caller ran all the others"
    assert "4 finished" in second.stderr


def test_the_component_of_a_killed_caller_is_taken_over_by_the_one_that_waits(lab):
    plan = "plan = Experiment().component('trace', {'seconds': 60.0})\n"
    first = lab.start(plan + "execute(plan, 'results', seed=42)")
    _until(lambda: len(lab.runs()) == 1)
    second = lab.workspace.popen(
        "from machinable import Experiment, execute\n" + plan + "import time\n"
        "time.sleep = lambda seconds: None if seconds == 60.0 else time.monotonic()\n"
        "execute(plan, 'results', seed=42)\n"
    )
    first.kill()
    _, err = second.communicate(timeout=60)
    first.communicate()
    assert second.returncode == 0, err
    assert len(lab.runs()) == 2 and len(lab.results()) == 1


def test_a_failure_is_shared_with_the_caller_that_waited_for_it(lab):
    (lab.root / "fail-1").touch()
    script = "execute(Experiment().component('trace', {'n': 1, 'seconds': 6.0}), 'results', seed=42)"
    first = lab.start(script)
    _until(lambda: len(lab.runs()) == 1)
    second = lab.script(script, check=False)
    _, err = first.communicate(timeout=60)
    assert first.returncode == second.returncode == 1
    assert "asked to fail at 1" in err and "asked to fail at 1" in second.stderr
    assert len(lab.runs()) == 1


def test_three_cooperating_callers_with_unlike_plans_make_one_execution(lab):
    script = """
    import sys
    first = int(sys.argv[1])
    plan = Experiment().component("trace", grid(n=list(range(first, first + 6)), seconds=[0.02]))
    execution = execute(plan, "results", "native:2", seed=42)
    print(sorted(component.load_file("result.json")["n"] for component in execution.components))
    """
    import textwrap

    callers = [lab.start(textwrap.dedent(script), str(first)) for first in (0, 2, 4)]
    for first, caller in zip((0, 2, 4), callers, strict=True):
        out, err = caller.communicate(timeout=60)
        assert caller.returncode == 0, err
        assert out.splitlines() == ["00000g", str(list(range(first, first + 6)))]
    assert set(Counter(lab.runs()).values()) == {1} and len(lab.results()) == 10
    runs = [json.loads(path.read_text()) for path in (lab.storage / "00000g/.machinable/runs").iterdir()]
    assert len(runs) == 3 and {run["engine"]["name"] for run in runs} == {"native:2"}
    planned = {id_ for run in runs for _, id_ in run["plan"]}
    assert planned == lab.results().keys()


def test_an_extended_plan_keeps_what_is_there(lab):
    lab.script("execute(Experiment().component('trace', grid(n=[1, 2])), 'results', seed=42)")
    before = lab.results()
    result = lab.script(
        "execute(Experiment().component('trace', grid(n=[0, 1, 2, 3])).repeat(2), 'results', seed=42)"
    )
    assert "2 reused · 6 new" in result.stderr
    after = lab.results()
    assert len(after) == 8 and {key: after[key] for key in before} == before


def test_edited_code_is_told_once_and_what_is_finished_stays(lab):
    call = "execute(Experiment().component('trace').repeat(3), 'results', seed=42)"
    lab.script(call)
    lab.write("trace.py", (lab.root / "trace.py").read_text() + "\n# edited\n")
    result = lab.script(call)
    assert result.stderr.count("its code has changed since it finished") == 1
    assert "3 reused" in result.stderr and len(lab.runs()) == 3
    lab.write("pyproject.toml", '[tool.machinable]\ncode_changed = "error"\n')
    result = lab.script(call, check=False)
    assert result.returncode == 1 and "ProjectError" in result.stderr and len(lab.runs()) == 3


def test_another_plan_with_the_same_seed_shares_the_directory_and_nothing_else(lab):
    lab.write("other.py", (lab.root / "trace.py").read_text().replace("class Trace", "class Other"))
    lab.script("execute(Experiment().component('trace').repeat(2), 'results', seed=42)")
    before = lab.results()
    result = lab.script(
        "e = execute(Experiment().component('other').repeat(2), 'results', seed=42)\nprint(len(e.components))"
    )
    assert "2 new" in result.stderr and result.stdout.splitlines()[-1] == "2"
    after = lab.results()
    assert len(after) == 4 and {key: after[key] for key in before} == before
    assert len({value["seed"] for value in after.values()}) == 4
    assert unreadable(lab.storage) == []


def test_eight_launchers_of_the_same_fifty_components_in_any_order_execute_each_once(lab):
    script = """
import random, sys
numbers = list(range(50))
random.Random(int(sys.argv[1])).shuffle(numbers)
with Storage("results"):
    print(sum(get("trace", {"n": n}).launch().load_file("result.json")["n"] == n for n in numbers))
"""
    launchers = [lab.start(script, str(number)) for number in range(8)]
    for launcher in launchers:
        out, err = launcher.communicate(timeout=60)
        assert launcher.returncode == 0, err
        assert out == "50\n"
    assert len(lab.runs()) == len(set(lab.runs())) == 50


def test_what_get_has_made_does_not_stand_in_for_a_planned_component(lab):
    lab.script(
        "with Storage('results'):\n    get('trace').launch()\n    execute(Experiment().component('trace'), seed=42)"
    )
    assert len(lab.runs()) == 2 and len(results(lab.storage)) == 1 and len(lab.results()) == 1


def _until(condition) -> None:
    import time

    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
