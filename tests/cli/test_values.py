from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.cli import values
from machinable.cli.values import read
from machinable.errors import ConfigurationError

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # The examples of the specification, section 10.3, and what differs from YAML 1.1.
        ("null", None),
        ("Null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("0", 0),
        ("0o7", 7),
        ("0o17", 15),
        ("0x3A", 58),
        ("0x1F", 31),
        ("-19", -19),
        ("+12", 12),
        ("010", 10),
        ("0.", 0.0),
        ("-0.0", -0.0),
        (".5", 0.5),
        ("+12e03", 12000.0),
        ("-2E+05", -200000.0),
        ("1e-3", 0.001),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
        ("", ""),
        (" ", " "),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("nULL", "nULL"),
        ("tRUE", "tRUE"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0O17", "0O17"),
        ("-0x1F", "-0x1F"),
        ("12:30:45", "12:30:45"),
        ("2001-01-23", "2001-01-23"),
        ("1e", "1e"),
        (".", "."),
        ("+", "+"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("1,000", "1,000"),
        ("text with spaces", "text with spaces"),
        ("halved(3, 'x')", "halved(3, 'x')"),
        ("load([1, 2])", "load([1, 2])"),
        ("???", "???"),
        ("~/results", "~/results"),
        ("http://host:80/x#y", "http://host:80/x#y"),
        ("a=b", "a=b"),
        ("größe", "größe"),
        ("[1, 2]", [1, 2]),
        ("[]", []),
        ("{}", {}),
        ("[no, 1e-3, ~, 0o17, 1_0, 12:30]", ["no", 0.001, None, 15, "1_0", "12:30"]),
        ("{a: 1, b: {c: [x, 'y']}}", {"a": 1, "b": {"c": ["x", "y"]}}),
        ('{"a":1}', {"a": 1}),
        ("{a: , <<: 1, =: 2}", {"a": None, "<<": 1, "=": 2}),
        ("'1'", "1"),
        ('"1e-3"', "1e-3"),
        (r'"a\tb"', "a\tb"),
        ("'it''s'", "it's"),
        ("!!str 1", "1"),
        ("!!float 3", 3.0),
        ("!!int 0x1F", 31),
        ("a: 1", {"a": 1}),
        ("- a", ["a"]),
    ],
)
def test_values_are_yaml_1_2(text: str, value: object) -> None:
    found = read(text)
    assert repr(found) == repr(value)


def test_not_a_number_is_read_and_left_to_the_configuration_to_refuse() -> None:
    assert math.isnan(read(".nan")) and math.isnan(read("[.NaN]")[0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2", "brackets are not balanced"),
        ("[1]]", "brackets are not balanced"),
        ("{a: [1}", "brackets are not balanced"),
        ("{a:1}", "a space is missing after the colon: a: 1"),
        ("{a: 1, a: 2}", "the key 'a' is there twice"),
        ("'abc", "quotes are not balanced"),
        ('"abc', "quotes are not balanced"),
        ("*.csv", """double quotes within single ones: '"*.csv"'"""),
        ("@home", "not YAML"),
        ("%d", "not YAML"),
        ("`x`", "not YAML"),
        ("{[1]: 2}", "not YAML"),
        ("!!python/object:os.system x", "not YAML"),
        ("!!timestamp 2001-01-01", "not YAML"),
        ("!!int x", "'x' is no int"),
        ("!!bool no", "'no' is no bool"),
        ("!!map [a]", "not YAML"),
        ("[a]\n---\n[b]", "not YAML"),
        ("[\udcff]", "not YAML"),
        ("9" * 5000, "5000 digits"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(text)
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[" * 50_000 + "]" * 50_000, "- " * 30_000, "{a: " * 20_000])
def test_endless_nesting_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read(text)


def test_plain_values_are_read_without_loading_yaml() -> None:
    script = (
        "import sys; from machinable.cli.values import read\n"
        "assert [read(text) for text in ('1e-3', 'abc', '-1', 'no', '~', 'a b', '-x', 'x:y')]\n"
        "assert 'yaml' not in sys.modules; read('[1]'); assert 'yaml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(SOURCE)}, check=True, timeout=60)


@given(st.one_of(st.text(), st.text(alphabet="[]{}'\",:#-?&*!|>%@`~.0123456789exonatrulf \t\n", max_size=20)))
def test_any_text_is_read_or_refused_with_a_configuration_error(text: str) -> None:
    try:
        read(text)
    except ConfigurationError:
        pass


# The regular expressions of the specification, in the order in which they are tried.
CORE = [
    (r"null|Null|NULL|~", type(None)),
    (r"true|True|TRUE|false|False|FALSE", bool),
    (r"[-+]?[0-9]+", int),
    (r"0o[0-7]+", int),
    (r"0x[0-9a-fA-F]+", int),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?(\.inf|\.Inf|\.INF)", float),
    (r"\.nan|\.NaN|\.NAN", float),
]

SCALARS = st.one_of(
    st.text(alphabet="0123456789+-.eExo_afinINF~", min_size=1, max_size=8),
    *(st.from_regex(pattern, fullmatch=True) for pattern, _ in CORE),
)


@given(SCALARS)
def test_the_type_of_a_plain_scalar_is_that_of_the_core_schema(text: str) -> None:
    if not text.isascii() or text in ("-", "---", "..."):
        return
    expected = next((kind for pattern, kind in CORE if re.fullmatch(pattern, text)), str)
    assert type(read(text)) is expected


@given(SCALARS | st.text(alphabet="abz019-+.~:#?=<_/ (),[]{}", min_size=1, max_size=10))
def test_the_fast_path_agrees_with_yaml(text: str) -> None:
    if not (values.PLAIN.fullmatch(text) and not values.NOT_PLAIN.search(text)):
        return
    assert repr(read(text)) == repr(values._read_yaml(text))


# Beyond the basic plane, JSON writes two escapes for one character, which YAML takes for two.
TEXTS = st.text(alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
# A key of more than 1024 characters has to be introduced by `?` in YAML.
KEYS = TEXTS.filter(lambda text: len(json.dumps(text)) < 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_is_yaml(value: object) -> None:
    assert read(json.dumps(value)) == value
