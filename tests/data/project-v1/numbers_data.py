"""Draws numbers."""

import random

from machinable import Component


class NumbersData(Component):
    """Saves `numbers.json`: `count` random numbers in [0, 1)."""

    Config = {"count": 4}

    def __call__(self):
        self.save_file("numbers.json", [random.random() for _ in range(self.config.count)])
        print(f"drew {self.config.count} numbers")
