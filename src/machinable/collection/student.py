"""Mean, standard deviation and confidence interval of a few numbers; the quantile of Student's t that this needs."""

from __future__ import annotations

import math

__all__ = ["Statistics", "t_975"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NORMAL_975 = 1.959963984540054
_EXACT_UP_TO = 1000
_quantiles: dict[int, float] = {}


class Statistics:
    """What some independent measurements say of their mean.

    One number has no standard deviation and no interval, and neither have numbers of which one is not finite.

    Args:
        values: The measurements; at least one.
    """

    __slots__ = ("half_width", "mean", "n", "std")

    def __init__(self, values: Sequence[float]) -> None:
        n = self.n = len(values)
        self.std: float | None = None  # with n - 1 in the denominator
        self.half_width: float | None = None  # of the 95 % confidence interval of the mean, by Student's t
        if not all(map(math.isfinite, values)):
            self.mean = sum(values) / n
            return
        # In parts of the largest, so that neither sum nor squares leave the range of floats.
        _, exponent = math.frexp(max(map(abs, values)))
        parts = [math.ldexp(value, -exponent) for value in values]
        mean = math.fsum(parts) / n
        self.mean = math.ldexp(mean, exponent)
        if n == 1:
            return
        std = math.sqrt(math.fsum((part - mean) ** 2 for part in parts) / (n - 1))
        try:
            self.std = math.ldexp(std, exponent)
            self.half_width = t_975(n - 1) * math.ldexp(std / math.sqrt(n), exponent)
        except OverflowError:  # numbers at both ends of the range
            self.std = self.half_width = None

    @property
    def low(self) -> float | None:
        """The lower end of the interval."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """The upper end of the interval."""
        return None if self.half_width is None else self.mean + self.half_width

    def __repr__(self) -> str:
        told = "" if self.half_width is None else f" ± {self.half_width:.2g}"
        return f"{self.mean:.4g}{told} (n={self.n})"


def t_975(degrees: int) -> float:
    """The 0.975 quantile of Student's t: a mean of n values, by n - 1 degrees of freedom, is 95 % sure to within
    this many standard errors.

    Args:
        degrees: Degrees of freedom, an integer from 1.
    Source:
        M. Abramowitz, I. A. Stegun (1964), Handbook of Mathematical Functions: the distribution at an integer number
        of degrees 26.7.3 and 26.7.4, solved by Newton's method; the expansion 26.7.5 above 1000 degrees.
    """
    known = _quantiles.get(degrees)
    if known is None:
        known = _quantiles[degrees] = _solve(degrees) if degrees <= _EXACT_UP_TO else _expanded(degrees)
    return known


def _solve(degrees: int) -> float:
    if degrees == 1:
        return math.tan(math.pi * 0.475)
    t = _expanded(degrees)
    for _ in range(60):
        step = (_within(t, degrees) - 0.95) / (2 * _density(t, degrees))
        t -= step
        if abs(step) <= 1e-14 * t:
            break
    return t


def _within(t: float, degrees: int) -> float:
    """The probability of a value between -t and t."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = degrees % 2
    term = total = cosine if odd else 1.0
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _density(t: float, degrees: int) -> float:
    gamma = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    return math.exp(gamma - (degrees + 1) / 2 * math.log1p(t * t / degrees)) / math.sqrt(degrees * math.pi)


def _expanded(degrees: int) -> float:
    """The quantile as that of the normal distribution and powers of 1 / degrees."""
    x = _NORMAL_975
    return (
        x
        + (x**3 + x) / (4 * degrees)
        + (5 * x**5 + 16 * x**3 + 3 * x) / (96 * degrees**2)
        + (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / (384 * degrees**3)
        + (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / (92160 * degrees**4)
    )
