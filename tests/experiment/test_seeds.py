"""Seeds of planned components: a function of what is asked for, never of where it stands in the plan."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from machinable import Component
from machinable.experiment import Experiment, expand, grid
from machinable.identity.seeds import plan_identity, trial_seed
from tests.conftest import Workspace

SEEDS = st.integers(0, 62**6 - 1)
NUMBERS = st.lists(st.integers(0, 50), min_size=1, max_size=5, unique=True)


class Train(Component):
    Config = {"n": 0}


class Other(Component):
    Config = {"n": 0}


Key = tuple[type, int, int]


def seeds(plan: Experiment, seed: int) -> dict[Key, int]:
    """The seed of each component, by class, configuration and trial."""
    return {(p.cls, p.resolution.view.n, p.trial.number): p.seed for p in expand(plan, seed)}


@given(SEEDS, NUMBERS, NUMBERS, st.integers(1, 3), st.integers(0, 3))
def test_editing_a_plan_leaves_the_seeds_of_the_others_as_they_were(
    seed: int, numbers: list[int], more: list[int], trials: int, more_trials: int
) -> None:
    plan = Experiment().component(Train, grid(n=numbers)).repeat(trials)
    before = seeds(plan, seed)
    extended = Experiment().component(Train, grid(n=list(dict.fromkeys([*more, *numbers]))))
    edits = [
        Experiment().component(Other, grid(n=more)) + plan,
        plan.component(Other),
        extended.repeat(trials + more_trials),
        Experiment()
        .component(Train, grid(n=numbers[::-1]), name="other", resources={"cpus": 2})
        .repeat(trials),
    ]
    for edited in edits:
        assert before.items() <= seeds(edited, seed).items()


def test_identities_do_not_depend_on_the_position_either(workspace: Workspace) -> None:
    home = str(workspace.storage / "00000g")

    def identities(plan: Experiment) -> dict[Key, str]:
        return {(p.cls, p.resolution.view.n, p.trial.number): p.make(home).identity for p in expand(plan, 42)}

    plan = Experiment().component(Train, grid(n=[1, 2])).repeat(2)
    edited = Experiment().component(Other) + Experiment().component(Train, grid(n=[0, 2, 1])).repeat(3)
    assert identities(plan).items() <= identities(edited).items()


def test_the_seed_is_that_of_the_documented_function() -> None:
    second = expand(Experiment().component(Train, {"n": 7}).repeat(2), 42)[1]
    assert second.seed == trial_seed(42, plan_identity(second.name, "Train", {"n": 7}), 1)


def test_seeds_differ_between_trials_configurations_classes_and_global_seeds() -> None:
    plan = (Experiment().component(Train, grid(n=[0, 1])) + Experiment().component(Other)).repeat(20)
    found = [*seeds(plan, 1).values(), *seeds(plan, 2).values()]
    assert len(set(found)) == len(found) == 120


@given(SEEDS, st.integers(1, 5), st.integers(1, 5))
def test_the_seed_of_a_split_is_that_of_its_repetition(seed: int, trials: int, parts: int) -> None:
    split = expand(Experiment().component(Train).repeat(trials).split(parts), seed)
    whole = expand(Experiment().component(Train).repeat(trials), seed)
    assert [p.trial.split.seed for p in split[::parts]] == [p.trial.split.seed for p in whole]


def test_the_parts_of_unlike_splits_are_unlike_components() -> None:
    plan = Experiment().component(Train)
    found = [planned.seed for k in (1, 2, 3) for planned in expand(plan.split(k), 42)]
    assert len(set(found)) == 6


def test_a_global_seed_may_be_an_id() -> None:
    plan = Experiment().component(Train)
    assert expand(plan, "00000g")[0].seed == expand(plan, 42)[0].seed
