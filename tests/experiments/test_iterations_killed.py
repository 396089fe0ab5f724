"""Iterative components killed in the middle of a plan go on from their checkpoints, to the last bit."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.experiments.conftest import attempts, is_finished, results, unreadable

_WALK = """
import json
import os
import time
from machinable import Component

class Walk(Component):
    '''A random walk whose generator is part of the checkpoint.'''

    Config = {"n": 0, "steps": 25}
    checkpoint_seconds = 0.0

    def on_create(self):
        self.position = 0.0

    def on_execute_iteration(self, i):
        if i == self.config.steps:
            raise StopIteration
        self.position += self.rng.normal()
        self.record["step"] = i
        self.record["position"] = self.position
        time.sleep(0.004)

    def on_save(self, directory):
        with open(os.path.join(directory, "state.json"), "w") as file:
            json.dump([self.position, self.rng.bit_generator.state], file)

    def on_restore(self, directory):
        with open(os.path.join(directory, "state.json")) as file:
            self.position, self.rng.bit_generator.state = json.load(file)

    def on_destroy(self):
        self.save_file("result.json", [self.position, self.rng.random()])
"""

_SCRIPT = """
import os
import sys
os.setsid()
execute(Experiment().component("walk").repeat(6), sys.argv[1], "native:2", seed=42)
"""


def _rows(component: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (component / "record.jsonl").read_text().splitlines()]


def _saved(storage: Path) -> int:
    """How many rows there are."""
    return sum(path.read_bytes().count(b"\n") for path in storage.glob("00000g/[!.]*/record.jsonl"))


def test_the_record_has_every_row_once_and_the_result_is_the_same_to_the_last_bit(lab):
    lab.write("walk.py", _WALK)
    undisturbed = lab.root / "undisturbed"
    lab.script(_SCRIPT, str(undisturbed))
    expected = results(undisturbed / "00000g")
    assert len(expected) == 6

    chance = random.Random(8)
    kills, code = 0, None
    while code != 0:
        process = lab.start(_SCRIPT, str(lab.storage))
        if kills < 10:
            _wait(process, lab.storage, 0.02 + 0.06 * chance.random())
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _, err = process.communicate(timeout=60)
        code = process.returncode
        assert code in (0, -signal.SIGKILL), err
        kills += code != 0
        assert unreadable(lab.storage) == []
    assert kills >= 3
    assert results(lab.storage / "00000g") == expected
    resumed = 0
    for component in (lab.storage / "00000g").glob("[!.]*"):
        assert is_finished(component)
        assert [row["step"] for row in _rows(component)] == list(range(25))
        assert _rows(component) == _rows(undisturbed / "00000g" / component.name)
        started = [lines[0] for lines in attempts(component)]
        resumed += any(line["resumed_from"] for line in started)
    assert resumed, "no component was killed between its first step and its last"


def _wait(process, storage: Path, seconds: float) -> None:
    """Waits until something was saved since, and a while longer."""
    before, end = _saved(storage), time.monotonic() + 10
    while process.poll() is None and _saved(storage) == before and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(seconds)


@pytest.mark.parametrize("engine", ["native", "native:2"])
def test_a_plan_that_is_interrupted_goes_on_where_it_was(lab, engine):
    lab.write("walk.py", _WALK.replace("0.004", "0.06"))
    script = f"execute(Experiment().component('walk').repeat(3), 'results', {engine!r}, seed=42)"
    process = lab.start(script)
    _wait(process, lab.storage, 0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), err
    assert "interrupted" in err and "seed='00000g'" in err
    assert err.count('  File "') <= 3, f"a wall of frames of machinable: {err}"
    ends = [attempts(path)[-1][-1]["kind"] for path in (lab.storage / "00000g").glob("[!.]*")]
    assert "interrupted" in ends and "started" not in ends
    assert "resumed" in lab.script(script).stderr
    lab.script(f"execute(Experiment().component('walk').repeat(3), 'fresh', {engine!r}, seed=42)")
    assert results(lab.storage / "00000g") == results(lab.root / "fresh/00000g")
    for component in (lab.storage / "00000g").glob("[!.]*"):
        assert [row["step"] for row in _rows(component)] == list(range(25))
