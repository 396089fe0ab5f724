"""Curves: a line for each configuration, a band where there are trials, a legend of what varies."""

from __future__ import annotations

from typing import Any

import matplotlib
import pytest
from matplotlib import pyplot

from machinable import Collection, get
from machinable.collection.student import t_975
from machinable.errors import ConfigurationError
from tests.conftest import Workspace


@pytest.fixture(autouse=True)
def figures() -> Any:
    """No screen, and no figure left behind."""
    with matplotlib.rc_context({"backend": "agg"}):
        yield
    pyplot.close("all")


def legend(ax: Any) -> list[str]:
    found = ax.get_legend()
    return [found.get_title().get_text(), *(text.get_text() for text in found.get_texts())] if found else []


def test_a_line_for_each_configuration_with_a_band_over_its_trials(sweep: Workspace) -> None:
    ax = get.all("fit").plot("epoch", "loss")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    assert legend(ax) == ["lr, optimizer.name", "0.1, adam", "0.1, sgd", "0.2, adam", "0.2, sgd"]
    assert len(ax.lines) == len(ax.collections) == 4
    assert list(ax.lines[0].get_xdata()) == [0, 1, 2, 3]
    assert list(ax.lines[0].get_ydata()) == pytest.approx([2.1, 1.1, 2 / 3 + 0.1, 0.6])
    band = ax.collections[0].get_paths()[0].vertices
    assert max(y for x, y in band if x == 0) == pytest.approx(2.1 + t_975(2) / 3**0.5)
    assert ax.figure.axes == [ax]


def test_the_band_does_not_squeeze_the_lines(sweep: Workspace) -> None:
    ax = get.all("fit").where("trial < 2").plot("epoch", "loss")
    low, high = ax.get_ylim()
    means = [y for line in ax.lines for y in line.get_ydata()]
    assert high - low < 2.5 * (max(means) - min(means))


def test_lines_by_what_is_asked_for_in_axes_of_ones_own(sweep: Workspace) -> None:
    _, own = pyplot.subplots()
    ax = get.all("fit").plot(None, "loss", group_by="lr", ax=own)
    assert ax is own and ax.get_xlabel() == "row" and legend(ax) == ["lr", "0.1", "0.2"]
    get.all("fit").plot("epoch", "loss", group_by=["optimizer.name", "trial"], ax=own)
    assert legend(ax)[0] == "optimizer.name, trial" and len(ax.lines) == 8


def test_one_line_needs_no_legend_and_one_trial_no_band(sweep: Workspace) -> None:
    ax = get.all("fit")[:1].plot("epoch", "loss")
    assert legend(ax) == [] and len(ax.lines) == 1 and not ax.collections
    assert get.all().where("lr > 99").plot("epoch", "loss").lines[:] == []


def test_many_lines_have_a_legend_of_some_of_them_and_no_bands(sweep: Workspace) -> None:
    for number in range(30):
        get("fit", {"lr": 1 + number / 100}).launch()
    ax = get.all("fit").where("lr >= 1 and lr < 2").plot("epoch", "loss")
    assert len(ax.lines) == 30 and len({tuple(line.get_color()) for line in ax.lines}) == 30
    shown = legend(ax)
    assert shown[0] == "lr (16 of 30)" and shown[1] == "1.0" and shown[-1] == "1.29" and len(shown) == 17
    assert not ax.collections  # nobody could tell 30 bands apart
    ax.figure.savefig(str(sweep.root / "many.png"))


def test_trials_measured_at_other_places_are_a_line_each(workspace: Workspace) -> None:
    workspace.write(
        "timed.py",
        """
        from machinable import Component
        class Timed(Component):
            def __call__(self):
                for i in range(3):
                    self.record.update({"at": i + self.seed / 2**32, "when": f"day {i}", "loss": i})
                    self.record.save()
        """,
    )
    for seed in (1, 2, 3):
        get("timed", seed=seed).launch()
    ax = get.all("timed").plot("at", "loss")
    assert len(ax.lines) == 3 and not ax.collections and len({line.get_color() for line in ax.lines}) == 1
    ax = get.all("timed").plot("when", "loss")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["day 0", "day 1", "day 2"]


def test_several_values_of_a_trial_at_one_place_count_once(workspace: Workspace) -> None:
    workspace.write(
        "steps.py",
        """
        from machinable import Component
        class Steps(Component):
            Config = {"a": 1}
            def __call__(self):
                for step in range(6):
                    self.record.update({"epoch": step // 3, "loss": step % 3})
                    self.record.save()
        """,
    )
    get("steps").launch()
    ax = get.all("steps").plot("epoch", "loss")
    assert list(ax.lines[0].get_ydata()) == [1.0, 1.0] and not ax.collections
    get("steps", seed=1).launch()
    ax = get.all("steps").plot("epoch", "loss")
    assert list(ax.lines[0].get_ydata()) == [1.0, 1.0] and len(ax.collections) == 1


def test_a_damaged_table_is_named_and_left_out(sweep: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    found = get.all("fit").where("lr == 0.1 and optimizer.name == 'sgd'")
    (sweep.storage / "000001" / found[0].id / "record.jsonl").write_bytes(b"{broken\n")
    ax = found.plot("epoch", "loss")
    assert list(ax.lines[0].get_ydata()) == pytest.approx([2.6, 1.35, 2.5 / 3 + 0.1, 0.725])
    assert "left out: " in capsys.readouterr().err


def test_a_wrong_column_is_told(sweep: Workspace) -> None:
    found = get.all("fit")
    with pytest.raises(ConfigurationError, match=r"no column 'epochs'\. Did you mean 'epoch'"):
        found.plot("epochs", "loss")
    with pytest.raises(ConfigurationError, match=r"no column 'zzz'\. There are: epoch, loss"):
        found.plot("epoch", "zzz")
    with pytest.raises(ConfigurationError, match=r"Did you mean 'lr'"):
        found.plot("epoch", "loss", group_by="lrr")
    with pytest.raises(ConfigurationError, match="recorded nothing"):
        Collection([get("fit", {"lr": 0.77})]).plot("epoch", "loss")
