"""Seeds of executions and of planned components."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.errors import ConfigurationError
from machinable.identity import seeds

steady = settings(deadline=None)  # the clock of a busy machine proves nothing

IDENTITY = seeds.plan_identity("train", "Train", {"lr": 0.1})


@given(st.integers(0, 62**6 - 1))
@steady
def test_an_execution_id_is_its_global_seed_and_back(seed: int) -> None:
    text = seeds.execution_id(seed)
    assert len(text) == 6
    assert seeds.parse_seed(seed) == seeds.parse_seed(text) == seeds.parse_seed(f"id:{text}") == seed


def test_digits_in_a_string_are_an_id_and_not_a_number() -> None:
    assert seeds.parse_seed("123456") == seeds.parse_seed("id:123456") != 123456


def test_a_seed_of_an_int_subclass_becomes_an_int() -> None:
    assert type(seeds.parse_seed(enum.IntEnum("E", {"SEED": 7}).SEED)) is int  # type: ignore[attr-defined]


BAD: list[Any] = [
    True,
    False,
    -1,
    62**6,
    1.0,
    None,
    "",
    "42",
    "1234567",
    "id:",
    "id:42",
    "ID:00000g",
    "00000-",
    "00000\u00e9",
    [],
]


@pytest.mark.parametrize("seed", BAD, ids=repr)
def test_anything_else_is_one_line_that_says_what_a_seed_is(seed: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        seeds.parse_seed(seed)
    message = str(caught.value)
    assert repr(seed) in message
    assert "0 to 56800235583" in message
    assert "0-9A-Za-z" in message
    assert "\n" not in message


@given(st.integers(0, 62**6 - 1), st.integers(0, 10**6))
@steady
def test_trial_seeds_are_32_bits_and_the_same_each_time(global_seed: int, trial: int) -> None:
    seed = seeds.trial_seed(global_seed, IDENTITY, trial)
    assert 0 <= seed < 2**32
    assert seed == seeds.trial_seed(global_seed, IDENTITY, trial)


def test_trial_seeds_differ_with_global_seed_component_and_trial() -> None:
    other = seeds.plan_identity("train", "Train", {"lr": 0.2})
    drawn = {
        seeds.trial_seed(global_seed, identity, trial)
        for global_seed in range(10)
        for identity in (IDENTITY, other)
        for trial in range(10)
    }
    assert len(drawn) == 200


@pytest.mark.parametrize(("global_seed", "trial"), [(-1, 0), (62**6, 0), (0, -1)])
def test_trial_seeds_refuse_numbers_out_of_range(global_seed: int, trial: int) -> None:
    with pytest.raises(ValueError, match=r"must be in|counted from 0"):
        seeds.trial_seed(global_seed, IDENTITY, trial)


def test_a_plan_identity_depends_on_module_class_and_configuration_alone() -> None:
    assert seeds.plan_identity("train", "Train", {"lr": 0.1}) == IDENTITY
    assert seeds.plan_identity("a.train", "Train", {"lr": 0.1}) != IDENTITY
    assert seeds.plan_identity("train", "Other", {"lr": 0.1}) != IDENTITY
    assert seeds.plan_identity("train", "Train", {"lr": 0.2}) != IDENTITY
