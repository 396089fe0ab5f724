"""Grids: every combination of the values of some fields."""

from __future__ import annotations

from itertools import product

from machinable.errors import ConfigurationError
from machinable.identity.canonical import shown

__all__ = ["grid"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def grid(axes: Mapping[str, Any] | None = None, /, **more: Any) -> list[dict[str, Any]]:
    """One version for each combination of values; those of the last axis change fastest.

        Experiment().component("train", grid(lr=[0.1, 0.01], batch_size=[16, 32]))
        grid({"optimizer.lr": [0.1, 0.01]}, seed=range(3))

    Args:
        axes: Values by field; here the names may be dotted.
        more: Values by field. They are lists, ranges or arrays.
    Raises:
        ConfigurationError: If an axis is empty or nothing of the kind, or there is none.
    """
    given = {} if axes is None else _checked(axes)
    twice = given.keys() & more.keys()
    if twice:
        raise ConfigurationError(f"grid has the axis {min(twice)!r} twice. Give its values once.")
    values = {key: _values(key, axis) for key, axis in {**given, **more}.items()}
    if not values:
        raise ConfigurationError("grid() has no axes. Name the fields to vary, as in grid(lr=[0.1, 0.01]).")
    return [dict(zip(values, point, strict=True)) for point in product(*values.values())]


def _checked(axes: Any) -> dict[str, Any]:
    if not hasattr(axes, "keys"):
        raise ConfigurationError(
            f"grid got {shown(axes)} ({type(axes).__name__}). Use grid(lr=[0.1, 0.01]), or a dict of such axes."
        )
    given = dict(axes)
    for key in given:
        if not isinstance(key, str) or not key:
            raise ConfigurationError(f"grid has the axis {key!r}, but axes are named by fields.")
    return given


def _values(key: str, axis: Any) -> list[Any] | range:
    # A tuple is no axis: in a plan, tuples merge.
    if not isinstance(axis, (str, bytes, dict)) and hasattr(axis, "tolist"):
        axis = axis.tolist()  # plain numbers in place of NumPy's
    if not isinstance(axis, (list, range)):
        hint = f"{key}={list(axis)!r}" if isinstance(axis, tuple) and len(axis) <= 5 else f"{key}=[...]"
        raise ConfigurationError(
            f"grid: {key} is {shown(axis)} ({type(axis).__name__}), but a list, range or array of values is "
            f"expected, as in {hint}."
        )
    if not axis:
        raise ConfigurationError(f"grid: {key} has no values, so the grid would be empty.")
    return axis
