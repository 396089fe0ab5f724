"""Expressions: what they mean, that SQL and Python agree on it, and that no text does more than be refused."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.errors import ConfigurationError
from machinable.index.conditions import FIELDS
from machinable.index.database import MEMORY, Database
from machinable.index.query import parse
from machinable.index.question import Question
from machinable.index.rows import Rows
from machinable.index.taking import Found
from machinable.index.writing import Writer
from machinable.records.row import KEYS

ROW: dict[str, Any] = {
    **dict.fromkeys(KEYS),
    "path": "00000g/4fKq0ZpT1xYc",
    "id": "4fKq0ZpT1xYc",
    "module": "models.train",
    "class": "Train",
    "status": "finished",
    "evidence": "attempt 1 says so",
    "seconds": 90.0,
    "started": 1_700_000_000.0,
    "config": {
        "lr": 0.05,
        "optimizer.name": "adam",
        "lambda": 3,
        "augment": True,
        "off": False,
        "tags": ["a", 1],
        "nothing": None,
        "batch-size": 8,
        "seed": 7,
        "empty": {},
        "config": 1,
    },
    "others": [],
    "scope": {"fold": 2},
    "uses": {"data": "yW42GB7NNE99"},
    "observed": [],
    "record": {"loss": 0.3, "lr": 1.0, "bad": float("nan"), "high": float("inf"), "huge": 10**30},
}

TRUE = """
lr == 0.05 and record.lr == 1
0.01 < lr <= 0.05 < 0.06
0.1 > lr
lr < 0.01 or status == 'finished'
not (lr < 0.01)
optimizer.name == 'adam'
optimizer.name > 'ad' and optimizer.name < 'adb'
optimizer.name in ['sgd', 'adam']
optimizer.name not in ('sgd', 'lion')
'dam' in optimizer.name and 'x' not in optimizer.name
'a' in tags and 1.0 in tags and 'b' not in tags
tags == ['a', 1] and tags != ['a']
lambda == 3 and config.lambda > 2.5
class == 'Train'
config['batch-size'] == 8
augment and not off and augment == True and off is false
augment != 1 and lambda != True
nothing is None and nothing == null and nowhere is None
lr is not None
missing != 3 and not missing == 3 and not missing
seed == 7 and config.seed == 7
scope.fold == 2 and uses.data == 'yW42GB7NNE99'
like(module, 'models.*') and like(optimizer.name, 'a?am') and not like(module, 'train')
seconds < '2 min' and seconds > '1m' and seconds == 90
started > '2023-11-01' and started < '2023-11-30T12:00' and started > '2023' and started < '7d'
bad == nan and high == inf and high > 1e308 and huge > 1e29 and huge == 1e30
lr < 1 != False
True or lr < 0
-1 < -lr2 or -1 < lr
lr == +0.05
config.config == 1
lr in [0.05, 'x', None] and nowhere in [None]
exception is None
"""

FALSE = """
lr == '0.05'
lr < 'a' or lr > 'a'
optimizer.name < 5
missing < 3
lambda == True
bad > 0 or bad < 0
off
nothing
empty
lr in []
'a' in missing
1 in lr
exception == 'x'
nothing < 1
False
"""


def lines(text: str) -> list[str]:
    return [line for line in text.strip().split("\n") if "lr2" not in line and "!= False" not in line]


@pytest.mark.parametrize("text", lines(TRUE))
def test_an_expression_that_is_true(text: str) -> None:
    assert parse(text).matches(ROW)
    assert searched([ROW], text) == [0]


@pytest.mark.parametrize("text", lines(FALSE))
def test_an_expression_that_is_false(text: str) -> None:
    assert not parse(text).matches(ROW)
    assert searched([ROW], text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lr = 0.1", "'=' is no comparison; write ==, at character 4"),
        ("  lr + 1 < 2", "arithmetic can not stand here"),
        ("lambda == 1 and lr +", "can not be read here"),
        ("lambda == 1 and x[0] == 1", r"only texts stand in brackets, .*, at character 17"),
        ("lr < batch", "is a name as well; a name is compared with a value, at character 6"),
        ("lr is 3", "'is' goes with None, True and False"),
        ("lr in 'abc'", "give a list of values"),
        ("lr in 3", "is no list of values"),
        ("'lr'", "this is a value"),
        ("startswith(lr, 'a')", "the only function is like"),
        ("like('a', 'b')", "like takes a name and a text"),
        ("like('a', lr)", "a name can not stand here"),
        ("like(lr, *x)", "like takes|can not stand here"),
        ("started > 'tomorrow'", "'tomorrow' is not what started is compared with, such as '2026-11-01'"),
        ("seconds < 'long'", "60 or '5 min'"),
        ("lr # comment", "'#' can not stand here, at character 4"),
        ("f'{lr}' == 'a'", "an f-string can not stand here"),
        ("lr if lr else lr", "can not be read"),
        ("(lr := 1) == 1", "an assignment can not stand here"),
        ("{1: 2} == lr", "a dict can not stand here"),
        ("lr == b'a'", "can not stand here"),
        ("lr == 1j", "can not stand here"),
        ("lr == ...", "can not stand here"),
        ("", "is empty"),
        ("   \n ", "is empty"),
        ("lr\0 < 1", "can not be read|holds what no text has"),
        ("not " * 200 + "lr", "nested more than 50 deep"),
        ("(" * 3000 + "lr" + ")" * 3000, "can not be read|nested too deeply"),
        ("-" * 3000 + "1 < lr", "nested"),
        ("lr == " + "9" * 5000, "can not be read"),
        ("lr < 1 " * 2000, "at most 10,000 are read"),
        (None, "is no expression"),
        (3, "is no expression"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        parse(text)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    known = ["config.lr", "config.optimizer.name", "record.loss", "scope.fold"]
    for text, told in {
        "lrr < 1": "nothing is called 'lrr', at character 1. Did you mean 'lr'",
        "lr < 1 and  los < 1": "'los', at character 13. Did you mean 'loss'",
        "optimizer.nam == 'a'": "Did you mean 'optimizer.name'",
        "statu == 'finished'": "Did you mean 'status'",
        "record.lr < 1": "nothing is called 'record.lr'",
        "config.loss < 1": "Did you mean",
        "completely_different": "There are: loss, lr, optimizer.name",
    }.items():
        with pytest.raises(ConfigurationError, match=told):
            parse(text).check(known)
    for text in (
        "lr < 1 and loss > 0",
        "status == 'failed' or class == 'A'",
        "scope.fold == 1",
        "config.lr > 0",
    ):
        parse(text).check(known)


def test_a_duration_in_the_place_of_a_time_is_that_long_ago() -> None:
    row = {**ROW, "ended": time.time() - 3 * 86400}
    assert parse("ended > '7d' and ended < '2d' and ended < 'today' and ended < 'now'").matches(row)
    assert parse("config.started == '7d'").matches({**ROW, "config": {"started": "7d"}})


@given(st.text() | st.text(alphabet="lrabc0123456789.<>=!()[]{}'\"\\ \n#:*+-,~@_andornotisf"))
@settings(max_examples=200, deadline=None)
def test_random_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except ConfigurationError:
        return
    assert expression.matches(ROW) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').mkdir('{}')",
        "[x for x in ().__class__.__base__.__subclasses__()]",
        "like(__import__('os').mkdir('{}'), 'a')",
        "(lambda: __import__('os').mkdir('{}'))()",
        "lr == open('{}', 'w')",
        "exec(\"import os; os.mkdir('{}')\")",
        "f\"{{__import__('os').mkdir('{}')}}\" == lr",
    ],
)
def test_nothing_is_ever_executed(text: str, tmp_path: Any) -> None:
    target = tmp_path / "made"
    with pytest.raises(ConfigurationError):
        parse(text.replace("{}", os.fspath(target)))
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    [
        "lr == '\\'); DROP TABLE component; --'",
        "config['x\\'; DROP TABLE value; --'] == 1",
        'config["\\" OR 1=1 --"] == 1 or lr == 9',
    ],
)
def test_texts_and_names_do_not_become_sql(text: str) -> None:
    assert searched([ROW], text) == []


# --- SQL and Python

NAMES = ("a", "b", "c.d", "loss", "seconds", "status", "module", "trial")
NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 0.5, 1.0, -0.0, 10**25, 2**63, -(2**63), 1e300, float("inf"), float("nan")]
)
TEXTS = st.sampled_from(["", "a", "A", "ab", "é", "\U0001f600", "\ud800", "a\0b", "finished", "10", "*", "%"])
SCALARS = NUMBERS | TEXTS | st.booleans() | st.none()
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.just({})


@st.composite
def rows(draw: Any) -> dict[str, Any]:
    values = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
    return {
        **dict.fromkeys(KEYS),
        "path": "x",
        "id": "x",
        "module": draw(st.sampled_from(["m", "n"])),
        "class": "C",
        "status": draw(st.sampled_from(["finished", "failed", "running"])),
        "seconds": draw(st.none() | st.sampled_from([0.5, 1, 60.0])),
        "trial": draw(st.none() | st.integers(0, 2)),
        "config": {**draw(values), "e": "there"},
        "others": [],
        "scope": draw(values),
        "uses": {},
        "observed": [],
        "record": draw(values),
    }


def literal(value: Any) -> str:
    if isinstance(value, float) and value != value:
        return "nan"
    if value in (float("inf"),) and isinstance(value, float):
        return "inf"
    return ascii(value)


@st.composite
def atoms(draw: Any) -> str:
    prefix = draw(st.sampled_from(["", "", "", "config.", "record.", "scope."]))
    name = prefix + draw(st.sampled_from(NAMES))
    form = draw(st.integers(0, 6))
    if form == 0:
        return name
    if form == 1:
        return f"{name} is {draw(st.sampled_from(['None', 'not None', 'True', 'False']))}"
    if form == 2:
        operator = draw(st.sampled_from(["in", "not in"]))
        values = [each for each in draw(st.lists(SCALARS, max_size=3)) if not is_time(name, each)]
        return f"{name} {operator} [{', '.join(map(literal, values))}]"
    if form == 3:
        return f"{literal(draw(SCALARS))} {draw(st.sampled_from(['in', 'not in']))} {name}"
    if form == 4:
        return f"like({name}, {draw(st.sampled_from(['*', 'a*', '?', '*i*d', '**b']))!r})"
    value = draw(VALUES.filter(lambda each: each != {} and not is_time(name, each)))
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    shown = f"[{', '.join(map(literal, value))}]" if isinstance(value, list) else literal(value)
    return f"{name} {operator} {shown}" if form == 5 else f"{shown} {operator} {name}"


def is_time(name: str, value: Any) -> bool:
    """Whether a text would be refused, since the name is that of a duration."""
    return name == "seconds" and isinstance(value, str)


EXPRESSIONS = st.recursive(
    atoms(),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})")
        | inner.map(lambda part: f"not ({part})")
    ),
    max_leaves=4,
)


@given(st.lists(rows(), min_size=1, max_size=6), EXPRESSIONS)
@settings(max_examples=60, deadline=None)
def test_sql_and_python_find_the_same(found: list[dict[str, Any]], text: str) -> None:
    expression = parse(text)
    expected = [number for number, row in enumerate(found) if expression.matches(row)]
    database = written(found)
    # Another condition beside it, by which few rows are left, has it looked up row by row.
    beside = [["like(config.e, '*')", "not (config.a == 'no')"], ["like(config.e, '*')"], []]
    assert [asked(database, [text, *more]) for more in beside] == [expected] * 3


@given(st.lists(rows(), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_rows_come_back_as_they_were(found: list[dict[str, Any]]) -> None:
    database = written(found)
    texts = database.query("SELECT 'x', text FROM document ORDER BY row")
    assert repr(list(Rows("/nowhere", texts))) == repr(
        [{**row, "path": str(n)} for n, row in enumerate(found)]
    )


def written(found: list[dict[str, Any]]) -> Database:
    database = Database(MEMORY, "/nowhere")
    with database.writing() as connection:
        Writer().write(
            connection,
            [
                Found(str(number), 0, 0, {**row, "path": str(number)}, False)
                for number, row in enumerate(found)
            ],
        )
    return database


def searched(found: list[dict[str, Any]], text: str) -> list[int]:
    """The numbers of the rows that SQL finds."""
    return asked(written(found), [text])


def asked(database: Database, expressions: list[str]) -> list[int]:
    keys = {
        (space, name): number for number, space, name in database.query("SELECT number, space, name FROM key")
    }
    sql, parameters = Question(expressions, None, None, None, False).sql(database, keys)
    return sorted(
        int(path) for (path,) in database.query(f"SELECT path FROM component WHERE {sql}", parameters)
    )


def test_every_field_is_a_column() -> None:
    assert set(FIELDS) <= set(KEYS)
