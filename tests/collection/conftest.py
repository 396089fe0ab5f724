"""A sweep with trials, a failure and records, to look for things in."""

from __future__ import annotations

import pytest

from machinable import Experiment, execute, grid
from tests.conftest import Workspace

FIT = """
    from machinable import Component, Field

    class Fit(Component):
        Config = {
            "lr": 0.1,
            "optimizer": {"name": "sgd", "momentum": 0.9},
            "epochs": 4,
            "device": Field("cpu", identifying=False),
        }

        def __call__(self):
            if self.config.lr > 5:
                raise ValueError("diverged")
            for epoch in range(self.config.epochs):
                self.record["epoch"] = epoch
                self.record["loss"] = (self.trial.number + 1) / (epoch + 1) + self.config.lr
                self.record["good"] = self.trial.number == 0
                if self.trial.number != 1:
                    self.record["steps"] = 10 * self.trial.number
                self.record.save()
"""


@pytest.fixture
def sweep(workspace: Workspace) -> Workspace:
    """A project in whose storage 2 rates × 2 optimizers × 3 trials of `fit` are finished, and one has failed."""
    workspace.write("fit.py", FIT)
    plan = (
        Experiment().component("fit", grid({"lr": [0.1, 0.2], "optimizer.name": ["sgd", "adam"]})).repeat(3)
    )
    plan += Experiment().component("fit", {"lr": 9.0})
    execute(plan, storage=str(workspace.storage), seed=1, raise_on_failure=False)
    return workspace
