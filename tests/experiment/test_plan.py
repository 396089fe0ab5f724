"""Experiments: plans as values."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.config.versions import Sourced
from machinable.errors import ConfigurationError
from machinable.experiment import Experiment, grid

PLANS = st.recursive(
    st.builds(
        lambda target, numbers: Experiment().component(target, [{"n": number} for number in numbers]),
        st.sampled_from(["train", "test"]),
        st.lists(st.integers(0, 3), min_size=1, max_size=4),
    ),
    lambda plans: (
        st.builds(lambda a, b: a + b, plans, plans)
        | st.builds(lambda plan, n: plan.repeat(n), plans, st.integers(1, 3))
        | st.builds(lambda plan, k: plan.split(k), plans, st.integers(1, 3))
    ),
    max_leaves=4,
)


def versions(plan: Experiment) -> list[list[Any]]:
    return [entry.versions[0] for entry in plan]


def test_each_method_returns_a_new_plan() -> None:
    plan = Experiment().component("train")
    plan.component("test"), plan.repeat(2), plan.split(2), plan.named("other"), plan + plan
    assert plan == Experiment().component("train")
    assert (len(plan), plan.name) == (1, None)


def test_a_list_of_versions_iterates() -> None:
    assert versions(Experiment().component("train", [{"lr": 1}, "~small", None])) == [
        [{"lr": 1}],
        ["~small"],
        [],
    ]


def test_a_tuple_merges_into_one_version() -> None:
    assert versions(Experiment().component("train", ("~small", {"lr": 1}))) == [["~small", {"lr": 1}]]


def test_a_list_may_hold_tuples() -> None:
    plan = Experiment().component("train", [("~small", {"lr": 1}), {"lr": 2}])
    assert versions(plan) == [["~small", {"lr": 1}], [{"lr": 2}]]


def test_a_list_within_a_tuple_gives_one_version_for_each_of_its_items() -> None:
    plan = Experiment().component("train", ("~small", grid(lr=[1, 2]), [None, "~fast"]))
    assert versions(plan) == [
        ["~small", {"lr": 1}],
        ["~small", {"lr": 1}, "~fast"],
        ["~small", {"lr": 2}],
        ["~small", {"lr": 2}, "~fast"],
    ]


def test_lists_within_a_list_are_one_list() -> None:
    plan = Experiment().component("train", [{"lr": 0}, grid(lr=[1, 2])])
    assert versions(plan) == [[{"lr": 0}], [{"lr": 1}], [{"lr": 2}]]


def test_a_repeat_holds_for_all_that_is_planned_so_far() -> None:
    plan = Experiment().component("train").component("test").repeat(3).component("late")
    assert [entry.trials for entry in plan] == [3, 3, 1]
    assert len(plan) == 7


def test_repeats_and_splits_multiply() -> None:
    (entry,) = Experiment().component("train").repeat(2).split(3).repeat(4)
    assert (entry.repeats, entry.splits, entry.trials) == (8, 3, 24)


def test_what_is_changed_afterwards_does_not_change_the_plan() -> None:
    version: dict[str, Any] = {"lr": 1, "layers": [1, {"units": 2}]}
    uses, resources = {"data": ["data", {"n": 1}]}, {"cpus": 1}
    plan = Experiment().component("train", version, uses=uses, resources=resources)
    version["layers"][1]["units"] = 3
    version["lr"] = 2
    uses["data"].append({"n": 2})
    resources["cpus"] = 2
    (entry,) = plan
    assert entry.versions == ([{"lr": 1, "layers": [1, {"units": 2}]}],)
    assert (entry.uses, entry.resources) == ({"data": ["data", {"n": 1}]}, {"cpus": 1})


def test_changes_remember_where_they_came_from() -> None:
    (entry,) = Experiment().component("train", Sourced({"lr": 1}, "command line: lr=1"))
    assert entry.versions[0][0].source == "command line: lr=1"


def test_plans_are_equal_if_they_plan_the_same_however_it_was_written() -> None:
    one_by_one = Experiment().component("train", {"lr": 1}).component("train", {"lr": 2})
    assert one_by_one == Experiment().component("train", [{"lr": 1}, {"lr": 2}])
    assert one_by_one != Experiment().component("train", [{"lr": 2}, {"lr": 1}])
    assert one_by_one != one_by_one.repeat(2)
    assert one_by_one.repeat(2) != one_by_one.split(2)
    assert one_by_one != one_by_one.named("mine")
    assert one_by_one != "a plan"


@given(PLANS, PLANS)
def test_joining_adds_lengths_and_keeps_the_order(first: Experiment, second: Experiment) -> None:
    joined = first + second
    assert len(joined) == len(first) + len(second)
    assert list(joined) == [*first, *second]


@given(PLANS)
def test_a_plan_survives_pickling(plan: Experiment) -> None:
    assert pickle.loads(pickle.dumps(plan.named("mine"))) == plan.named("mine")


@given(PLANS)
def test_the_length_is_the_number_of_trials_of_all_entries(plan: Experiment) -> None:
    assert len(plan) == sum(entry.trials for entry in plan)


def test_the_length_of_a_huge_plan_needs_no_expansion() -> None:
    assert len(Experiment().component("train").repeat(10**9).repeat(10**9)) == 10**18


def test_plans_that_grow_from_the_same_plan_do_not_meet() -> None:
    plan = Experiment().component("train")
    first, second = plan.component("first"), plan.component("second")
    assert [entry.target for entry in first.component("late")] == ["train", "first", "late"]
    assert [entry.target for entry in second + first] == ["train", "second", "train", "first"]


def test_a_plan_may_grow_in_a_long_loop() -> None:
    plan = Experiment()
    for number in range(20_000):
        plan = plan.component("train", {"n": number})
    assert [entry.versions[0][0]["n"] for entry in plan] == list(range(20_000))
    assert len(plan) == 20_000


def test_only_plans_can_be_joined() -> None:
    with pytest.raises(TypeError):
        Experiment() + "train"  # type: ignore[operator]


def test_a_joined_plan_keeps_the_first_name() -> None:
    first, second = Experiment().named("first"), Experiment().named("second")
    assert (first + second).name == "first"
    assert (Experiment() + second).name == "second"


@pytest.mark.parametrize("n", [0, -1, 1.5, "3", None, True, False, [2]], ids=repr)
@pytest.mark.parametrize("method", ["repeat", "split"])
def test_numbers_of_trials_that_are_none_are_refused(method: str, n: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{method}\(.*\): an integer of at least 1"):
        getattr(Experiment().component("train"), method)(n)


@pytest.mark.parametrize("method", ["repeat", "split"])
def test_nothing_can_not_be_repeated(method: str) -> None:
    with pytest.raises(ConfigurationError, match="nothing is planned so far"):
        getattr(Experiment(), method)(2)


def test_more_trials_than_can_be_counted_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than can be counted"):
        Experiment().component("train").repeat(10**30)


@pytest.mark.parametrize("target", [None, "", 3, Experiment(), {"train": 1}], ids=repr)
def test_what_is_neither_module_nor_class_is_refused(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="plans modules and classes"):
        Experiment().component(target)


@pytest.mark.parametrize("version", ["small", 3, [{"lr": 1}, 2], ({"lr": 1}, {1}), "~a("], ids=repr)
def test_what_is_no_version_is_refused_by_name(version: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^train: "):
        Experiment().component("train", version)


def test_an_empty_list_of_versions_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^train: an empty list of versions"):
        Experiment().component("train", [])


def test_a_version_that_contains_itself_is_refused() -> None:
    version: list[Any] = [{"lr": 1}]
    version.append(version)
    with pytest.raises(ConfigurationError, match="contains itself"):
        Experiment().component("train", version)


@pytest.mark.parametrize("arguments", [{"name": ""}, {"name": 3}, {"resources": 2}], ids=repr)
def test_names_and_resources_that_are_none_are_refused(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^train: {next(iter(arguments))} is "):
        Experiment().component("train", **arguments)


@pytest.mark.parametrize("text", ["", " ", None, 3], ids=repr)
def test_a_plan_is_named_by_text(text: Any) -> None:
    with pytest.raises(ConfigurationError, match="the name of a plan"):
        Experiment().named(text)


def test_a_plan_shows_itself_in_a_few_lines() -> None:
    plan = (
        Experiment()
        .component("digits_data", name="data")
        .component("train", [("~small", {"lr": 0.1}), {"lr": 0.01}], uses={"data": "data"})
        .repeat(3)
        .split(2)
        .named("sweep")
    )
    assert repr(plan).splitlines() == [
        "Experiment 'sweep': 18 components",
        "  data (digits_data)                                  3 trials × 2 parts",
        "  train               ~small, lr=0.1  uses data=data  3 trials × 2 parts",
        "  train               lr=0.01         uses data=data  3 trials × 2 parts",
    ]


def test_a_large_plan_shows_its_first_components() -> None:
    lines = repr(Experiment().component("train", grid(n=range(2000)))).splitlines()
    assert lines[0] == "Experiment: 2,000 components"
    assert lines[-1] == "  … and 1,990 more"
    assert len(lines) == 12


def test_the_empty_plan_shows_itself() -> None:
    assert repr(Experiment()) == "Experiment: 0 components"
    assert Experiment()._repr_html_() == "<p>Experiment: 0 components</p>"


def test_a_notebook_shows_a_table_of_escaped_text() -> None:
    html = Experiment().component("train", {"text": "<b>"}, uses="data").repeat(2)._repr_html_()
    assert "<th>version</th>" in html
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "2 trials" in html
