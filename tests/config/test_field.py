"""Fields that do not identify, are required, or had another name."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import pydantic
import pytest

from machinable.config import Field, schema_of
from machinable.errors import ConfigurationError

AS_DICT = {"lr": Field("???", was="rate"), "device": Field("cpu", identifying=False)}


class Plain:
    lr: float = Field("???", was="rate")
    device: str = Field("cpu", identifying=False)


@dataclass
class Data:
    lr: float = Field("???", was="rate")
    device: str = Field("cpu", identifying=False)


class Model(pydantic.BaseModel):
    lr: float = Field("???", was="rate")
    device: str = Field("cpu", identifying=False)


FORMS = pytest.mark.parametrize("form", [AS_DICT, Plain, Data, Model])


@FORMS
def test_a_field_that_does_not_identify_is_in_the_view_and_not_in_the_identity(configured, form):
    result = configured(form, {"lr": 0.1, "device": "gpu"})
    assert result.view.device == "gpu"
    assert result.identifying == {"lr": 0.1}
    assert result.others == {"device": "gpu"}
    assert result.update == {"lr": 0.1, "device": "gpu"}


@FORMS
def test_the_schema_has_the_identifying_fields_and_their_former_names(interface, form):
    schema = schema_of(interface(form))
    assert schema.fields == {"lr": "???"}
    assert schema.renames == {"lr": "rate"}


@FORMS
def test_the_former_name_is_an_error_that_names_the_present_one(configured, form):
    with pytest.raises(ConfigurationError, match=r"no configuration key 'rate'. It is 'lr' now"):
        configured(form, {"rate": 0.1})


@FORMS
def test_a_required_value_that_is_missing_is_an_error(configured, form):
    with pytest.raises(ConfigurationError, match="train requires a value for the configuration key 'lr'"):
        configured(form)
    assert configured(form, require=False).view.to_dict() == {"lr": "???", "device": "cpu"}


@FORMS
def test_identity_and_other_values_together_give_the_same_configuration(configured, form):
    first = configured(form, {"lr": 0.5, "device": "gpu"})
    assert configured(form, first.identifying, first.others).view == first.view


def test_all_required_values_that_are_missing_are_named(configured):
    with pytest.raises(ConfigurationError, match=r"keys 'a', 'b\.c'\. Set it with \{'a': …\} in Python, a=…"):
        configured({"a": "???", "b": {"c": "???", "d": 1}}, {"b.d": 2})


def test_a_value_can_be_made_required_again(configured):
    with pytest.raises(ConfigurationError, match="requires a value for the configuration key 'a'"):
        configured({"a": 1}, {"a": 2}, {"a": "???"})


def test_a_group_that_does_not_identify_leaves_no_trace_in_the_identity(configured, interface):
    config = {"lr": 0.1, "machine": Field({"gpu": 0, "node": {"name": "a"}}, identifying=False)}
    result = configured(config, {"machine.node.name": "b"})
    assert result.identifying == {"lr": 0.1}
    assert result.others == {"machine.gpu": 0, "machine.node.name": "b"}
    assert schema_of(interface(config)).fields == {"lr": 0.1}


def test_the_name_of_a_group_carries_over_to_its_fields(interface):
    config = {
        "opt": Field({"lr": 0.1, "b": Field(1, was="beta")}, was="optim"),
        "x": Field(1, was="old.place"),
    }
    assert schema_of(interface(config)).renames == {
        "opt.lr": "optim.lr",
        "opt.b": "optim.beta",
        "x": "old.place",
    }


@dataclass
class Layer:
    units: int = 1
    device: str = Field("cpu", identifying=False)


@dataclass
class Network:
    layers: list[Layer] = field(default_factory=list)
    head: Layer | None = None
    named: dict[str, Layer] = field(default_factory=dict)


def test_fields_of_models_in_lists_dicts_and_unions_need_not_identify_either(configured):
    version = {"layers": [{"units": 2, "device": "gpu"}], "head": {"device": "tpu"}, "named": {"a": {}}}
    result = configured(Network, version)
    assert result.identifying == {
        "layers": [{"units": 2}],
        "head": {"units": 1},
        "named": {"a": {"units": 1}},
    }
    assert result.others == {"layers[0].device": "gpu", "head.device": "tpu", "named.a.device": "cpu"}
    assert configured(Network, result.identifying, result.others).view == result.view


@pytest.mark.parametrize("was", ["", "a.", ".a", 3])
def test_a_former_name_that_is_none_is_an_error(was):
    with pytest.raises(ConfigurationError, match="is not the name of a field"):
        Field(1, was=was)


def test_a_field_is_hashable_and_survives_pickling():
    info = Field([1], identifying=False, was="a")
    copy = pickle.loads(pickle.dumps(info))
    assert (copy.default, copy.identifying, copy.was) == ([1], False, "a")
    assert len({info, copy}) == 2
    assert repr(info) == "Field([1], identifying=False, was='a')"
