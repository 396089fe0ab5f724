"""Mean, deviation and interval, against the standard library, SciPy and published tables."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.collection.student import Statistics, t_975

#: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, column 0.975.
PUBLISHED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 10: 2.228, 30: 2.042, 100: 1.984}


@pytest.mark.parametrize(("degrees", "quantile"), PUBLISHED.items())
def test_the_quantile_is_the_published_one(degrees: int, quantile: float) -> None:
    assert round(t_975(degrees), 3) == quantile


def test_the_quantile_is_that_of_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    for degrees in [*range(1, 60), 99, 100, 999, 1000, 1001, 10_000, 10**7]:
        assert t_975(degrees) == pytest.approx(scipy_stats.t.ppf(0.975, degrees), rel=1e-11)


@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=30))
def test_it_agrees_with_the_standard_library(values: list[float]) -> None:
    found = Statistics(values)
    assert found.n == len(values)
    scale = max(map(abs, values))
    assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-12 * scale)
    assert found.std == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9 * scale)
    assert found.half_width is not None and found.std is not None
    assert found.half_width == pytest.approx(t_975(found.n - 1) * found.std / math.sqrt(found.n))
    assert found.low is not None and found.high is not None and found.low <= found.mean <= found.high


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=8))
def test_it_takes_any_floats(values: list[float]) -> None:
    found = Statistics(values)
    if not all(map(math.isfinite, values)) or len(values) == 1:
        assert found.std is None and found.half_width is None and found.low is None and found.high is None
    assert all(map(math.isfinite, values)) <= math.isfinite(found.mean)


def test_the_interval_covers_the_mean_95_times_in_100() -> None:
    import random

    chance = random.Random(1)
    hits = 0
    for _ in range(4000):
        found = Statistics([chance.gauss(5, 2) for _ in range(4)])
        assert found.low is not None and found.high is not None
        hits += found.low <= 5 <= found.high
    assert abs(hits / 4000 - 0.95) < 0.012
