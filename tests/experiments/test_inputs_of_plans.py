"""Inputs of planned components: which trial uses which, in what order they run, and what a failure blocks."""

from __future__ import annotations

import pytest

from machinable import Experiment, execute, get
from machinable.errors import ExecutionFailed

_DATA = """
import os
from machinable import Component

class Data(Component):
    Config = {"kind": "digits"}

    def __call__(self):
        if os.path.exists(f"no-{self.config.kind}-{self.trial.number if self.trial else 0}"):
            raise OSError("the data can not be had")
        self.save_file("data.json", [self.config.kind, self.seed])
"""

_MODEL = """
from machinable import Component

class Model(Component):
    Config = {"lr": 0.1}
    uses = {"data": "data"}

    def __call__(self):
        kind, seed = self.uses["data"].load_file("data.json")
        self.save_file("model.json", {"data": self.uses["data"].id, "seed": seed, "trial": self.trial.number})
"""

_REPORT = """
from machinable import Component

class Report(Component):
    def __call__(self):
        self.save_file("report.json", {name: used.id for name, used in self.uses.items()})
"""

_EVERY = pytest.mark.parametrize("engine", ["native", "native:2"])


@pytest.fixture
def study(lab):
    lab.write("data.py", _DATA)
    lab.write("model.py", _MODEL)
    lab.write("report.py", _REPORT)
    return lab


def _of(execution, module):
    return [component for component in execution.components if component.module == module]


@_EVERY
def test_trial_k_uses_trial_k(study, engine):
    plan = Experiment().component("model").component("data").repeat(3)
    execution = execute(plan, study.storage, engine)
    for model, data in zip(_of(execution, "model"), _of(execution, "data"), strict=True):
        assert model.load_file("model.json") == {
            "data": data.id,
            "seed": data.seed,
            "trial": data.trial.number,
        }


@_EVERY
def test_every_trial_uses_the_only_one(study, engine):
    plan = Experiment().component("model").repeat(3) + Experiment().component("data")
    execution = execute(plan, study.storage, engine)
    [data] = _of(execution, "data")
    assert {model.load_file("model.json")["data"] for model in _of(execution, "model")} == {data.id}
    assert len(data.executions) == 1


def test_an_input_is_named_by_what_the_plan_calls_it(study):
    plan = (
        Experiment()
        .component("data", {"kind": "letters"}, name="letters")
        .component("data", name="digits")
        .component("model", uses={"data": "letters"}, name="reader")
        .component("report", uses={"model": "reader", "numbers": "digits"})
    )
    execution = execute(plan, study.storage, "native:2")
    letters, digits, reader, report = execution.components
    assert reader.load_file("model.json")["data"] == letters.id
    assert report.load_file("report.json") == {"model": reader.id, "numbers": digits.id}


def test_an_input_that_is_not_planned_is_asked_for_and_launched_first(study):
    execution = execute(Experiment().component("model").repeat(2), study.storage)
    [data] = {model.uses["data"].id for model in execution.components}
    assert (study.storage / data / "data.json").exists()
    asked = get("data", {"kind": "given"})
    [model] = execute(Experiment().component("model", uses=asked), study.storage).components
    assert model.uses["data"].config.kind == "given" and asked.cached()


def test_too_few_trials_of_an_input_are_an_error(study):
    plan = Experiment().component("data").repeat(2) + Experiment().component("model").repeat(3)
    with pytest.raises(Exception, match=r"3 trials, but its input 'data'.*has 2"):
        execute(plan, study.storage)
    assert not study.storage.exists()


@_EVERY
def test_a_failed_input_blocks_its_users_and_nobody_else(study, engine):
    (study.root / "no-digits-1").touch()
    plan = Experiment().component("data").component("model").component("report", uses=["model"]).repeat(
        3
    ) + Experiment().component("data", {"kind": "other"}, name="unrelated")
    with pytest.raises(ExecutionFailed) as caught:
        execute(plan, study.storage, engine, seed=42)
    assert sorted((name, reason.partition(":")[0]) for name, _, reason in caught.value.failures) == [
        ("data", "OSError"),
        ("model", "blocked"),
        ("report", "blocked"),
    ]
    assert "blocked: its input 'data' failed" in str(caught.value)
    execution = execute(plan, study.storage, engine, seed=42, raise_on_failure=False)
    assert [str(component.status) for component in execution.components].count("finished") == 7
    (study.root / "no-digits-1").unlink()
    assert execute(plan, study.storage, engine, seed=42).is_finished()
    attempts = {
        module: [len(c.executions) for c in _of(execution, module)] for module in ("data", "model", "report")
    }
    assert attempts == {"data": [1, 3, 1, 1], "model": [1, 1, 1], "report": [1, 1, 1]}


def test_a_long_chain_of_inputs_runs_link_by_link(study):
    study.write(
        "link.py",
        _REPORT.replace("Report", "Link").replace("def __call__", "Config = {'n': 0}\n\n    def __call__"),
    )
    plan = Experiment().component("link", {"n": 0}, name="link-0")
    for n in range(1, 6):
        plan = plan.component("link", {"n": n}, name=f"link-{n}", uses={"before": f"link-{n - 1}"})
    execution = execute(plan, study.storage, "native:2")
    ids = [component.id for component in execution.components]
    assert [c.load_file("report.json").get("before") for c in execution.components] == [None, *ids[:-1]]


def test_inputs_of_a_planned_component_are_found_again_from_its_record(study):
    plan = Experiment().component("data").component("model").repeat(2)
    execution = execute(plan, study.storage, seed=42)
    model = _of(execution, "model")[1]
    again = get.from_directory(model.directory)
    assert again.uses["data"].id == model.uses["data"].id
    assert again.uses["data"].load_file("data.json") == model.uses["data"].load_file("data.json")
    assert again.trial.number == 1 and again.seed == model.seed and again.status == "finished"
    assert again.launch().reused
