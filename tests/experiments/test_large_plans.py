"""A plan of some thousand components is nothing special."""

from __future__ import annotations

_NOOP = """
from machinable import Component

class Noop(Component):
    Config = {"n": 0}

    def __call__(self):
        pass
"""

_TIMED = """
import sys
import time
plan = Experiment().component("noop", grid(n=list(range(int(sys.argv[1])))))
began = time.perf_counter()
execution = execute(plan, sys.argv[2], seed=42)
print((time.perf_counter() - began) / len(execution.components) * 1e6)
assert execution.is_finished()
"""


def test_three_thousand_components_run_in_one_process(lab):
    lab.write("noop.py", _NOOP)
    each = {
        count: lab.script(_TIMED, str(count), str(lab.root / str(count))).stdout.split()[1]
        for count in (300, 3000)
    }
    print(f"µs for each component: {each}")  # to be seen with -s; noisy machines are no reason to fail
    assert sum(1 for _ in (lab.root / "3000/00000g").glob("[!.]*")) == 3000
    again = lab.script(_TIMED, "3000", str(lab.root / "3000"))
    assert "3000 reused: nothing is left to run" in again.stderr


def test_the_end_of_a_long_plan_shows_a_table_of_readable_length(lab):
    lab.write("noop.py", _NOOP)
    result = lab.script(_TIMED, "500", str(lab.storage))
    assert len(result.stderr.splitlines()) < 100
    assert "500 finished" in result.stderr
