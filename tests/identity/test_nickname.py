"""Nicknames of IDs."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.identity.nickname import ADJECTIVES, NOUNS, nickname

steady = settings(deadline=None)  # the clock of a busy machine proves nothing


@given(st.text("0123456789abcXYZ", min_size=6, max_size=12))
@steady
def test_a_nickname_is_an_adjective_and_a_noun_and_always_the_same(id: str) -> None:
    assert re.fullmatch("[a-z]+_[a-z]+", nickname(id))
    assert nickname(id) == nickname(id)


def test_there_are_many_words_each_once_in_plain_lower_case() -> None:
    words = [*ADJECTIVES, *NOUNS]
    assert min(len(ADJECTIVES), len(NOUNS)) >= 128
    assert len(set(words)) == len(words)
    assert all(re.fullmatch("[a-z]{3,12}", word) for word in words)


def test_every_word_comes_up() -> None:
    names = [nickname(f"{number:06d}").split("_") for number in range(5000)]
    assert {adjective for adjective, _ in names} == set(ADJECTIVES)
    assert {noun for _, noun in names} == set(NOUNS)
