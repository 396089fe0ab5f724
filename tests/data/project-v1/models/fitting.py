"""The mean of some numbers, by steepest descent."""

import json
import os
import signal
import sys

from machinable import Component, Field


class Fit(Component):
    """One step per iteration. `SAMPLE_STOP` says how the sample's unlucky ones come to their end."""

    uses = {"data": "numbers_data"}
    Config = {
        "rate": 0.5,
        "steps": 4,
        "method": {"name": "descent", "momentum": 0.0},
        "tags": [],
        "device": Field("cpu", identifying=False),
    }
    checkpoint_seconds = 0.0

    def on_create(self):
        self.numbers = self.uses["data"].load_file("numbers.json")
        self.mean = 0.0

    def on_execute_iteration(self, i):
        if i >= self.config.steps:
            self.save_file("results/mean.json", {"mean": self.mean})
            raise StopIteration
        gradient = sum(self.mean - number for number in self.numbers) / len(self.numbers)
        self.mean -= self.config.rate * gradient
        self.record["step"] = i
        self.record["mean"] = self.mean
        print(f"step {i}")
        if i == 2:
            self.come_to_an_end()

    def come_to_an_end(self):
        how = os.environ.get("SAMPLE_STOP")
        if how == "raise":
            raise ValueError("the sample was told to fail")
        if how == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "kill":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_save(self, directory):
        with open(os.path.join(directory, "mean.json"), "w", encoding="utf-8") as file:
            json.dump(self.mean, file)

    def on_restore(self, directory):
        with open(os.path.join(directory, "mean.json"), encoding="utf-8") as file:
            self.mean = json.load(file)
