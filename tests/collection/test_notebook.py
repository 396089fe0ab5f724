"""What a notebook shows: through IPython's own formatter, without a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from machinable import Experiment, get, grid
from tests.conftest import Workspace

formatters = pytest.importorskip("IPython.core.formatters")


def html(value: Any) -> str:
    data, _ = formatters.DisplayFormatter().format(value)
    assert data["text/plain"]
    return str(data["text/html"])


def test_everything_that_is_looked_at_shows_itself(sweep: Workspace) -> None:
    found = get.all("fit")
    assert "<th>optimizer.name</th>" in html(found) and html(found).count("<tr>") == 14
    assert "<td>6 finished</td>" in html(found.group_by("lr"))
    assert "95 %" in html(found.summary())
    assert "<td>finished</td>" in html(get.by_id("000001"))
    assert "6 components" in html(Experiment().component("fit", grid(lr=[1.0, 2.0, 3.0])).repeat(2))


def test_a_component_shows_its_state_configuration_and_last_row(sweep: Workspace) -> None:
    found = get.all("fit")
    shown = html(found[0])
    assert f"<b>fit</b> <code>{found[0].id}</code>" in shown and "finished (attempt 1 says so" in shown
    assert "<th>loss</th>" in shown and "<td>0.35</td>" in shown and "momentum" in shown
    assert "failed (" in html(found.where("status == 'failed'")[0])
    fresh = html(get("fit", {"optimizer.name": "<b>x"}))
    assert "pending" in fresh and "&lt;b&gt;x" in fresh and "last row" not in fresh


def test_a_damaged_record_is_no_error(sweep: Workspace) -> None:
    component = get.all("fit")[0]
    (sweep.storage / "000001" / component.id / "record.jsonl").write_bytes(b"{broken\n")
    assert "damaged in row 1" in html(component)


def test_a_figure_is_shown(sweep: Workspace) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    ax = get.all("fit").plot("epoch", "loss")
    assert len(pyplot.get_fignums()) == len(before) + 1  # which is what a notebook shows at the end of a cell
    pyplot.close(ax.figure)
