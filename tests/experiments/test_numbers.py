"""Same ID, same numbers: from every library that draws, under every engine, however the plan is edited."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from machinable import Experiment, execute, get, grid
from tests.experiments.conftest import results

_DRAWS = """
import random
from machinable import Component

class Draws(Component):
    Config = {"n": 0, "library": "numpy"}

    def __call__(self):
        numbers = [self.seed, random.random()]
        if self.config.library == "numpy":
            import numpy
            numbers += [numpy.random.random(), int(numpy.random.randint(10**9)), self.rng.random()]
        if self.config.library == "torch":
            import torch
            numbers.append(torch.rand(1).item())
        self.save_file("numbers.json", [*numbers, random.random()])
"""

_ENGINES = {
    "native": "'native'",
    "fork": "get('native', {'processes': 2, 'start_method': 'fork'})",
    "forkserver": "get('native', {'processes': 2, 'start_method': 'forkserver'})",
    "spawn": "get('native', {'processes': 2, 'start_method': 'spawn'})",
    "preloaded": "get('native', {'processes': 2, 'preload': ['numpy']})",
    "workers kept": "get('native', {'processes': 2, 'reuse_processes': True})",
    "multiprocess": "get('multiprocess', {'processes': 2})",
    "own": "get('own')",
}

_OWN = """
from multiprocessing import Pool
from machinable import Execution

class Own(Execution):
    Config = {"processes": 2}

    def __call__(self):
        with Pool(self.config.processes, maxtasksperchild=1) as pool:
            for _ in pool.imap_unordered(lambda component: component.dispatch(), self.pending_executables):
                pass
"""


@pytest.fixture
def numbers(lab):
    lab.write("draws.py", _DRAWS)
    lab.write("own.py", _OWN)

    def execute_in_process(engine, storage, library="numpy", before=""):
        plan = f"Experiment().component('draws', {{'library': {library!r}}}).repeat(3)"
        lab.script(f"{before}execute({plan}, {storage!r}, {_ENGINES[engine]}, seed='OY1p1o')")
        return results(lab.root / storage / "OY1p1o", "numbers.json")

    return execute_in_process


def test_every_engine_and_start_method_draws_the_same_numbers(numbers):
    expected = numbers("native", "alone")
    assert len(expected) == 3 and len({tuple(values) for values in expected.values()}) == 3
    for engine in _ENGINES:
        assert numbers(engine, engine) == expected, engine


@pytest.mark.parametrize("engine", ["native", "fork", "forkserver"])
def test_it_does_not_matter_when_numpy_is_imported_or_what_was_drawn_before(numbers, engine):
    late = numbers(engine, "late")
    early = numbers(
        engine,
        "early",
        before="import random, numpy\nnumpy.random.seed(1)\nrandom.seed(2)\nnumpy.random.random()\n",
    )
    assert late == early


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_torch_draws_the_same_numbers(numbers):
    assert numbers("native", "alone", "torch") == numbers("spawn", "spawn", "torch")


def test_the_numbers_follow_from_the_seed_alone(numbers):
    import random

    import numpy

    for seed, drawn, numpy_random, _, own, _ in numbers("native", "alone").values():
        random.seed(seed)
        numpy.random.seed(seed)
        assert drawn == random.random() and numpy_random == numpy.random.random()
        assert own == numpy.random.default_rng(seed).random()


def test_executing_in_a_process_leaves_its_own_stream_of_numbers_as_it_was(lab):
    import random

    import numpy

    random.seed(1)
    numpy.random.seed(1)
    expected = (random.random(), numpy.random.random())
    random.seed(1)
    numpy.random.seed(1)
    lab.write("draws.py", _DRAWS)
    execute("draws", lab.storage)
    assert (random.random(), numpy.random.random()) == expected


def test_another_seed_draws_other_numbers(lab):
    lab.write("draws.py", _DRAWS)
    one = execute("draws", lab.storage, seed=1).components[0]
    two = execute("draws", lab.storage, seed=2).components[0]
    assert one.id != two.id
    assert one.load_file("numbers.json")[1] != two.load_file("numbers.json")[1]


def test_editing_a_plan_leaves_the_seeds_and_results_of_the_others_as_they_were(lab):
    lab.write("draws.py", _DRAWS)
    plan = Experiment().component("draws", grid(n=[1, 2])).repeat(2)
    execute(plan, lab.storage, seed=42)
    expected = results(lab.storage / "00000g", "numbers.json")
    edits = {
        "front": Experiment().component("draws", {"n": 9}) + plan,
        "order": Experiment().component("draws", grid(n=[2, 1])).repeat(2),
        "extended": Experiment().component("draws", grid(n=[0, 1, 2, 3])).repeat(2),
        "more trials": Experiment().component("draws", grid(n=[1, 2])).repeat(3),
        "named": Experiment().component("draws", grid(n=[1, 2]), name="renamed").repeat(2).named("again"),
        "resources": Experiment().component("draws", grid(n=[1, 2]), resources={"cpus": 1}).repeat(2),
    }
    for what, edited in edits.items():
        execute(edited, lab.root / what, seed=42)
        found = results(lab.root / what / "00000g", "numbers.json")
        assert {key: found[key] for key in expected} == expected, what
        assert len({values[0] for values in found.values()}) == len(found)


def test_fewer_trials_are_the_first_of_more(lab):
    lab.write("draws.py", _DRAWS)
    many = execute(Experiment().component("draws").repeat(5), lab.storage, seed=42)
    few = execute(Experiment().component("draws").repeat(2), lab.storage, seed=42)
    assert [component.id for component in few.components] == [
        component.id for component in many.components[:2]
    ]
    assert all(component.reused is not False for component in few.components)


def test_a_resumed_component_keeps_its_seed(lab):
    (lab.root / "fail-0").touch()
    execute("trace", lab.storage, seed=42, raise_on_failure=False)
    (lab.root / "fail-0").unlink()
    resumed = execute("trace", lab.storage, seed=42).components[0].load_file("result.json")
    assert resumed == execute("trace", lab.root / "fresh", seed=42).components[0].load_file("result.json")


def test_planned_and_asked_for_components_are_told_apart(lab):
    planned = execute("trace", lab.storage, seed=42).components[0]
    asked = execute(get("trace", seed=planned.seed), lab.storage, seed=42).components[0]
    assert asked.seed == planned.seed and asked.id != planned.id
