"""What may leave a storage: texts of filters, and what has to stay."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.cli.completing import candidates
from machinable.cli.flags import Flags
from machinable.cli.options import Options
from machinable.errors import ConfigurationError
from machinable.upkeep.removal import all_but_best, parse_best, used_by

NUMBERS = st.integers(-5, 5) | st.floats(allow_nan=True, allow_infinity=True)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    flags = Flags()
    flags.values = {"--older": text}
    for read in (
        lambda: parse_best(text).count,
        lambda: flags.age("--older"),
        lambda: flags.number("--older"),
    ):
        try:
            value = read()
        except ConfigurationError as error:
            assert "\n" not in repr(str(error)) and str(error)
        else:
            assert value is not None and value >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    {"45s": 45, "15min": 900, "12h": 43200, "30d": 2592000, "8w": 4838400, "0d": 0}.items(),
)
def test_durations(text: str, seconds: float) -> None:
    flags = Flags()
    flags.values = {"--older": text}
    assert flags.age("--older") == seconds


@given(st.lists(NUMBERS, min_size=1), st.integers(0, 6), st.booleans())
def test_the_best_are_kept(values: list[float], count: int, highest: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"path": f"{number:03}", "record": {"x": value}} for number, value in enumerate(values)
    ]
    going, without = all_but_best(
        [*rows, {"path": "z", "record": {}}], parse_best(f"{count} x:{'max' if highest else 'min'}")
    )
    assert [row["path"] for row in without] == ["z"]
    kept = [row["record"]["x"] for row in rows if row not in going]
    gone = [row["record"]["x"] for row in going]
    assert len(kept) == min(count, len(values))
    for one in kept:
        for other in gone:
            assert math.isnan(other) or (one >= other if highest else one <= other)


@given(st.data())
def test_nothing_goes_that_what_stays_uses(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    ids = [f"{number:012}" for number in range(count)]
    rows: list[dict[str, Any]] = []
    for number, id_ in enumerate(ids):  # a component uses only those before it
        uses = data.draw(st.lists(st.sampled_from(ids[:number]), max_size=2)) if number else []
        observed = data.draw(st.lists(st.sampled_from(ids[:number]), max_size=1)) if number else []
        rows.append({"path": id_, "id": id_, "uses": dict(enumerate(uses)), "observed": observed})
    going = set(data.draw(st.lists(st.sampled_from(ids))))
    kept = used_by(rows, going)
    assert kept.keys() <= going
    gone = going - kept.keys()
    for row in rows:
        if row["path"] not in gone:
            assert not gone & {*row["uses"].values(), *row["observed"]}
    for path, user in kept.items():  # and nothing stays without a reason
        assert user["path"] not in gone and path in {*user["uses"].values(), *user["observed"]}


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_line_can_be_completed(line: str, word: str) -> None:
    for name, told in candidates(line, word, Options()):
        assert isinstance(name, str) and isinstance(told, str)
