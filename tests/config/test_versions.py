"""Versions and the methods they call."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.config import Sourced, normalise, parse_call
from machinable.errors import ConfigurationError

CONFIG = {"lr": 0.1, "opt": {"name": "sgd", "deep": {"z": 1}}}


def test_a_version_is_a_flat_list_of_layers():
    assert normalise(None) == []
    assert normalise({"a": 1}) == [{"a": 1}]
    assert normalise(["~x", [{"a": 1}, ("@y(2)", None)], {}]) == ["~x", {"a": 1}, "@y(2)", {}]


def test_a_normalised_version_normalises_to_itself():
    layers = normalise(["~x", [{"a": 1}]])
    assert normalise(layers) == layers


@pytest.mark.parametrize("version", [3, 1.5, True, b"~x", {"~x"}, object(), ["~x", 3]])
def test_anything_else_is_no_version(version):
    with pytest.raises(ConfigurationError, match="A version is"):
        normalise(version)


def test_a_version_that_contains_itself_is_an_error():
    version: list = ["~x"]
    version.append(version)
    with pytest.raises(ConfigurationError, match="contains itself"):
        normalise(version)


def test_a_name_without_tilde_is_an_error_that_suggests_it():
    with pytest.raises(ConfigurationError, match="Use '~small'"):
        normalise("small")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("small", ("small", (), {})),
        ("small()", ("small", (), {})),
        ("small( )", ("small", (), {})),
        ("small(1, -2.5, 'a)b')", ("small", (1, -2.5, "a)b"), {})),
        ("small([1, {'a': None}], flag=True)", ("small", ([1, {"a": None}],), {"flag": True})),
        ("größe(1)", ("größe", (1,), {})),
    ],
)
def test_calls_are_read_with_their_arguments(text, call):
    assert parse_call(text) == call


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "(1)",
            "a b",
            "1a",
            "a(",
            "a(1",
            "a)",
            "a(1))",
            "a(1)(2)",
            "a(b)",
            "a(b=c)",
            "a(*[1])",
            "a(**{})",
        ),
        *(
            "a(1 2)",
            "a(__import__('os'))",
            "a(f'{1}')",
            "a(1 if 1 else 2)",
            "a(" + "[" * 500 + "]" * 500 + ")",
        ),
    ],
)
def test_what_is_no_call_with_literals_is_an_error(text):
    with pytest.raises(ConfigurationError):
        parse_call(text)


@given(st.text())
def test_any_text_is_a_call_or_one_clear_line(text):
    try:
        name, _, _ = parse_call(text)
    except ConfigurationError as error:
        assert "\n" not in str(error)
    else:
        assert name.isidentifier()


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(LITERALS, max_size=3), st.dictionaries(st.sampled_from(["a", "b"]), LITERALS))
def test_literals_come_back_as_they_were_written(positional, named):
    written = [repr(value) for value in positional] + [f"{key}={value!r}" for key, value in named.items()]
    assert parse_call(f"small({', '.join(written)})") == ("small", tuple(positional), named)


def version_small(self, factor=1):
    return {"lr": self.config.lr * factor, "opt": {"name": "small"}}


def test_layers_apply_from_left_to_right_and_methods_see_what_stands_left_of_them(configured):
    result = configured(CONFIG, {"lr": 2}, "~small(3)", {"opt.name": "last"}, version_small=version_small)
    assert result.identifying == {"lr": 6.0, "opt": {"name": "last", "deep": {"z": 1}}}
    assert configured(CONFIG, "@small", version_small=version_small).view.opt.name == "small"


def test_the_view_a_method_saw_does_not_change_afterwards(configured):
    seen = []

    def version_look(self):
        seen.append(self.config)
        return {"lr": 5.0, "opt.deep.z": 9}

    configured(CONFIG, {"lr": 2}, "~look", {"lr": 7}, version_look=version_look)
    assert seen[0] == {"lr": 2.0, "opt": {"name": "sgd", "deep": {"z": 1}}}


def test_an_unknown_version_is_an_error_that_names_the_nearest(configured):
    with pytest.raises(ConfigurationError) as error:
        configured(CONFIG, "~smal", version_small=version_small)
    assert str(error.value) == "train has no version '~smal'. Did you mean '~small'?"


def test_wrong_arguments_are_an_error_that_shows_the_right_ones(configured):
    with pytest.raises(ConfigurationError, match=r"train: ~small takes the arguments \(factor=1\): too many"):
        configured(CONFIG, "~small(1, 2)", version_small=version_small)


def test_an_error_within_a_version_method_is_the_users_own(configured):
    def version_broken(self):
        return len(3)

    with pytest.raises(TypeError, match="no len"):
        configured(CONFIG, "~broken", version_broken=version_broken)


def test_a_version_method_that_returns_no_dict_is_an_error(configured):
    with pytest.raises(ConfigurationError, match="version_none returned None"):
        configured(CONFIG, "~none", version_none=lambda self: None)


def test_a_wrong_value_names_the_version_it_came_from(configured):
    with pytest.raises(ConfigurationError, match=r"lr is 'a' \(str\) from ~bad, but a float is expected"):
        configured(CONFIG, "~bad", version_bad=lambda self: {"lr": "a"})


def test_a_wrong_value_names_the_token_it_came_from(configured):
    with pytest.raises(ConfigurationError) as error:
        configured(CONFIG, Sourced({"lr": "abc"}, "command line: lr=abc"))
    assert str(error.value) == "train: lr is 'abc' (str) from command line: lr=abc, but a float is expected."


def test_sourced_changes_survive_pickling():
    changes = pickle.loads(pickle.dumps(Sourced({"a": 1}, "there")))
    assert changes == {"a": 1} and changes.source == "there"


def config_half(self, value):
    return value / 2


def test_a_value_that_calls_a_config_method_becomes_what_it_returns(configured):
    result = configured(CONFIG, {"lr": "half(3)"}, config_half=config_half)
    assert result.identifying["lr"] == result.update["lr"] == 1.5


def test_text_that_calls_no_method_of_the_class_stays_text(configured):
    assert configured({"name": ""}, {"name": "half(3)"}).identifying == {"name": "half(3)"}


def test_a_default_may_call_a_method_and_sees_the_values_given(configured):
    def config_scaled(self, factor):
        return self.config.n * factor

    config = {"n": 1, "m": "scaled(3)"}
    assert configured(config, {"n": 10}, config_scaled=config_scaled).identifying == {"n": 10, "m": 30}
    assert configured(config, config_scaled=config_scaled).update == {}


def test_a_call_that_is_replaced_is_not_made(configured):
    def config_never(self):
        raise AssertionError

    assert configured({"a": "never()"}, {"a": 1}, config_never=config_never).identifying == {"a": 1}


def test_a_config_method_may_give_a_whole_group(configured):
    def config_adam(self, z):
        return {"name": "adam", "deep": {"z": z}}

    result = configured(CONFIG, {"opt": "adam(7)"}, {"opt.deep.z": 8}, config_adam=config_adam)
    assert result.identifying["opt"] == {"name": "adam", "deep": {"z": 8}}


def test_the_result_of_a_config_method_is_checked(configured):
    with pytest.raises(ConfigurationError, match=r"lr is 'x' .* from config_word"):
        configured(CONFIG, {"lr": "word()"}, config_word=lambda self: "x")
    with pytest.raises(ConfigurationError, match=r"config_half takes the arguments \(value\): missing"):
        configured(CONFIG, {"lr": "half()"}, config_half=config_half)
    with pytest.raises(ConfigurationError, match="Use literals"):
        configured(CONFIG, {"lr": "half(x)"}, config_half=config_half)


def test_a_configuration_can_be_a_version_of_another(configured):
    first = configured(CONFIG, {"opt.deep.z": 4})
    assert configured(CONFIG, first.view).view == first.view
    assert configured(CONFIG, {"opt": first.view.opt}).view == first.view
    assert configured({"free": {}}, {"free": {"x": [first.view]}}).identifying == {
        "free": {"x": [first.identifying]}
    }
