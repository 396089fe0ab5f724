"""Inputs of planned components."""

from __future__ import annotations

from typing import Any

import pytest

from machinable import Component, get
from machinable.errors import ConfigurationError, ProjectError
from machinable.experiment import Experiment, Planned, expand
from tests.conftest import Workspace

MODULES = {
    "digits_data.py": 'Config = {"n": 1}',
    "train.py": 'Config = {"lr": 0.1}; uses = {"data": "digits_data"}',
    "free.py": "Config = {}",
}


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    for name, body in MODULES.items():
        workspace.write(name, f"from machinable import Component\nclass Part(Component):\n    {body}\n")
    return workspace


def last(plan: Experiment) -> Planned:
    return expand(plan, 42)[-1]


@pytest.mark.parametrize("uses", ["data", {"data": "data"}, ["data"]], ids=repr)
def test_an_input_is_the_component_that_the_plan_calls_so(project: Workspace, uses: Any) -> None:
    data, user = expand(
        Experiment().component("digits_data", {"n": 5}, name="data").component("free", uses=uses), 42
    )
    assert user.uses == {"data": data}


def test_a_component_without_a_name_is_called_by_its_module(project: Workspace) -> None:
    data, user = expand(
        Experiment().component("digits_data", {"n": 5}).component("free", uses="digits_data"), 42
    )
    assert user.uses == {"digits_data": data}


def test_the_inputs_that_a_class_declares_are_found_in_the_plan(project: Workspace) -> None:
    user, data = expand(Experiment().component("train").component("digits_data", {"n": 5}), 42)
    assert user.uses == {"data": data}


def test_an_input_of_the_plan_replaces_the_one_that_the_class_declares(project: Workspace) -> None:
    data, user = expand(Experiment().component("free", name="d").component("train", uses={"data": "d"}), 42)
    assert user.uses == {"data": data}


def test_what_the_plan_does_not_have_is_asked_for(project: Workspace) -> None:
    found = last(Experiment().component("train")).uses["data"]
    assert isinstance(found, Component)
    assert found.identity == get("digits_data").identity
    assert not project.storage.exists()


def test_a_component_of_another_name_is_not_meant(project: Workspace) -> None:
    user = last(Experiment().component("digits_data", {"n": 5}, name="data").component("train"))
    assert user.uses["data"].config.n == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("target", ["component", "list", "class"])
def test_an_input_that_is_given_is_asked_for(project: Workspace, target: str) -> None:
    data = get("digits_data", {"n": 3})
    given = {"component": data, "list": ["digits_data", {"n": 3}], "class": type(data)}[target]
    user = last(Experiment().component("digits_data", {"n": 5}).component("train", uses={"data": given}))
    found = user.uses["data"]
    assert isinstance(found, Component)
    assert found.config.n == (1 if target == "class" else 3)


def test_versions_of_one_entry_share_the_input_that_is_asked_for(project: Workspace) -> None:
    first, second = expand(Experiment().component("train", [{"lr": 1}, {"lr": 2}]), 42)
    assert first.uses["data"] is second.uses["data"]


def test_trial_k_uses_trial_k(project: Workspace) -> None:
    plan = Experiment().component("digits_data").component("train").repeat(3)
    expanded = expand(plan, 42)
    assert [user.uses["data"] for user in expanded[3:]] == expanded[:3]


def test_every_trial_uses_the_only_one(project: Workspace) -> None:
    plan = Experiment().component("digits_data") + Experiment().component("train").repeat(3)
    data, *users = expand(plan, 42)
    assert [user.uses["data"] for user in users] == [data] * 3


def test_an_input_may_have_more_trials(project: Workspace) -> None:
    plan = Experiment().component("digits_data").repeat(3).component("train")
    first, _, _, user = expand(plan, 42)
    assert user.uses["data"] is first


def test_an_input_of_some_trials_but_not_enough_is_refused(project: Workspace) -> None:
    plan = Experiment().component("digits_data").repeat(2) + Experiment().component("train").repeat(3)
    with pytest.raises(ConfigurationError, match=r"train has 3 trials, but its input 'data'.* has 2\."):
        expand(plan, 42)


def test_an_input_that_could_be_several_is_refused_with_a_list(project: Workspace) -> None:
    plan = Experiment().component("digits_data", [{"n": 1}, {"n": 2}]).component("train")
    with pytest.raises(ConfigurationError, match=r"2 components .*digits_data\(n=1\), digits_data\(n=2\)"):
        expand(plan, 42)


def test_equal_entries_are_one_input_under_all_their_names(project: Workspace) -> None:
    plan = (
        Experiment()
        .component("digits_data", name="a")
        .component("digits_data", name="b")
        .component("free", uses=["a", "b"])
    )
    data, user = expand(plan, 42)
    assert user.uses == {"a": data, "b": data}


def test_entries_that_differ_in_their_inputs_are_two(project: Workspace) -> None:
    plan = Experiment().component("free", uses="digits_data").component("free")
    first, second = expand(plan, 42)
    assert (list(first.uses), list(second.uses)) == (["digits_data"], [])
    assert first.seed == second.seed
    assert first.make("home").identity != second.make("home").identity


def test_an_input_of_the_plan_is_part_of_the_identity(project: Workspace) -> None:
    data, user = expand(Experiment().component("digits_data").component("train"), 42)
    made = user.make("home")
    assert made.uses["data"] is data.make("home")
    assert made.identity != last(Experiment().component("train")).make("home").identity


def test_an_unknown_input_is_refused_with_the_nearest_component(project: Workspace) -> None:
    plan = Experiment().component("digits_data", name="corpus").component("free", uses={"x": "corpsu"})
    with pytest.raises(ConfigurationError, match=r"^free: the input 'x' is 'corpsu'.* mean 'corpus'\?"):
        expand(plan, 42)


def test_an_unknown_input_is_refused_with_the_nearest_module(project: Workspace) -> None:
    with pytest.raises(ProjectError, match=r"^free: the input 'x' can not be found.*digits_data"):
        expand(Experiment().component("free", uses={"x": "digits_dta"}), 42)


def test_an_input_that_fails_at_import_says_so(project: Workspace) -> None:
    project.write("broken.py", "1 / 0")
    with pytest.raises(ProjectError, match="ZeroDivisionError"):
        expand(Experiment().component("free", uses="broken"), 42)


@pytest.mark.parametrize("uses", [{"x": 3}, {"x": None}, {3: "digits_data"}, 3], ids=repr)
def test_what_is_no_input_is_refused(project: Workspace, uses: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^free: "):
        expand(Experiment().component("free", uses=uses), 42)


def test_components_that_use_each_other_are_refused_with_the_chain(project: Workspace) -> None:
    plan = (
        Experiment()
        .component("free", {}, name="a", uses="b")
        .component("free", {}, name="b", uses="c")
        .component("free", {}, name="c", uses="a")
        .component("digits_data", uses="a")
    )
    with pytest.raises(ConfigurationError, match=r"in a circle: (a → b → c → a|b → c → a → b|c → a → b → c)"):
        expand(plan, 42)


def test_a_component_that_uses_itself_is_refused(project: Workspace) -> None:
    with pytest.raises(ConfigurationError, match="in a circle: free → free"):
        expand(Experiment().component("free", uses="free"), 42)


def test_a_chain_of_inputs_is_no_circle(project: Workspace) -> None:
    plan = Experiment().component("free", name="0")
    for number in range(1, 50):
        plan = plan.component("free", name=f"{number}", uses={"before": f"{number - 1}"})
    expanded = expand(plan, 42)
    assert [planned.uses["before"] for planned in expanded[1:]] == expanded[:-1]
