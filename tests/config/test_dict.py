"""`Config` as a dict: types come from the defaults."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest

from machinable.config import Field, schema_of
from machinable.errors import ConfigurationError


def test_values_that_are_not_given_stand_at_their_defaults(configured):
    assert configured({"lr": 0.1, "name": "a"}, {"lr": 0.2}).identifying == {"lr": 0.2, "name": "a"}


def test_an_int_for_a_float_becomes_a_float(configured):
    value = configured({"lr": 0.1}, {"lr": 1}).view.lr
    assert type(value) is float and value == 1.0


@pytest.mark.parametrize("value", ["1", True, None, [1.0], {"a": 1}])
def test_nothing_else_becomes_a_float(configured, value):
    with pytest.raises(ConfigurationError, match=r"^train: lr is .* from get, but a float is expected\.$"):
        configured({"lr": 0.1}, {"lr": value})


def test_an_int_beyond_all_floats_is_an_error(configured):
    with pytest.raises(ConfigurationError, match="a float"):
        configured({"lr": 0.1}, {"lr": 10**400})


def test_a_huge_int_stays_exact(configured):
    assert configured({"n": 1}, {"n": 10**50}).identifying == {"n": 10**50}


@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_a_bool_or_float_is_no_int(configured, value):
    with pytest.raises(ConfigurationError, match="an int is expected"):
        configured({"n": 1}, {"n": value})


def test_an_int_is_no_bool(configured):
    with pytest.raises(ConfigurationError, match=r"flag is 1 \(int\) from get, but a bool is expected"):
        configured({"flag": False}, {"flag": 1})


def test_negative_zero_is_zero(configured):
    assert str(configured({"lr": 0.1}, {"lr": -0.0}).view.lr) == "0.0"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, b"x", lambda: 1, object()])
@pytest.mark.parametrize("field", ["lr", "anything", "free", "list"])
def test_what_has_no_plain_form_is_an_error_that_names_the_field(configured, field, value):
    config = {"lr": 0.1, "anything": None, "free": {}, "list": []}
    given = {"free": {"inner": value}, "list": [value]}.get(field, value)
    with pytest.raises(ConfigurationError, match=rf"^train: {field}"):
        configured(config, {field: given})


def test_a_value_that_contains_itself_is_an_error(configured):
    circle: list = []
    circle.append(circle)
    with pytest.raises(ConfigurationError, match=r"train: list.* contains itself"):
        configured({"list": []}, {"list": circle})


def test_a_default_none_takes_anything(configured):
    for value in (1, "a", [1, {"b": None}], {"c": 2.5}, None):
        assert configured({"x": None}, {"x": value}).identifying == {"x": value}


def test_a_free_form_dict_is_replaced_by_a_dict(configured):
    assert configured({"x": {}}, {"x": {"a": 1}}, {"x": {"b": 2}}).identifying == {"x": {"b": 2}}


def test_a_dotted_key_sets_one_value_inside_of_a_free_form_dict(configured):
    assert configured({"x": {}}, {"x": {"a": 1}}, {"x.b.c": 2}).identifying == {"x": {"a": 1, "b": {"c": 2}}}


def test_keys_within_a_free_form_dict_may_hold_dots(configured):
    result = configured({"x": {}}, {"x": {"a.b": 1}})
    assert result.identifying == {"x": {"a.b": 1}}
    assert result.view.x["a.b"] == 1


@pytest.mark.parametrize("value", [3, "a", [1], None])
def test_a_free_form_dict_takes_no_other_value(configured, value):
    with pytest.raises(ConfigurationError, match="a dict is expected"):
        configured({"x": {}}, {"x": value})


def test_a_list_takes_any_list_and_no_other_value(configured):
    assert configured({"x": [1, 2]}, {"x": ("a", None)}).identifying == {"x": ["a", None]}
    with pytest.raises(ConfigurationError, match=r"x is 3 .* but a list is expected"):
        configured({"x": [1, 2]}, {"x": 3})


def test_one_item_of_a_list_can_be_set_by_its_number(configured):
    assert configured({"x": [1, 2]}, {"x.0": 5}, {"x[1]": 6}).identifying == {"x": [5, 6]}
    with pytest.raises(ConfigurationError, match=r"no key 'x\.2', since x is \[1, 2\]"):
        configured({"x": [1, 2]}, {"x.2": 5})


def test_a_filled_dict_is_nested_and_merges(configured):
    config = {"opt": {"name": "sgd", "inner": {"a": 1, "b": 2}}}
    result = configured(config, {"opt": {"inner": {"b": 3}}}, {"opt.name": "adam"}, {"opt": {"inner.a": 4}})
    assert result.identifying == {"opt": {"name": "adam", "inner": {"a": 4, "b": 3}}}
    assert result.update == {"opt": {"name": "adam", "inner": {"a": 4, "b": 3}}}


@pytest.mark.parametrize("value", [3, "sgd", None, [1]])
def test_no_scalar_takes_the_place_of_a_nested_dict(configured, value):
    with pytest.raises(ConfigurationError, match=r"opt is .* but a dict of name is expected"):
        configured({"opt": {"name": "sgd"}}, {"opt": value})


def test_no_dotted_key_reaches_through_a_scalar(configured):
    with pytest.raises(ConfigurationError, match=r"there is no key 'lr\.x', since lr is 0\.1"):
        configured({"lr": 0.1}, {"lr.x": 1})


@pytest.mark.parametrize(
    ("key", "near"),
    [("lrr", "lr"), ("opt.nam", "opt.name"), ("optt.name", "opt.name"), ("name", "opt.name"), ("LR", "lr")],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(configured, key, near):
    with pytest.raises(ConfigurationError) as error:
        configured({"lr": 0.1, "opt": {"name": "sgd"}}, {key: 1})
    assert str(error.value) == f"train has no configuration key {key!r}. Did you mean {near!r}?"


def test_an_unknown_key_without_a_near_one_lists_what_there_is(configured):
    with pytest.raises(ConfigurationError, match=r"no configuration key 'zzz'. It has: lr, opt\."):
        configured({"lr": 0.1, "opt": {"name": "sgd"}}, {"zzz": 1})


@pytest.mark.parametrize("key", ["", ".", "lr.", ".lr", "opt..name", "opt."])
def test_empty_parts_of_keys_are_unknown_keys(configured, key):
    with pytest.raises(ConfigurationError, match="no configuration key"):
        configured({"lr": 0.1, "opt": {"name": "sgd"}}, {key: 1})


@pytest.mark.parametrize("key", [3, None, ("lr",)])
def test_a_key_that_is_no_text_is_an_error(configured, key):
    with pytest.raises(ConfigurationError, match="keys are text"):
        configured({"lr": 0.1}, {key: 1})


def test_an_empty_config_takes_no_keys(configured):
    assert configured({}).identifying == {}
    with pytest.raises(ConfigurationError, match="train has no configuration key 'x'"):
        configured({}, {"x": 1})


def test_without_a_config_any_key_is_taken(configured, interface):
    result = configured(interface(), {"a.b": 1, "c": [1, {"d": None}]}, {"a.e": 2, "c": 3})
    assert result.identifying == {"a": {"b": 1, "e": 2}, "c": 3}
    assert result.view.a.b == 1
    assert schema_of(interface()).free


@pytest.mark.parametrize("config", [{"a.b": 1}, {3: 1}, {"": 1}, {"x": {"a.b": 1}}])
def test_a_config_with_dots_or_other_keys_than_text_is_an_error(configured, config):
    with pytest.raises(ConfigurationError, match="keys are text without dots"):
        configured(config)


@pytest.mark.parametrize("config", [3, "lr", [1], lambda: 1])
def test_a_config_of_another_form_is_an_error(configured, config):
    with pytest.raises(ConfigurationError, match="neither a dict"):
        configured(config)


def test_a_wrong_default_is_an_error_that_names_the_field(configured):
    with pytest.raises(ConfigurationError, match=r"^train: Config\.a\.b is \{1\} \(set\)"):
        configured({"a": {"b": {1}}})


def test_defaults_are_never_shared(configured, interface):
    config = {"a": [1], "b": {}, "c": {"d": [2]}, "e": Field([3])}
    cls = interface(config)
    first = configured(cls)
    first.view.a.append(5)
    first.view.c.d.append(5)
    first.identifying["c"]["d"].append(5)
    first.view.to_dict()["e"].append(5)
    schema_of(cls)
    config["a"].append(9)
    assert configured(cls).identifying == {"a": [1], "b": {}, "c": {"d": [2]}, "e": [3]}


def test_given_values_are_copied(configured):
    given = {"a": [1], "b": {"c": [2]}}
    result = configured({"a": [], "b": {}}, given)
    given["a"].append(5)
    given["b"]["c"].append(5)
    result.update["a"].append(6)
    assert result.identifying == result.update == {"a": [1], "b": {"c": [2]}}


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


def test_enums_and_paths_keep_their_type_and_are_plain_in_the_identity(configured):
    result = configured({"mode": Mode.FAST, "path": Path("a")}, {"mode": "slow", "path": "b//c"})
    assert result.view.mode is Mode.SLOW
    assert result.view.path == Path("b/c")
    assert result.identifying == {"mode": "slow", "path": "b/c"}


def test_a_path_given_for_text_is_its_text(configured):
    assert configured({"path": "a"}, {"path": Path("b/c")}).identifying == {"path": "b/c"}


def test_a_numpy_scalar_is_an_error_with_the_remedy(configured):
    numpy = pytest.importorskip("numpy")
    with pytest.raises(ConfigurationError, match=r"train: lr .*\.item\(\)"):
        configured({"lr": 0.1}, {"lr": numpy.float64(0.5)})


def test_a_config_changed_on_the_class_is_read_again(configured, interface):
    cls = interface({"a": 1})
    assert configured(cls).identifying == {"a": 1}
    cls.Config = {"b": 2}
    assert configured(cls).identifying == {"b": 2}
