"""Grids: the product of axes, and what is no axis."""

from __future__ import annotations

import array
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.errors import ConfigurationError
from machinable.experiment import grid

AXES = st.dictionaries(
    st.sampled_from(["lr", "optimizer.lr", "seed", "size"]),
    st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=4, unique=True),
    min_size=1,
)


def test_a_grid_is_the_product_of_its_axes_and_the_last_changes_fastest() -> None:
    assert grid(lr=[0.1, 0.01], size=[1, 2]) == [
        {"lr": 0.1, "size": 1},
        {"lr": 0.1, "size": 2},
        {"lr": 0.01, "size": 1},
        {"lr": 0.01, "size": 2},
    ]


def test_dotted_names_are_given_in_a_dict() -> None:
    assert grid({"optimizer.lr": [0.1]}, seed=range(2)) == [
        {"optimizer.lr": 0.1, "seed": 0},
        {"optimizer.lr": 0.1, "seed": 1},
    ]


@given(AXES)
def test_a_grid_has_each_combination_once(axes: dict[str, list[Any]]) -> None:
    versions = grid(axes)
    assert len(versions) == prod(map(len, axes.values()))
    assert len({tuple(version.items()) for version in versions}) == len(versions)
    assert all(version[key] in axis for version in versions for key, axis in axes.items())


def test_arrays_become_plain_numbers() -> None:
    assert grid(n=array.array("d", [0.5, 1.0])) == [{"n": 0.5}, {"n": 1.0}]
    numpy = pytest.importorskip("numpy")
    assert [type(version["n"]) for version in grid(n=numpy.arange(2))] == [int, int]


@pytest.mark.parametrize(
    "axis",
    [0.1, "abc", (1, 2), {1, 2}, {"a": 1}, None, b"ab", (n for n in range(2))],
    ids=lambda axis: type(axis).__name__,
)
def test_what_is_no_list_is_refused_in_one_line_that_names_the_axis(axis: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^grid: lr is .* but a list, range or array") as caught:
        grid(lr=axis)
    assert "\n" not in str(caught.value)


def test_a_number_of_numpy_is_no_axis() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(ConfigurationError, match="lr is"):
        grid(lr=numpy.float64(0.1))


@pytest.mark.parametrize("axis", [[], range(0), array.array("d")], ids=repr)
def test_an_empty_axis_is_refused(axis: Any) -> None:
    with pytest.raises(ConfigurationError, match="lr has no values"):
        grid(size=[1], lr=axis)


def test_a_grid_without_axes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no axes"):
        grid()


def test_an_axis_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="axis 'lr' twice"):
        grid({"lr": [1]}, lr=[2])


@pytest.mark.parametrize("axes", [[0.1], {1: [0.1]}, {"": [1]}], ids=repr)
def test_axes_that_are_not_named_are_refused(axes: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^grid"):
        grid(axes)
