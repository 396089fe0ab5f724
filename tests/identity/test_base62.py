"""Numbers in base62."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.identity import base62

steady = settings(deadline=None)  # the clock of a busy machine proves nothing


@given(st.integers(0, 62**12 - 1))
@steady
def test_a_number_is_read_back_from_its_digits(number: int) -> None:
    text = base62.encode(number, 12)
    assert base62.is_id(text, 12)
    assert base62.decode(text) == number


@given(st.integers(0, 62**6 - 1), st.integers(0, 62**6 - 1))
@steady
def test_the_order_of_texts_is_the_order_of_numbers(one: int, other: int) -> None:
    assert (base62.encode(one, 6) < base62.encode(other, 6)) == (one < other)


@pytest.mark.parametrize("number", [-1, 62**6, 10**40])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=r"\[0, 62\*\*6\)"):
        base62.encode(number, 6)


@pytest.mark.parametrize("text", ["", "abc-ef", "abc ef", "\u0663", "\u00e9"])
def test_a_text_of_other_characters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base62"):
        base62.decode(text)


@pytest.mark.parametrize(
    "text", ["", "00000", "0000000", "0000 0", "0000-0", "00000\u0663", "00000\u00e9", "00000\n"]
)
def test_only_exactly_so_many_digits_are_an_id(text: str) -> None:
    assert not base62.is_id(text, 6)
    assert base62.is_id("0aZz9A", 6)
