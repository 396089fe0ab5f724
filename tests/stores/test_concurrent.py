"""Calls for many items at once."""

from __future__ import annotations

import os
import threading

import pytest

from machinable.store.concurrent import each


def test_results_are_in_the_order_of_the_items() -> None:
    assert each(lambda item: item * 2, range(100)) == [item * 2 for item in range(100)]
    assert each(str, []) == [] and each(str, [1]) == ["1"] and each(str, range(3), width=1) == ["0", "1", "2"]


def test_as_many_as_asked_for_are_under_way() -> None:
    together = threading.Barrier(8, timeout=30)
    each(lambda item: together.wait(), range(16), width=8)


def test_the_first_error_is_raised_and_stops_the_rest() -> None:
    done = []

    def fail(item: int) -> None:
        done.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError):
        each(fail, range(1000), width=4)
    assert len(done) <= 8


def test_calls_within_calls_end() -> None:
    def inner(item: int) -> int:
        return sum(each(lambda other: other, range(20)))

    assert each(lambda item: sum(each(inner, range(20))), range(20)) == [190 * 20] * 20


def test_a_fork_takes_no_threads_along() -> None:
    each(str, range(20))
    child = os.fork()
    if child == 0:
        os._exit(0 if each(str, range(20)) == [str(item) for item in range(20)] else 1)
    assert os.waitpid(child, 0)[1] == 0
