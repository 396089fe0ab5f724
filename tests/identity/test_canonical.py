"""Plain values and their canonical JSON."""

from __future__ import annotations

import datetime
import enum
import json
import math
import pathlib
import struct
import subprocess
import sys
import uuid
import zoneinfo
from collections import OrderedDict, namedtuple
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.errors import ConfigurationError
from machinable.identity import canonical
from machinable.identity.canonical import encode, encode_text, plain, shown

steady = settings(deadline=None)  # the clock of a busy machine proves nothing

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def refused(value: Any, where: str = "lr") -> str:
    """The message with which a value is refused: one line."""
    with pytest.raises(ConfigurationError) as caught:
        plain(value, where)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250
    return message


def written_by_the_book(value: Any) -> str:
    """Canonical JSON as docs/format.md specifies it: without the json module, or Python's text of floats."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, float):
        return float_by_the_book(value)
    if isinstance(value, str):
        return text_by_the_book(value)
    if isinstance(value, list):
        return "[" + ",".join(written_by_the_book(item) for item in value) + "]"
    keys = sorted(value, key=lambda key: [ord(character) for character in key])
    return "{" + ",".join(f"{text_by_the_book(key)}:{written_by_the_book(value[key])}" for key in keys) + "}"


def text_by_the_book(text: str) -> str:
    short = {0x22: '\\"', 0x5C: "\\\\", 0x08: "\\b", 0x0C: "\\f", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    codes = [ord(character) for character in text]
    return '"' + "".join(short.get(c) or (chr(c) if c >= 0x20 else f"\\u{c:04x}") for c in codes) + '"'


def float_by_the_book(value: float) -> str:
    if value == 0:
        return "0.0"
    sign, (digits, point) = "-" if value < 0 else "", shortest(abs(value))
    if not -3 <= point <= 16:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if point < 1 else '+'}{abs(point - 1):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"


def shortest(value: float) -> tuple[str, int]:
    """The digits d and the exponent p of the shortest 0.d x 10**p that reads back as the value."""
    exact, point = Fraction(value), math.floor(math.log10(value)) + 1
    point += 1 if exact >= Fraction(10) ** point else 0
    point -= 1 if exact < Fraction(10) ** (point - 1) else 0
    for length in range(1, 18):
        unit = Fraction(10) ** (point - length)
        low = exact // unit
        candidates = [n for n in (low, low + 1) if n and float(f"{n}e{point - length}") == value]
        if candidates:
            best = min(candidates, key=lambda n: (abs(n * unit - exact), n % 2))
            digits = str(best)
            return digits.rstrip("0"), point + len(digits) - length
    raise AssertionError("17 digits are always enough")


@given(values)
@steady
def test_the_text_is_what_the_specification_says(value: Any) -> None:
    assert encode(plain(value)) == written_by_the_book(plain(value)).encode()


@given(st.integers(0, 2**64 - 1))
@steady
def test_every_finite_double_is_written_as_the_specification_says(bits: int) -> None:
    value = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    if math.isfinite(value):
        assert encode_text(value + 0.0) == float_by_the_book(value)


@pytest.mark.parametrize("exponent", [-1074, -1073, -1023, -1022, -1021, -44, -24, -1, 0, 53, 54, 89, 1023])
def test_powers_of_two_where_the_neighbours_lie_unevenly_follow_the_specification(exponent: int) -> None:
    for value in (2.0**exponent, math.nextafter(2.0**exponent, 0), math.nextafter(2.0**exponent, math.inf)):
        if value and math.isfinite(value):
            assert encode_text(value) == float_by_the_book(value)


@given(values)
@steady
def test_a_plain_value_is_read_back_from_its_text_with_the_same_types(value: Any) -> None:
    once = plain(value)
    again = json.loads(encode(once))
    assert again == once
    assert repr(again) == repr(json.loads(encode(again)))
    assert encode(again) == encode(once)


@given(values)
@steady
def test_plain_changes_nothing_that_is_plain_already(value: Any) -> None:
    once = plain(value)
    assert repr(plain(once)) == repr(once)


@given(st.dictionaries(texts, values, max_size=5), st.randoms())
@steady
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert encode(plain(dict(items))) == encode(plain(value))


@given(values)
@steady
def test_the_prepared_encoder_writes_what_the_public_one_of_json_writes(value: Any) -> None:
    public = json.dumps(
        plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    assert encode_text(plain(value)) == public


def test_where_json_has_no_c_encoder_the_text_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    value = plain({"ä\x01": [1, -2.5e-7, None, True, "\U0001f600\u2028/"], "a": {}})
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr(json.encoder, "encode_basestring", json.encoder.py_encode_basestring)
    assert canonical._make_encoder()(value) == encode_text(value)


def test_negative_zero_is_zero() -> None:
    assert encode(plain({"a": -0.0, "b": [-0.0]})) == b'{"a":0.0,"b":[0.0]}'
    assert encode(plain(type("F", (float,), {})(-0.0))) == b"0.0"


def test_integers_and_floats_of_the_same_value_differ() -> None:
    assert encode(plain([1, 1.0, True])) == b"[1,1.0,true]"


def test_integers_are_exact_up_to_4300_digits() -> None:
    assert encode(plain(-(10**4300) + 1)) == b"-" + b"9" * 4300
    assert "more than 4300 digits" in refused(10**4300)
    assert "more than 4300 digits" in refused(-(10**4300))


def test_unicode_is_not_normalised() -> None:
    assert encode(plain("\u00e9")) != encode(plain("e\u0301"))


class Colour(enum.Enum):
    RED = "red"
    DEEP = ("a", 1)
    NESTED = RED
    BAD = frozenset({1})


class Level(enum.IntEnum):
    LOW = 3


class Word(str):
    """A string that says something else of itself."""

    def __str__(self) -> str:
        return "something else"


class Number(int):
    def __repr__(self) -> str:
        return "something else"


class Fractional(float):
    def __repr__(self) -> str:
        return "something else"


class PathLike:
    def __fspath__(self) -> str:
        return "data/digits"


Point = namedtuple("Point", "x y")
UTC = datetime.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))
NUMBER_5 = uuid.UUID("00000000-0000-0000-0000-0000000000AB")

FORMS = [
    ((1, (2,)), [1, [2]]),
    (Point(1, 2), [1, 2]),
    (OrderedDict(b=1, a=(2,)), {"b": 1, "a": [2]}),
    ({Word("key"): Word("value")}, {"key": "value"}),
    (Number(7), 7),
    (Fractional(0.5), 0.5),
    (Level.LOW, 3),
    (Colour.RED, "red"),
    (Colour.DEEP, ["a", 1]),
    (pathlib.PurePosixPath("a//b/./c.txt"), "a/b/c.txt"),
    (pathlib.PureWindowsPath(r"C:\data\x"), "C:/data/x"),
    (pathlib.Path("~/results"), "~/results"),
    (PathLike(), "data/digits"),
    (datetime.date(2024, 2, 3), "2024-02-03"),
    (datetime.date(5, 2, 3), "0005-02-03"),
    (datetime.time(4, 5), "04:05:00"),
    (datetime.time(4, 5, 6, 70), "04:05:06.000070"),
    (datetime.datetime(2024, 2, 3, 4, 5, 6), "2024-02-03T04:05:06"),
    (datetime.datetime(2024, 2, 3, 4, 5, 6, 7, UTC), "2024-02-03T04:05:06.000007+00:00"),
    (datetime.datetime(2024, 2, 3, 1, 5, 6, tzinfo=PLUS_TWO), "2024-02-02T23:05:06+00:00"),
    (datetime.datetime(2024, 7, 3, 12, tzinfo=BERLIN), "2024-07-03T10:00:00+00:00"),
    (datetime.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), "2024-10-27T01:30:00+00:00"),
    (NUMBER_5, "00000000-0000-0000-0000-0000000000ab"),
]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=[repr(value)[:40] for value, _ in FORMS])
def test_values_of_python_have_one_plain_form(value: Any, form: Any) -> None:
    result = plain({"field": value})
    assert result == {"field": form}
    assert all(type(part) in {dict, list, str, int, float} for part in parts(result))


def parts(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *[part for item in inner for part in parts(item)]]


class Nowhere(datetime.tzinfo):
    def utcoffset(self, _: Any) -> None:
        return None

    dst = tzname = utcoffset


REFUSED: list[tuple[Any, str, str]] = [
    (float("nan"), "lr is nan (float)", "Use None"),
    (float("-inf"), "lr is -inf (float)", "finite"),
    ({1, 2}, "lr is {1, 2} (set)", "sorted"),
    (frozenset({1}), "(frozenset)", "list"),
    (b"ab", "lr is b'ab' (bytes)", ".decode()"),
    (bytearray(b"ab"), "(bytearray)", ".decode()"),
    (lambda: None, "(function)", "name"),
    (int, "(type)", "name"),
    (math, "(module)", "Use a dict"),
    (object(), "(object)", "Use a dict"),
    (range(3), "lr is range(0, 3) (range)", "Use a dict"),
    (1j, "(complex)", "Use a dict"),
    (datetime.timedelta(1), "(timedelta)", ".total_seconds()"),
    (datetime.time(1, tzinfo=UTC), "(time)", "datetime"),
    (datetime.datetime(2024, 1, 1, tzinfo=Nowhere()), "no offset", "utc"),
    (datetime.datetime(1, 1, 1, tzinfo=PLUS_TWO), "out of range", "later"),
    (Colour.BAD, "(frozenset)", "list"),
    ("\ud800", r"lr is '\ud800' (str)", "Remove"),
    (pathlib.PurePosixPath("\udcff"), "surrogate", "Remove"),
    ({1: 2}, "lr has the key 1 (int)", "Write '1'"),
    ({None: 2}, "lr has the key None (NoneType)", "string"),
    ({"\udc00": 2}, r"the key '\udc00' in lr", "Remove"),
]


@pytest.mark.parametrize(("value", "says", "remedy"), REFUSED, ids=[says for _, says, _ in REFUSED])
def test_what_has_no_plain_form_is_refused_with_field_value_and_remedy(
    value: Any, says: str, remedy: str
) -> None:
    message = refused(value)
    assert says in message
    assert remedy in message


def test_numpy_values_are_refused_with_the_call_that_makes_them_plain() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.float64(0.5), numpy.float32(0.5), numpy.int64(1), numpy.bool_(True), numpy.array(1)):
        assert ".item()" in refused(value)
    assert "lr is array([1, 2]) (ndarray)" in refused(numpy.array([1, 2]))
    assert ".tolist()" in refused(numpy.array([1, 2]))
    assert "(str_)" in refused(numpy.str_("a"))
    assert plain(numpy.float64(0.5).item()) == 0.5


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("", "optimizer.steps[1].decay is nan"),
        ("train", "train.optimizer.steps[1].decay is nan"),
        ("train: ", "train: optimizer.steps[1].decay is nan"),
    ],
)
def test_the_message_names_the_field_by_its_path(where: str, path: str) -> None:
    value: Any = {"optimizer": {"steps": ({}, {"decay": float("nan")})}}
    assert refused(value, where).startswith(path)


def test_without_a_field_the_message_speaks_of_the_value() -> None:
    assert refused({1}, "").startswith("the value is {1}")
    assert refused({1}, "train: ").startswith("train: the value is {1}")


def test_circular_values_are_refused() -> None:
    inner: dict[str, Any] = {}
    inner["again"] = [inner]
    assert "lr.a.again[0] contains itself" in refused({"a": inner})


def test_the_same_value_twice_is_not_a_circle() -> None:
    shared = {"a": 1}
    assert plain([shared, shared]) == [{"a": 1}, {"a": 1}]


def test_values_nest_100_levels_deep_and_no_deeper() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    assert encode(plain(value)) == b"[" * 100 + b"1" + b"]" * 100
    assert "deeper than 100 levels" in refused([value], "")


def test_keys_that_become_equal_are_refused() -> None:
    class Loner(str):
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            return self is other

    assert "two keys with the same text" in refused({Loner("a"): 1, Loner("b"): 2, "a": 3})


def test_the_result_shares_no_container_with_what_was_given() -> None:
    given_value: dict[str, Any] = {"a": [1, {"b": 2}]}
    result = plain(given_value)
    given_value["a"].append(3)
    assert result == {"a": [1, {"b": 2}]}


def test_messages_show_any_value_on_one_short_line() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    class Odd:
        def __repr__(self) -> str:
            return "a\n\x1b[31m\ud800"

    assert shown(Broken()) == "<Broken>"
    assert shown(Odd()) == r"a \x1b[31m\ud800"
    assert len(shown("x" * 1000)) == 60


def test_no_heavy_module_is_imported_for_plain_values() -> None:
    code = (
        "import sys, machinable; before = set(sys.modules)\n"
        "from machinable.identity import canonical\n"
        "canonical.plain({'a': [1, 2.5, 'ä', None, (True,)]})\n"
        "heavy = {'numpy', 'pathlib', 'datetime', 'uuid', 'typing', 'dataclasses', 'inspect'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
