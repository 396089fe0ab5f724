"""Means over trials: what belongs together, what counts, and how it is shown."""

from __future__ import annotations

import math
import statistics

import pytest

from machinable import Experiment, Scope, execute, get
from machinable.collection.student import t_975
from machinable.errors import ConfigurationError
from tests.conftest import Workspace


def test_trials_are_taken_together(sweep: Workspace) -> None:
    summary = get.all("fit").summary()
    assert [(line.values["lr"], line.values["optimizer.name"], line.n) for line in summary] == [
        (0.1, "sgd", 3),
        (0.1, "adam", 3),
        (0.2, "sgd", 3),
        (0.2, "adam", 3),
        (9.0, "sgd", 0),
    ]
    loss = summary[0].statistics["loss"]
    values = [(trial + 1) / 4 + 0.1 for trial in range(3)]
    assert loss.mean == pytest.approx(statistics.fmean(values)) and loss.n == 3
    assert loss.std == pytest.approx(statistics.stdev(values))
    assert loss.half_width == pytest.approx(t_975(2) * statistics.stdev(values) / math.sqrt(3))
    assert summary[0].statistics["steps"].n == 2  # one trial has none
    assert "good" not in summary[0].statistics  # a boolean is no number
    assert summary[4].left_out == {"failed": 1} and summary[4].statistics == {}


def test_it_shows_what_was_left_out_and_says_what_its_numbers_are(sweep: Workspace) -> None:
    lines = repr(get.all("fit").summary()).split("\n")
    header = lines[0].split("  ")
    assert [text.strip() for text in header if text.strip()] == [
        "lr",
        "optimizer.name",
        "n",
        "left out",
        "epoch",  # the same in all of them, so there is nothing to say of its spread
        "loss",
        "loss std",
        "steps",
        "steps std",
    ]
    assert (
        "0.60 ± 0.62" in lines[1]
        and "10 ± 127 (n=2)" in lines[1]
        and lines[5].split()[-2:] == ["1", "failed"]
    )
    assert "95 %" in lines[6] and "Student" in lines[6]
    html = get.all("fit").summary()._repr_html_()
    assert "<td>0.60 ± 0.62</td>" in html and "95 %" in html


def test_one_trial_has_no_interval(sweep: Workspace) -> None:
    summary = get.all("fit").where("trial == 0 and lr < 1").summary()
    assert [line.n for line in summary] == [1] * 4
    assert summary.rows()[0]["loss_std"] is None and summary.rows()[0]["loss_low"] is None
    assert "±" not in repr(summary) and "nan" not in repr(summary)


def test_a_value_that_does_not_identify_is_no_difference(workspace: Workspace) -> None:
    workspace.write(
        "noisy.py",
        """
        from machinable import Component, Field
        class Noisy(Component):
            Config = {"a": 1, "device": Field("cpu", identifying=False)}
            def __call__(self):
                self.record["x"] = 1.0 * (self.seed % 7)
                self.record.save()
        """,
    )
    get("noisy", {"device": "gpu"}, seed=1).launch()
    get("noisy", seed=2).launch()
    get.new("noisy").launch()
    with Scope({"who": "me"}):
        get("noisy", {"device": "tpu"}).launch()
    found = get.all("noisy")
    assert [(line.values, line.n) for line in found.summary()] == [
        ({"scope.who": None}, 3),
        ({"scope.who": "me"}, 1),
    ]
    assert "seed" in found.to_pandas().columns  # nothing else tells two of them apart


def test_inputs_that_are_trials_are_no_difference(workspace: Workspace) -> None:
    workspace.write(
        "chain.py",
        """
        from machinable import Component
        class Data(Component):
            Config = {"size": 1}
            def __call__(self): ...
        class Mean(Component):
            Config = {"k": 1}
            uses = {"data": "chain:Data"}
            def __call__(self):
                self.record["x"] = self.uses["data"].config.size + self.trial.number
                self.record.save()
        """,
    )
    for size in (1, 2):
        plan = Experiment().component("chain:Data", {"size": size}).component("chain:Mean").repeat(3)
        execute(plan, storage=str(workspace.storage), seed=size)
    summary = get.all("chain:Mean").summary()
    assert [(line.n, line.statistics["x"].mean) for line in summary] in (
        [(3, 2.0), (3, 3.0)],
        [(3, 3.0), (3, 2.0)],
    )
    assert all(line.values["uses.data"].endswith("and 2 others") for line in summary)


def test_over_names_what_else_is_no_difference(sweep: Workspace) -> None:
    found = get.all("fit").where("lr < 1")
    summary = found.summary(over=["seed", "optimizer.name"])
    assert [(line.values, line.n) for line in summary] == [({"lr": 0.1}, 6), ({"lr": 0.2}, 6)]
    assert [line.n for line in found.summary(over="lr")] == [6, 6]
    with pytest.raises(ConfigurationError, match="it is a result"):
        found.summary(over="loss")
    with pytest.raises(ConfigurationError, match=r"Did you mean 'lr'"):
        found.summary(over="lrr")


def test_a_seed_in_the_configuration_is_one(workspace: Workspace) -> None:
    workspace.write(
        "seeded.py",
        """
        from machinable import Component
        class Seeded(Component):
            Config = {"seed": 0, "a": 1}
            def __call__(self):
                self.record["x"] = self.config.seed
                self.record.save()
        """,
    )
    for seed in range(4):
        get("seeded", {"seed": seed}).launch()
        get("seeded", {"seed": seed, "a": 2}).launch()
    assert [(line.values, line.n) for line in get.all("seeded").summary()] == [({"a": 1}, 4), ({"a": 2}, 4)]


def test_a_group_is_summed_up_over_all_that_is_in_it(sweep: Workspace) -> None:
    summary = get.all("fit").group_by("lr").summary()
    assert [(line.values, line.n, line.left_out) for line in summary] == [
        ({"lr": 0.1}, 6, {}),
        ({"lr": 0.2}, 6, {}),
        ({"lr": 9.0}, 0, {"failed": 1}),
    ]


def test_a_parameter_may_have_the_name_of_a_column(workspace: Workspace) -> None:
    workspace.write(
        "named.py",
        """
        from machinable import Component
        class Named(Component):
            Config = {"n": 1, "x_mean": 0}
            def __call__(self):
                self.record["x"] = self.config.n
                self.record.save()
        """,
    )
    for n in (7, 8):
        get("named", {"n": n, "x_mean": n}).launch()
    summary = get.all("named").summary()
    columns = ["config.n", "config.x_mean", "n", "left_out", "x_mean", "x_std", "x_low", "x_high", "x_n"]
    assert list(summary.to_pandas().columns) == columns
    assert [(row["config.n"], row["n"], row["x_mean"]) for row in summary.rows()] == [
        (7, 1, 7.0),
        (8, 1, 8.0),
    ]
    assert repr(summary).split("\n")[0].split() == ["config.n", "config.x_mean", "n", "x"]
    assert list(get.all("named").group_by("x").summary().rows()[0]) == ["x", "n", "left_out"]


def test_what_is_not_finite_is_not_hidden(workspace: Workspace) -> None:
    workspace.write(
        "broken.py",
        """
        from machinable import Component
        class Broken(Component):
            def __call__(self):
                self.record["x"] = float("nan") if self.trial.number else 1.0
                self.record["y"] = float("inf") if self.trial.number else 10**400
                self.record["z"] = "text" if self.trial.number else 2
                self.record.save()
        """,
    )
    execute(Experiment().component("broken").repeat(3), storage=str(workspace.storage), seed=1)
    (row,) = get.all("broken").summary().rows()
    assert math.isnan(row["x_mean"]) and row["x_std"] is None and row["x_n"] == 3
    assert row["y_mean"] == math.inf and row["y_n"] == 2
    assert row["z_mean"] == 2 and row["z_n"] == 1


def test_it_goes_on_to_pandas_polars_and_csv(sweep: Workspace) -> None:
    summary = get.all("fit").summary()
    columns = ["lr", "optimizer.name", "n", "left_out"]
    columns += [
        f"{name}_{end}" for name in ("epoch", "loss", "steps") for end in ("mean", "std", "low", "high", "n")
    ]
    frame = summary.to_pandas()
    assert list(frame.columns) == columns == summary.to_polars().columns
    assert frame.n.tolist() == [3, 3, 3, 3, 0] and frame.left_out.sum() == 1
    assert frame.loss_high[0] - frame.loss_mean[0] == pytest.approx(frame.loss_mean[0] - frame.loss_low[0])
    assert summary.to_csv().split("\n")[0] == ",".join(columns)
    assert len(summary[:2].rows()) == 2
