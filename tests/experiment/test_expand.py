"""Expansion: from a plan to its components."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable import Component, Field
from machinable.errors import ConfigurationError, ProjectError
from machinable.experiment import Experiment, Planned, expand, grid
from machinable.experiment.expand import LARGE
from tests.conftest import Workspace


class Train(Component):
    Config = {"lr": 0.1, "layers": [1], "device": Field("cpu", identifying=False)}

    def version_small(self) -> dict[str, object]:
        return {"lr": self.config.lr / 2}

    def config_half(self, number: float) -> float:
        return number / 2


class Other(Component):
    Config = {"lr": 0.1}


def one(plan: Experiment, seed: int = 42) -> Planned:
    (planned,) = expand(plan, seed)
    return planned


def test_components_come_in_the_order_of_the_plan_with_their_trials() -> None:
    plan = Experiment().component(Train, grid(lr=[1.0, 2.0])).repeat(2).component(Other)
    assert [(p.cls, p.resolution.view.lr, p.trial.number, p.trial.total) for p in expand(plan, 42)] == [
        (Train, 1.0, 0, 2),
        (Train, 1.0, 1, 2),
        (Train, 2.0, 0, 2),
        (Train, 2.0, 1, 2),
        (Other, 0.1, 0, 1),
    ]


def test_modules_are_found_as_get_finds_them(workspace: Workspace) -> None:
    source = """
    from machinable import Component

    class First(Component):
        Config = {"lr": 0.1}

    class Second(First):
        pass
    """
    workspace.write("models/pair.py", source)
    workspace.write("single.py", source[: source.index("    class Second")])
    plan = Experiment().component("models.pair:Second").component("models/pair.py:First").component("single")
    assert [(p.name, p.cls.__name__, p.label) for p in expand(plan, 1)] == [
        ("models.pair", "Second", "models.pair"),
        ("models.pair", "First", "models.pair"),
        ("single", "First", "single"),
    ]


def test_each_version_is_resolved_once_for_all_its_trials() -> None:
    first, second = expand(Experiment().component(Train, {"lr": 2}).repeat(2), 42)
    assert first.resolution is second.resolution
    assert first.resolution.identifying == {"lr": 2.0, "layers": [1]}


def test_versions_and_calls_of_the_class_are_applied() -> None:
    planned = one(Experiment().component(Train, ({"lr": "half(3)"}, "~small")))
    assert planned.resolution.view.lr == 0.75
    assert planned.layers == [{"lr": "half(3)"}, "~small"]


def test_expansion_writes_nothing(workspace: Workspace) -> None:
    expand(Experiment().component(Train).repeat(3), 42)
    assert not workspace.storage.exists()


def test_resources_and_names_are_handed_on() -> None:
    planned = one(Experiment().component(Train, name="model", resources={"cpus": 2}))
    assert (planned.label, planned.resources) == ("model", {"cpus": 2})


def test_equal_entries_are_one_component_and_a_note_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Experiment().component(Train, [{"lr": 1}, {"lr": 1.0}, {"lr": 2}]).component(Train, {"lr": 2})
    assert [p.resolution.view.lr for p in expand(plan, 42)] == [1.0, 2.0]
    note = capsys.readouterr().err
    assert "2 entries of the plan are equal to an earlier one" in note
    assert ".repeat(n)" in note


def test_a_plan_of_unlike_entries_gives_no_note(capsys: pytest.CaptureFixture[str]) -> None:
    expand(Experiment().component(Train).component(Other).repeat(2), 42)
    assert not capsys.readouterr().err


def test_what_does_not_identify_makes_no_other_component() -> None:
    planned = one(Experiment().component(Train, [{"device": "gpu"}, {"device": "cpu"}]))
    assert planned.resolution.view.device == "gpu"


def test_equal_entries_with_unlike_numbers_of_trials_have_the_larger() -> None:
    plan = Experiment().component(Train).repeat(2) + Experiment().component(Train).repeat(3)
    assert [p.trial.number for p in expand(plan, 42)] == [0, 1, 2]
    assert {p.trial.total for p in expand(plan, 42)} == {3}


@given(st.lists(st.tuples(st.sampled_from(["repeat", "split"]), st.integers(1, 4)), max_size=4))
def test_trials_are_numbered_flat_however_repeats_and_splits_are_nested(steps: list[tuple[str, int]]) -> None:
    plan = Experiment().component(Train)
    for method, n in steps:
        plan = getattr(plan, method)(n)
    trials = [planned.trial for planned in expand(plan, 42)]
    assert [trial.number for trial in trials] == list(range(len(plan)))
    splits = trials[0].split.total
    for trial in trials:
        assert trial.total == len(plan)
        assert trial.number % splits == trial.split.number
    seeds = [{t.split.seed for t in trials[start : start + splits]} for start in range(0, len(plan), splits)]
    assert all(len(parts) == 1 for parts in seeds)
    assert len(set.union(*seeds)) == len(seeds)


def test_a_planned_component_is_made_once(workspace: Workspace) -> None:
    home = str(workspace.storage / "00000g")
    first, second = expand(Experiment().component(Train, {"lr": 2}).repeat(2), 42)
    component = first.make(home)
    assert component is first.make(home)
    assert component is not second.make(home)
    assert (component.seed, component.trial.number, component.config.lr) == (first.seed, 0, 2.0)
    assert second.make(home).trial.total == 2


# --- errors


def test_an_empty_plan_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="plan is empty"):
        expand(Experiment(), 42)


@pytest.mark.parametrize("seed", [-1, 62**6, True, "abc", 1.5], ids=repr)
def test_what_is_no_seed_is_refused(seed: int) -> None:
    with pytest.raises(ConfigurationError, match="is not a seed"):
        expand(Experiment().component(Train), seed)


def test_a_module_that_does_not_exist_is_refused_by_name(workspace: Workspace) -> None:
    workspace.write("train.py", "")
    with pytest.raises(ProjectError, match=r"trian.*train"):
        expand(Experiment().component("trian"), 42)


def test_a_class_that_is_no_component_is_refused() -> None:
    with pytest.raises(ProjectError, match="Workspace is not a component"):
        expand(Experiment().component(Workspace), 42)


def test_a_wrong_value_is_told_with_its_version_in_one_line() -> None:
    plan = Experiment().component(Train, [{"lr": 1}, {"lr": "fast"}])
    with pytest.raises(ConfigurationError) as caught:
        expand(plan, 42)
    text = str(caught.value)
    assert "lr is 'fast' (str) from the plan, but a float" in text
    assert "(In the plan: Train, version 2 of 2: lr='fast'.)" in text
    assert "\n" not in text


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'lrr'. Did you mean 'lr'\?.*version: lrr=1"):
        expand(Experiment().component(Train, {"lrr": 1}), 42)


def test_an_unknown_version_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"no version '~smal'. Did you mean '~small'"):
        expand(Experiment().component(Train, "~smal"), 42)


def test_a_required_value_that_lacks_is_refused(workspace: Workspace) -> None:
    workspace.write(
        "strict.py",
        textwrap.dedent("""
        from machinable import Component

        class Strict(Component):
            Config = {"lr": "???"}
        """),
    )
    with pytest.raises(ConfigurationError, match=r"requires a value .* 'lr'.*In the plan: strict"):
        expand(Experiment().component("strict", [{"lr": 1}, None]), 42)


def test_a_plan_that_is_too_large_is_expanded_only_if_that_is_meant() -> None:
    plan = Experiment().component(Train).repeat(LARGE + 1)
    with pytest.raises(ConfigurationError, match="100,001 components"):
        expand(plan, 42)
    assert len(expand(plan, 42, allow_large=True)) == LARGE + 1
