"""Estimates pi from random points in a square: the share of them that lies in the circle is pi/4."""

import math
import random

from machinable import Component


class EstimatePi(Component):
    """Saves `pi.json`: the estimate, and its standard error."""

    Config = {"samples": 200_000}

    def __call__(self):
        # `random` is seeded with the component's own seed, so the estimate is the same wherever it is made.
        samples = self.config.samples
        hits = sum(random.random() ** 2 + random.random() ** 2 <= 1.0 for _ in range(samples))
        share = hits / samples
        self.save_file(
            "pi.json",
            {"estimate": 4 * share, "standard_error": 4 * math.sqrt(share * (1 - share) / samples)},
        )

    def summary(self):
        result = self.load_file("pi.json")
        print(
            f"pi is {result['estimate']:.5f} ± {result['standard_error']:.5f} ({self.config.samples} samples)"
        )
