"""Components of a plan are found again after their class got another field."""

from __future__ import annotations

from machinable import Experiment, execute

OLD = """
from machinable import Component

class Train(Component):
    Config = {"lr": 0.1}

    def __call__(self):
        self.save_file("seed.json", self.seed)
"""
NEW = OLD.replace('{"lr": 0.1}', '{"lr": 0.1, "momentum": 0.9}')


def test_a_field_added_at_its_default_reuses_every_trial(workspace) -> None:
    workspace.write("train.py", OLD)
    workspace.python(f"from machinable import *\nexecute({_plan()}, 'storage', seed=42)")
    workspace.write("train.py", NEW)
    execution = execute(_build({}), workspace.storage, seed=42)
    assert [component.reused for component in execution.components] == [True] * 4
    assert [c.load_file("seed.json") for c in execution.components] == [c.seed for c in execution.components]


def test_a_field_added_at_another_value_is_another_component(workspace) -> None:
    workspace.write("train.py", OLD)
    workspace.python(f"from machinable import *\nexecute({_plan()}, 'storage', seed=42)")
    workspace.write("train.py", NEW)
    execution = execute(_build({"momentum": 0.5}), workspace.storage, seed=42)
    assert [component.reused for component in execution.components] == [False] * 4


def _plan() -> str:
    return "Experiment().component('train', [{'lr': 0.1}, {'lr': 0.2}]).repeat(2)"


def _build(more: dict) -> Experiment:
    return Experiment().component("train", [{"lr": 0.1, **more}, {"lr": 0.2, **more}]).repeat(2)
