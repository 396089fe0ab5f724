"""A collection: a sequence that selects, sorts and groups, and loads a component only when it is touched."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import pytest

from machinable import Collection, Component, Project, Status, Storage, get
from machinable.errors import ConfigurationError, StorageError
from machinable.execution.summary import text_table
from tests.conftest import Workspace


def test_it_is_a_sequence(sweep: Workspace) -> None:
    found = get.all("fit")
    assert isinstance(found, Collection) and len(found) == 13
    assert isinstance(found[0], Component) and found[-1].id == found.last().id
    assert [component.id for component in found[2:5]] == [component.id for component in found][2:5]
    assert isinstance(found[::-1], Collection) and found[::-1][0].id == found[12].id
    assert found[0] in found and get.by_id(found[3].id) in found and found[3] not in found[:3]
    assert get("fit", {"lr": 77.0}) not in found and "fit" not in found
    assert found[:2] == [found[0], get.by_id(found[1].id)] and found[:2] != found[1:3] and found != 3
    assert len(found[:2] + found[4:5]) == 3
    with pytest.raises(IndexError, match="no component 13"):
        found[13]
    with pytest.raises(TypeError, match=r"\.column\('loss'\)"):
        found["loss"]


def test_an_empty_one_takes_every_question(workspace: Workspace) -> None:
    found = get.all()
    assert not found and found == [] and found.first() is None and found.last() is None
    assert found.where("lr < 1") == [] and found.filter(lr=1) == [] and found.sort("lr") == []
    assert len(found.group_by("lr")) == 0 and len(found.summary()) == 0 and found.column("lr") == []
    assert repr(found) == repr(found.summary()) == repr(found.group_by("lr")) == "no components"
    assert found._repr_html_() == "<p>no components</p>" and found.to_csv() == "id,started,seconds,status\n"
    assert len(found.to_pandas()) == 0 and len(found.to_polars()) == 0


def test_nothing_is_loaded_before_it_is_touched(sweep: Workspace) -> None:
    seen = sweep.python(
        """
        import sys
        from machinable import get
        found = get.all().where("lr < 1").sort("loss")
        found.to_csv(), found.summary(), repr(found), found.group_by("lr"), len(found)
        found.to_pandas(), found.plot("epoch", "loss")
        print("fit" in sys.modules)
        found[0]
        print("fit" in sys.modules)
        """
    )
    assert seen.stdout.split() == ["False", "True"]


def test_classes_are_of_the_project_that_was_in_force(sweep: Workspace, tmp_path: Path) -> None:
    found = get.all("fit").where("lr < 1")
    (tmp_path / "other").mkdir()
    with Project(tmp_path / "other"), Storage(tmp_path / "elsewhere"):
        assert type(found[5]).__name__ == "Fit" and found[5].record.latest["epoch"] == 3


def test_a_component_is_one_object_wherever_it_is_met(sweep: Workspace) -> None:
    found = get.all("fit")
    assert found.where("lr == 0.2")[0] is next(each for each in found if each.config.lr == 0.2)


def test_where_takes_expressions(sweep: Workspace) -> None:
    found = get.all("fit").where("lr < 0.15 and optimizer.name == 'adam' and status == 'finished'")
    assert [(each.config.lr, each.trial.number) for each in found] == [(0.1, 0), (0.1, 1), (0.1, 2)]
    assert len(get.all("fit").where("lr < 5").where("record.loss > 0.9")) == 2
    with pytest.raises(ConfigurationError, match=r"Did you mean 'lr'"):
        get.all("fit").where("lrr < 1")
    with pytest.raises(ConfigurationError, match="character 4"):
        get.all("fit").where("lr ! 1")


def test_filter_takes_values_dicts_and_functions(sweep: Workspace) -> None:
    found = get.all("fit")
    assert len(found.filter(lr=0.1)) == 6
    assert len(found.filter({"optimizer.name": "adam"}, lr=0.1)) == 3
    assert len(found.filter(status=Status.FAILED)) == 1
    assert len(found.filter(good=True)) == 4 and len(found.filter(good=1)) == 0
    assert len(found.filter(lambda component: component.trial.number == 2)) == 4
    with pytest.raises(ConfigurationError, match=r"no column 'optimiser'\. Did you mean"):
        found.filter(optimiser="adam")


def test_sort_keeps_what_has_no_value_last(sweep: Workspace) -> None:
    found = get.all("fit")
    losses = found.sort("loss").column("loss")
    assert losses[:12] == sorted(losses[:12]) and losses[12] is None
    losses = found.sort("loss", descending=True).column("loss")
    assert losses[:12] == sorted(losses[:12], reverse=True) and losses[12] is None
    both = found.where("lr < 1").sort("optimizer.name", "lr")
    assert list(zip(both.column("optimizer.name"), both.column("lr"), strict=True))[::3] == [
        ("adam", 0.1),
        ("adam", 0.2),
        ("sgd", 0.1),
        ("sgd", 0.2),
    ]
    assert found.sort(lambda component: -component.config.lr)[0].config.lr == 9.0
    assert found.column("trial") == get.all("fit").column("trial")  # it has not changed


def test_a_group_of_the_configuration_is_a_value(sweep: Workspace) -> None:
    found = get.all("fit").where("lr < 1")
    groups = found.group_by("optimizer")
    assert [(key["name"], len(group)) for key, group in groups.items()] == [("adam", 6), ("sgd", 6)]
    assert len(groups[found[0].config.optimizer.to_dict()]) == 6
    assert groups.keys() == found.group_by("config.optimizer").keys()
    assert len(found.filter(optimizer=found[0].config.optimizer.to_dict())) == 6


def test_values_of_several_kinds_are_sorted(workspace: Workspace) -> None:
    workspace.write(
        "any.py",
        """
        from machinable import Component
        class Any(Component):
            Config = {"x": None}
            def __call__(self): ...
        """,
    )
    values = ["b", 2, None, [1], True, "a", 0.5]
    for value in values:
        get("any", {"x": value}).launch()
    assert get.all("any").sort("x").column("x") == [0.5, True, 2, "a", "b", [1], None]
    assert get.all("any").sort("x", descending=True).column("x") == [[1], "b", "a", 2, True, 0.5, None]
    groups = get.all("any").group_by("x")
    assert len(groups[True]) == 1 and groups[True][0].config.x is True and 1 not in groups


def test_a_name_may_be_a_parameter_here_and_a_measurement_there(sweep: Workspace) -> None:
    sweep.write(
        "other.py",
        """
        from machinable import Component
        class Other(Component):
            Config = {"loss": 0.1, "seed": 3}
            def __call__(self): ...
        """,
    )
    get("other").launch()
    found = get.all()
    assert found.sort("loss")[0].module == "other" and len(found.filter(loss=0.1)) == 1
    assert found.where("loss < 0.5").sort("loss").column("loss") == pytest.approx(
        [0.1, 0.35, 0.35, 0.45, 0.45]
    )
    assert found.filter(seed=3)[0].module == "other" and len(found.summary()) == 6


def test_group_by_one_name_and_several(sweep: Workspace) -> None:
    found = get.all("fit")
    groups = found.group_by("lr")
    assert list(groups) == [0.1, 0.2, 9.0] and [len(group) for group in groups.values()] == [6, 6, 1]
    assert len(groups[0.2].where("optimizer.name == 'sgd'")) == 3 and 0.3 not in groups
    assert dict(groups)[9.0][0].status == "failed"
    pairs = found.where("lr < 1").group_by("optimizer.name", "lr")
    assert list(pairs) == [("adam", 0.1), ("adam", 0.2), ("sgd", 0.1), ("sgd", 0.2)]
    assert len(pairs["sgd", 0.1]) == 3
    lines = repr(groups).split("\n")
    assert lines[0].split() == ["lr", "n", "of", "which"] and lines[-1].split() == ["9.0", "1", "1", "failed"]
    assert "<td>6 finished</td>" in groups._repr_html_()
    assert list(found.group_by("loss"))[-1] is None
    with pytest.raises(ConfigurationError, match="needs the name"):
        found.group_by()
    with pytest.raises(KeyError):
        groups["x"]


def test_it_is_made_of_components_too(sweep: Workspace) -> None:
    stored, fresh = get.all("fit")[0], get("fit", {"lr": 0.7})
    both = Collection([stored, fresh])
    assert both.column("status") == ["finished", "pending"] and both.column("lr") == [0.1, 0.7]
    assert both.where("lr > 0.5")[0] is fresh and both.sort("lr", descending=True)[0] is fresh
    assert fresh in both and get("fit", {"lr": 0.7}) not in both
    assert len(both.summary()) == 2 and both.filter(status="pending")[0] is fresh
    assert repr(both).split("\n")[2].split()[0] == fresh.id
    fresh.launch()
    assert both.column("status") == ["finished", "finished"]
    assert repr(both) == text_table(both)
    with pytest.raises(ConfigurationError, match="is not a component"):
        Collection(["fit"])


def test_it_travels(sweep: Workspace) -> None:
    found = get.all("fit").where("lr < 1")
    again = pickle.loads(pickle.dumps(found))
    assert again == found and again.column("loss") == found.column("loss")


def test_a_record_that_went_away_is_told_when_it_is_touched(sweep: Workspace) -> None:
    found = get.all("fit")
    found = Collection.of(found.rows(), str(sweep.storage))
    shutil.rmtree(sweep.storage / found.rows()[4]["path"])
    assert found[3].config.lr == 0.1 and len(found) == 13
    with pytest.raises(StorageError, match="is not a record"):
        found[4]


def test_its_table_shows_the_failed_first_if_it_is_long(sweep: Workspace) -> None:
    for number in range(20):
        get("fit", {"lr": 1 + number / 100}).launch()
    lines = repr(get.all("fit")).split("\n")
    assert lines[1].endswith("failed") and lines[-1] == "… and 3 more" and len(lines) == 32
    assert "fit" in sys.modules
    assert get.all("fit")._repr_html_().count("<tr>") == 31
