"""`Config` as a pydantic model, which keeps its own rules."""

from __future__ import annotations

import datetime
import decimal
import enum
from pathlib import Path
from typing import Literal

import pytest

pydantic = pytest.importorskip("pydantic")

from pydantic import BaseModel, ConfigDict  # noqa: E402

from machinable.config import Field, schema_of  # noqa: E402
from machinable.errors import ConfigurationError  # noqa: E402


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Inner(BaseModel):
    a: float = 1
    tag: str = "t"
    device: str = Field("cpu", identifying=False)

    def twice(self):
        return self.a * 2


class Model(BaseModel):
    lr: float = 0.1
    n: int = pydantic.Field(3, ge=1)
    need: str = "???"
    name: str = pydantic.Field("X", alias="nick")
    inner: Inner = Inner(a=5)
    required_inner: Inner
    items: list[Inner] = []
    maybe: Inner | None = None
    mode: Mode = Mode.FAST
    path: Path = Path("x")
    price: decimal.Decimal = decimal.Decimal("1.5")
    wait: datetime.timedelta = datetime.timedelta(seconds=3)
    url: pydantic.HttpUrl = pydantic.HttpUrl("http://a.b/")
    unjudged: int = None  # type: ignore[assignment]

    @pydantic.field_validator("name")
    @classmethod
    def upper(cls, value):
        return value.upper()

    @pydantic.computed_field
    @property
    def double(self) -> float:
        return self.lr * 2

    def triple(self):
        return self.lr * 3


INNER = {"a": 1.0, "tag": "t"}


def test_values_are_judged_converted_and_completed(configured):
    result = configured(
        Model, {"need": "r", "n": "4", "name": "ab", "inner.tag": "z", "maybe": {}, "mode": "slow"}
    )
    assert result.identifying == {
        "lr": 0.1,
        "n": 4,
        "need": "r",
        "name": "AB",
        "inner": {"a": 5.0, "tag": "z"},
        "required_inner": INNER,
        "items": [],
        "maybe": INNER,
        "mode": "slow",
        "path": "x",
        "price": "1.5",
        "wait": "PT3S",
        "url": "http://a.b/",
        "unjudged": None,
    }
    assert result.others == {"inner.device": "cpu", "required_inner.device": "cpu", "maybe.device": "cpu"}


def test_the_view_has_the_types_and_methods_of_the_model(configured):
    view = configured(Model, {"need": "r", "items": [{"a": 2}], "price": "2.50"}).view
    assert (view.mode, view.path, view.price) == (Mode.FAST, Path("x"), decimal.Decimal("2.50"))
    assert view.wait == datetime.timedelta(seconds=3)
    assert str(view.url) == "http://a.b/"
    assert (view.double, view.triple()) == (0.2, pytest.approx(0.3))
    assert (view.inner.twice(), view.items[0].twice()) == (10, 4)
    assert not hasattr(view, "nothing")


def test_its_own_result_is_the_same_configuration(configured):
    first = configured(
        Model, {"need": "r", "nick": "q", "items": [{"a": 2}], "maybe.device": "gpu", "lr": "0.5"}
    )
    assert configured(Model, first.identifying, first.others).view == first.view
    assert configured(Model, first.view).identifying == first.identifying


def test_a_default_is_the_same_value_as_the_default_given(configured):
    class Loose(BaseModel):
        a: float = 1

    assert (
        repr(configured(Loose).identifying) == repr(configured(Loose, {"a": 1.0}).identifying) == "{'a': 1.0}"
    )


def test_fields_may_be_given_by_name_or_alias(configured):
    for key in ("name", "nick"):
        assert configured(Model, {"need": "r", key: "q"}).view.name == "Q"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ({"lr": "abc"}, "lr is 'abc' (str) from get. Input should be a valid number"),
        ({"n": 0}, "n is 0 (int) from get. Input should be greater than or equal to 1"),
        ({"inner.a": "q"}, "inner.a is 'q' (str) from get. Input should be a valid number"),
        ({"items": [{}, {"a": "q"}]}, "items[1].a is 'q' (str) from get. Input should be a valid number"),
        ({"inner": 3}, "inner is 3 (int) from get, but a dict of a, tag, device is expected"),
        ({"name": 3}, "name is 3 (int) from get. Input should be a valid string"),
    ],
)
def test_what_pydantic_refuses_is_one_line_with_field_value_and_source(configured, version, message):
    with pytest.raises(ConfigurationError) as error:
        configured(Model, {"need": "r"}, version)
    assert str(error.value).startswith(f"train: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "key", "near"),
    [
        ({"lrr": 1}, "lrr", "lr"),
        ({"inner.tagg": 1}, "inner.tagg", "inner.tag"),
        ({"items": [{"tagg": 1}]}, "items[0].tagg", "items[0].tag"),
        ({"maybe": {"tagg": 1}}, "maybe.tagg", "maybe.tag"),
    ],
)
def test_an_unknown_key_is_found_at_any_depth(configured, version, key, near):
    with pytest.raises(ConfigurationError) as error:
        configured(Model, {"need": "r"}, version)
    assert str(error.value) == f"train has no configuration key {key!r}. Did you mean {near!r}?"


def test_a_required_value_that_is_missing_is_named(configured):
    class Needs(BaseModel):
        a: int
        inner: Inner
        b: int = 1

    with pytest.raises(ConfigurationError, match="requires a value for the configuration key 'a'"):
        configured(Needs)
    assert configured(Needs, require=False).view.a == "???"


@pytest.mark.parametrize("extra", ["ignore", "forbid"])
def test_extras_are_refused(configured, extra):
    class Strict(BaseModel):
        model_config = ConfigDict(extra=extra)
        a: int = 1

    with pytest.raises(ConfigurationError, match="no configuration key 'z'"):
        configured(Strict, {"z": 1})


def test_extras_are_taken_where_the_model_allows_them(configured):
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int = 1

    result = configured(Open, {"z": {"q": [1]}, "w.x": 2})
    assert result.identifying == {"a": 1, "z": {"q": [1]}, "w": {"x": 2}}
    assert result.view.z.q == [1]
    assert configured(Open, result.identifying).view == result.view


def test_a_validator_of_the_whole_model_may_refuse(configured):
    class Positive(BaseModel):
        a: float = 1

        @pydantic.model_validator(mode="after")
        def check(self):
            if self.a < 0:
                raise ValueError("a must be positive")
            return self

    with pytest.raises(ConfigurationError, match="train: Value error, a must be positive"):
        configured(Positive, {"a": -1})
    with pytest.raises(ConfigurationError, match=r"train: inner\.deep: Value error, a must be positive"):
        configured({"inner": {"deep": Positive}}, {"inner.deep.a": -1})


def test_a_model_that_would_change_its_own_result_is_an_error(configured):
    class Restless(BaseModel):
        a: float = 1

        @pydantic.field_validator("a")
        @classmethod
        def double(cls, value):
            return value * 2

    with pytest.raises(ConfigurationError, match=r"a becomes 6\.0, and 12\.0 when that is given"):
        configured(Restless, {"a": 3})


def test_sets_and_secrets_can_not_identify(configured):
    class WithSet(BaseModel):
        s: set[int] = {1}

    class WithSecret(BaseModel):
        s: pydantic.SecretStr = pydantic.SecretStr("x")

    for model in (WithSet, WithSecret):
        with pytest.raises(ConfigurationError, match="not a plain value"):
            configured(model)


def test_models_are_told_apart_by_their_tag(configured):
    class A(BaseModel):
        kind: Literal["a"] = "a"
        x: int = 1

    class B(BaseModel):
        kind: Literal["b"] = "b"
        y: int = 1

    class Union(BaseModel):
        v: A | B = pydantic.Field(default_factory=A, discriminator="kind")

    assert configured(Union, {"v": {"kind": "b", "y": 4}}).identifying == {"v": {"kind": "b", "y": 4}}
    assert configured(Union, {"v.x": 4}).identifying == {"v": {"kind": "a", "x": 4}}
    with pytest.raises(ConfigurationError, match=r"Did you mean 'v\.y'"):
        configured(Union, {"v": {"kind": "b", "yy": 4}})


def test_models_may_stand_in_other_forms_of_config(configured):
    result = configured({"m": Inner, "k": Inner(a=4), "l": 1}, {"m.a": "2"})
    assert result.identifying == {"m": {"a": 2.0, "tag": "t"}, "k": {"a": 4.0, "tag": "t"}, "l": 1}
    assert result.view.k.twice() == 8


def test_the_schema_has_the_defaults(interface):
    fields = schema_of(interface(Model)).fields
    assert fields["inner.a"] == 5.0 and fields["required_inner.a"] == 1.0
    assert fields["need"] == "???" and fields["mode"] == "fast" and fields["wait"] == "PT3S"
    assert "inner.device" not in fields


def test_a_version_method_sees_a_judged_configuration(configured):
    def version_double(self):
        return {"lr": self.config.double}

    assert (
        configured(Model, {"need": "r", "lr": "0.5"}, "~double", version_double=version_double).view.lr == 1.0
    )
    seen = []
    configured(Model, "~look", {"need": "r"}, version_look=lambda self: seen.append(self.config.need) or {})
    assert seen == ["???"]
