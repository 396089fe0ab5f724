"""What holds for all configurations."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from machinable.config import schema_of
from machinable.errors import ConfigurationError

KEYS = st.text("abcdef", min_size=1, max_size=3)
SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: text != "???" and all(not 0xD800 <= ord(c) < 0xE000 for c in text))
)
VALUES = st.recursive(
    SCALARS | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=5)


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a `Config` dict by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found.update(leaves(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(CONFIGS)
def test_a_configuration_given_its_own_values_is_the_same(configured, config):
    first = configured(config)
    again = configured(config, first.identifying)
    assert text(again.identifying) == text(first.identifying)
    assert again.view == first.view


@given(CONFIGS)
def test_dotted_and_nested_changes_are_the_same(configured, config):
    values = configured(config).identifying
    nested = configured(config, values)
    dotted = configured(config, leaves(values))
    assert text(nested.identifying) == text(dotted.identifying)
    assert text(nested.update) == text(dotted.update)


@given(CONFIGS)
def test_the_schema_lists_each_leaf_with_its_default(interface, config):
    # -0.0 is 0.0 in a configuration.
    expected = json.loads(text(leaves(config)), parse_float=lambda number: float(number) + 0.0)
    assert text(schema_of(interface(config)).fields) == text(expected)


@given(CONFIGS, st.data())
def test_layers_apply_one_after_the_other(configured, config, data):
    names = sorted(name for name, value in leaves(config).items() if isinstance(value, (str, float)))
    layers = (
        data.draw(st.lists(st.dictionaries(st.sampled_from(names), SCALARS), max_size=3)) if names else []
    )
    fitting = [{k: v for k, v in layer.items() if type(v) is type(leaves(config)[k])} for layer in layers]
    merged: dict[str, Any] = {}
    for layer in fitting:
        merged.update(layer)
    assert text(configured(config, *fitting).identifying) == text(configured(config, merged).identifying)


@given(CONFIGS, st.dictionaries(st.text(max_size=5) | KEYS, VALUES, max_size=3))
def test_any_changes_give_a_configuration_or_one_clear_line(configured, config, changes):
    try:
        result = configured(config, changes)
    except ConfigurationError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
    else:
        assert set(result.identifying) == set(config)


@given(st.integers() | st.floats())
def test_numbers_for_a_float_are_finite_floats_or_errors(configured, number):
    try:
        value = configured({"x": 0.5}, {"x": number}).identifying["x"]
    except ConfigurationError:
        assert not math.isfinite(number)
    else:
        assert type(value) is float and value == float(number)
