"""`Config` as a plain annotated class or a dataclass: types come from annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from machinable.config import Field, schema_of
from machinable.errors import ConfigurationError


@dataclass
class Layer:
    units: int = 3
    scales: list[float] = field(default_factory=lambda: [1, 2])

    @property
    def size(self):
        return self.units * len(self.scales)


def plain(annotation: Any, default: Any = ...) -> type:
    """A plain class with the one field `x`."""
    members: dict[str, Any] = {"__annotations__": {"x": annotation}, "__module__": __name__}
    return type("Config", (), members if default is ... else {**members, "x": default})


class Shared:
    rate: float = 1


class Config:
    steps: int
    lr: float = 1
    unannotated = 5
    maybe: Layer | None = None
    free: dict = {}
    shared: Shared
    layer: Layer = Layer(units=8)
    _private: int = 3
    COUNT: ClassVar[int] = 4

    class optimizer:
        name: str = "sgd"

        class schedule:
            warmup = 10

    class Row:
        width: int = 1

    rows: list[Row] = []

    def total(self):
        return self.steps * self.lr + self.layer.size

    @property
    def warmup(self):
        return self.optimizer.schedule.warmup


DEFAULTS = {
    "lr": 1.0,
    "unannotated": 5,
    "maybe": None,
    "free": {},
    "shared": {"rate": 1.0},
    "layer": {"units": 8, "scales": [1.0, 2.0]},
    "optimizer": {"name": "sgd", "schedule": {"warmup": 10}},
    "rows": [],
}


def test_a_plain_class_has_its_public_fields_and_inner_classes(configured):
    assert configured(Config, {"steps": 2}).identifying == {"steps": 2, **DEFAULTS}


def test_the_schema_lists_the_leaves(interface):
    assert schema_of(interface(Config)).fields == {
        "steps": "???",
        "lr": 1.0,
        "unannotated": 5,
        "maybe": None,
        "free": {},
        "shared.rate": 1.0,
        "layer.units": 8,
        "layer.scales": [1.0, 2.0],
        "rows": [],
        "optimizer.name": "sgd",
        "optimizer.schedule.warmup": 10,
    }


def test_methods_and_properties_of_the_class_are_reachable(configured):
    view = configured(Config, {"steps": 2, "optimizer.schedule.warmup": 3, "rows": [{"width": 7}]}).view
    assert view.total() == 2 * 1.0 + 16
    assert view.warmup == 3
    assert view.layer.size == 16
    assert view.COUNT == 4
    assert view.rows[0].width == 7
    assert not hasattr(view, "_private")


def test_an_optional_model_is_completed_merged_and_taken_away(configured):
    steps = {"steps": 1}
    assert configured(Config, steps, {"maybe.units": 5}).view.maybe == {"units": 5, "scales": [1.0, 2.0]}
    merged = configured(Config, steps, {"maybe": {"units": 5}}, {"maybe": {"scales": [3]}})
    assert merged.view.maybe == {"units": 5, "scales": [3.0]}
    assert configured(Config, steps, {"maybe": {}}, {"maybe": None}).view.maybe is None


def test_an_instance_of_a_model_is_a_value(configured):
    assert configured(Config, {"steps": 1, "layer": Layer(units=1, scales=[])}).view.layer.size == 0
    assert configured(Config, {"steps": 1, "maybe": Layer(4)}).view.maybe.units == 4


class Derived(Config):
    lr = 5
    extra: str = "a"


def test_an_inherited_class_adds_and_overrides_fields(configured):
    assert configured(Derived, {"steps": 1}).identifying == {**DEFAULTS, "steps": 1, "lr": 5.0, "extra": "a"}
    with pytest.raises(ConfigurationError, match="a float"):
        configured(Derived, {"lr": "x"})


@dataclass
class Data:
    need: int
    layers: list[Layer] = field(default_factory=list)
    one: Layer = field(default_factory=lambda: Layer(7))
    other: Layer = Field(Layer(9), identifying=False)  # noqa: RUF009
    derived: int = field(default=0, init=False)

    def __post_init__(self):
        if self.need < 0:
            raise ValueError("need must not be negative")
        self.need = min(self.need, 100)
        self.derived = self.need + 1


def test_a_dataclass_is_read_with_factories_and_nested_defaults(configured):
    result = configured(Data, {"need": 2, "one.scales": [4], "layers": [{"units": 1}, Layer()]})
    assert result.identifying == {
        "need": 2,
        "layers": [{"units": 1, "scales": [1.0, 2.0]}, {"units": 3, "scales": [1.0, 2.0]}],
        "one": {"units": 7, "scales": [4.0]},
    }
    assert result.view.other.size == 18


def test_a_post_init_may_refuse_and_adjust(configured):
    assert configured(Data, {"need": 500}).identifying["need"] == 100
    assert configured(Data, {"need": 500}).view.derived == 101
    with pytest.raises(
        ConfigurationError, match="train: Data refuses the configuration: need must not be negative"
    ):
        configured(Data, {"need": -1})


@dataclass
class Restless:
    lr: float = 0.1

    def __post_init__(self):
        self.lr = self.lr * 2


def test_a_class_that_would_change_its_own_result_is_an_error(configured):
    with pytest.raises(
        ConfigurationError, match=r"lr becomes 0\.2, and 0\.4 when that is given, by Restless"
    ):
        configured(Restless)


def test_nested_required_fields_are_named_with_their_place(configured):
    class Inner:
        a: int
        b: int = 1

    outer = {"inner": Inner, "more": {"need": Data}}
    with pytest.raises(ConfigurationError, match=r"keys 'inner\.a', 'more\.need\.need'"):
        configured(outer)


@dataclass
class Required:
    a: int
    b: int = 1


def test_required_fields_of_models_in_lists_are_named_with_their_place(configured):
    with pytest.raises(ConfigurationError, match=r"key 'x\[1\]\.a'"):
        configured(plain(list[Required]), {"x": [{"a": 1}, {"b": 2}]})
    assert configured(plain(Required | None, None), {"x.b": 2}, {"x.a": 3}).identifying == {
        "x": {"a": 3, "b": 2}
    }


@dataclass
class Node:
    value: int = 0
    children: list[Node] = field(default_factory=list)


def test_a_model_may_hold_itself_in_a_list(configured):
    result = configured(Node, {"children": [{"children": [{"value": 3}]}]})
    assert result.view.children[0].children[0].value == 3
    with pytest.raises(
        ConfigurationError, match=r"no configuration key 'children\[0\]\.children\[0\]\.valu'"
    ):
        configured(Node, {"children": [{"children": [{"valu": 3}]}]})


def test_a_model_may_not_hold_itself_without_end(configured):
    Endless = type("Endless", (), {"__annotations__": {}, "value": 1})
    Endless.__annotations__["inner"] = Endless
    with pytest.raises(ConfigurationError, match="Endless within a Endless"):
        configured(Endless)


@dataclass
class Adam:
    kind: Literal["adam"] = "adam"
    beta: float = 0.9


@dataclass
class SGD:
    kind: Literal["sgd"] = "sgd"
    momentum: float = 0.0

    def name(self):
        return "SGD"


@pytest.mark.parametrize("given", [{"kind": "sgd"}, {"momentum": 0}, SGD()])
def test_a_union_of_models_takes_the_one_that_fits(configured, given):
    view = configured(plain(Adam | SGD, Adam()), {"x": given}).view
    assert view.x == {"kind": "sgd", "momentum": 0.0}
    assert view.x.name() == "SGD"


def test_an_unknown_key_in_a_union_of_models_names_the_nearest(configured):
    with pytest.raises(ConfigurationError, match=r"'x\.momentun'. Did you mean 'x\.momentum'"):
        configured(plain(Adam | SGD, Adam()), {"x": {"kind": "sgd", "momentun": 1}})


def test_a_field_may_have_the_name_of_its_type(configured):
    class Config:
        float: float = 1
        str: str = "a"

    assert configured(Config).identifying == {"float": 1.0, "str": "a"}


def test_a_class_that_forgot_its_decorator_is_an_error(configured):
    class Forgot(Layer):
        extra: int = 1

    with pytest.raises(ConfigurationError, match="Put @dataclass above it"):
        configured(Forgot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slotted:
    a: float = 1
    b: list[int] = field(default_factory=list)

    def total(self):
        return self.a + sum(self.b)


def test_frozen_slotted_dataclasses_work(configured):
    assert configured(Slotted, {"b": [1, 2]}).view.total() == 4.0
