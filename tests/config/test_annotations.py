"""Annotations: which values fit them, how they are kept and how they are read."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NewType, Optional, TypedDict, Union

import msgspec
import pytest

from machinable.config import schema_of
from machinable.errors import ConfigurationError


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(TypedDict):
    x: int
    y: float


Steps = NewType("Steps", int)


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


ACCEPTED = [
    (float, 1, 1.0, 1.0),
    (int, 3, 3, 3),
    (Any, [1, "a"], [1, "a"], [1, "a"]),
    (object, None, None, None),
    (list[float], [1, 2.5], [1.0, 2.5], [1.0, 2.5]),
    (list[list[float]], ((1,), []), [[1.0], []], [[1.0], []]),
    (Sequence[int], (1, 2), [1, 2], [1, 2]),
    (tuple[int, float], [1, 2], [1, 2.0], (1, 2.0)),
    (tuple[float, ...], [1, 2], [1.0, 2.0], (1.0, 2.0)),
    (tuple, [1, "a"], [1, "a"], (1, "a")),
    (dict[str, float], {"a": 1}, {"a": 1.0}, {"a": 1.0}),
    (Mapping[str, Any], {"a.b": [1]}, {"a.b": [1]}, {"a.b": [1]}),
    (dict[Literal["a", "b"], int], {"a": 1}, {"a": 1}, {"a": 1}),
    (float | None, 1, 1.0, 1.0),
    (float | None, None, None, None),
    (int | float, 1, 1, 1),
    (float | int, 1, 1, 1),
    (Optional[int], 1, 1, 1),  # noqa: UP045
    (Union[bool, str], True, True, True),  # noqa: UP007
    (Literal["a", 2], 2, 2, 2),
    (Mode, Mode.SLOW, "slow", Mode.SLOW),
    (Mode, "slow", "slow", Mode.SLOW),
    (Mode, "SLOW", "slow", Mode.SLOW),
    (Level, 2, 2, Level.HIGH),
    (Mode | None, "fast", "fast", Mode.FAST),
    (Path, "a//b/", "a/b", Path("a/b")),
    (Path | None, Path("a"), "a", Path("a")),
    (str | Path, "a", "a", "a"),
    (list[Path], ["a"], ["a"], [Path("a")]),
    (datetime.date, "2024-02-01", "2024-02-01", datetime.date(2024, 2, 1)),
    (datetime.date, datetime.date(2024, 2, 1), "2024-02-01", datetime.date(2024, 2, 1)),
    (datetime.time, "10:30", "10:30:00", datetime.time(10, 30)),
    (uuid.UUID, str(uuid.UUID(int=5)), str(uuid.UUID(int=5)), uuid.UUID(int=5)),
    (Annotated[float, "in metres"], 1, 1.0, 1.0),
    (Annotated[int, msgspec.Meta(ge=0)], 0, 0, 0),
    (Final[int], 3, 3, 3),
    (Steps, 3, 3, 3),
    (Point, {"x": 1, "y": 2}, {"x": 1, "y": 2.0}, {"x": 1, "y": 2.0}),
    (Layer | None, {"units": 5}, {"units": 5, "scales": [1.0, 2.0]}, {"units": 5, "scales": [1.0, 2.0]}),
    (list[Layer], [Layer(2)], [{"units": 2, "scales": [1.0, 2.0]}], [{"units": 2, "scales": [1.0, 2.0]}]),
]


@pytest.mark.parametrize(("annotation", "given", "kept", "read"), ACCEPTED)
def test_values_that_fit_an_annotation(configured, annotation, given, kept, read):
    result = configured(plain(annotation), {"x": given})
    assert repr(result.identifying["x"]) == repr(kept)  # 1 and 1.0 are not the same configuration
    assert result.view.x == read
    assert type(result.view.x) is type(read) or isinstance(read, dict)
    assert configured(plain(annotation), result.identifying).identifying == result.identifying


REFUSED = [
    (float, "1", "a float"),
    (int, True, "an int"),
    (int, 1.0, "an int"),
    (str, 1, "a str"),
    (bool, 0, "a bool"),
    (list[float], 1.0, "a list"),
    (tuple[int, int], [1], "a list of 2"),
    (dict[str, int], [], "a dict"),
    (float | None, "a", "a float or None"),
    (int | str, 1.5, "an int or a str"),
    (Literal["a", 2], "b", "one of 'a', 2"),
    (Literal[1], True, "1"),
    (Mode, "x", "one of 'fast', 'slow'"),
    (Path, 3, "a "),
    (datetime.date, "2024", "a date"),
    (uuid.UUID, "5", "a UUID"),
    (Annotated[int, msgspec.Meta(ge=0)], -1, "an int .*>= 0"),
    (Layer | None, 3, "a dict of units, scales or None"),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), REFUSED)
def test_values_that_do_not_fit_an_annotation(configured, annotation, value, expected):
    with pytest.raises(
        ConfigurationError, match=rf"^train: x is .* from get, but {expected}.*is expected\.$"
    ):
        configured(plain(annotation), {"x": value})
    with pytest.raises(ConfigurationError, match=r"^train: Config\.x has the default .* is expected\.$"):
        configured(plain(annotation, value))


@pytest.mark.parametrize(
    ("annotation", "value", "where"),
    [
        (list[float], [1, "a"], r"x\[1\] is 'a'"),
        (dict[str, list[int]], {"k": [1.5]}, r"x\.k\[0\] is 1\.5"),
        (list[Layer], [{"units": "a"}], r"x\[0\]\.units is 'a'"),
        (Layer | None, {"scales": ["a"]}, r"x\.scales\[0\] is 'a'"),
    ],
)
def test_an_error_deep_in_a_value_names_the_place(configured, annotation, value, where):
    with pytest.raises(ConfigurationError, match=f"train: {where}"):
        configured(plain(annotation), {"x": value})


@pytest.mark.parametrize(
    ("annotation", "value", "key"),
    [
        (list[Layer], [{}, {"unit": 1}], "x[1].unit"),
        (dict[str, Layer], {"k": {"unit": 1}}, "x.k.unit"),
        (Layer | None, {"unit": 1}, "x.unit"),
        (list[Layer | None], [None, {"unit": 1}], "x[1].unit"),
        (tuple[int, Layer], [1, {"unit": 1}], "x[1].unit"),
    ],
)
def test_an_unknown_key_is_found_at_any_depth(configured, annotation, value, key):
    with pytest.raises(ConfigurationError) as error:
        configured(plain(annotation), {"x": value})
    assert str(error.value) == f"train has no configuration key {key!r}. Did you mean '{key}s'?"


def test_an_unknown_key_of_a_typed_dict_is_found(configured):
    with pytest.raises(ConfigurationError, match="x has no key 'z'"):
        configured(plain(Point), {"x": {"x": 1, "y": 1.0, "z": 2}})


@pytest.mark.parametrize("annotation", [set[int], frozenset, bytes, complex, type, "Callable", type(len)])
def test_a_type_that_has_no_plain_form_is_refused(configured, annotation):
    with pytest.raises(ConfigurationError, match=r"^train: Config\.x "):
        configured(plain(annotation))


def test_an_annotated_field_without_default_is_required(configured):
    with pytest.raises(ConfigurationError, match="requires a value for the configuration key 'x'"):
        configured(plain(float))


def test_a_default_none_makes_an_annotation_optional(configured):
    assert configured(plain(float, None)).identifying == {"x": None}
    assert configured(plain(float, None), {"x": 1}).identifying == {"x": 1.0}


def test_a_name_that_only_type_checkers_know_is_replaced_by_the_default(configured):
    assert configured(plain("Unknown", 3), {"x": 4}).identifying == {"x": 4}
    with pytest.raises(ConfigurationError, match="'Unknown', which can not be resolved"):
        configured(plain("Unknown"))


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, True),
        (Path, True),
        (Mode, True),
        (Literal["a", "b"], True),
        (float, False),
        (Any, False),
        (str | int, False),
    ],
)
def test_the_schema_knows_which_fields_take_text_as_typed(interface, annotation, text):
    group = schema_of(interface({"inner": plain(annotation)})).group
    kind = group.kind_of("inner.x")
    assert kind is not None and kind.text is text
    assert group.kind_of("inner") is None and group.kind_of("unknown.x") is None
