"""Random numbers of a run, and those of its caller."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.component.seeding import seed_all, seeded

np = pytest.importorskip("numpy")

FAKE_TORCH = """
state, calls = 0, []
def manual_seed(seed):
    global state
    state = seed
def seed():
    manual_seed(-1)
def get_rng_state():
    return state
def set_rng_state(to):
    manual_seed(to)
class cuda:
    is_initialized = is_available = staticmethod(lambda: False)
"""
FAKE_TENSORFLOW = """
class random:
    seed = None
    @classmethod
    def set_seed(cls, seed):
        cls.seed = seed
"""


def run(body: str, directory: Path) -> str:
    """A fresh process, in which no library is loaded yet, with a torch and a tensorflow of few lines."""
    for name, text in (("torch", FAKE_TORCH), ("tensorflow", FAKE_TENSORFLOW)):
        (directory / f"{name}.py").write_text(text)
    script = "import sys\nfrom machinable.component.seeding import seed_all, seeded\n" + body
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=directory, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def draw() -> tuple[float, float, float]:
    return random.random(), random.gauss(0, 1), float(np.random.rand())


def test_the_same_seed_gives_the_same_numbers() -> None:
    with seeded(7, restore=True):
        first = draw()
    with seeded(7, restore=True):
        assert draw() == first
    with seeded(8, restore=True):
        assert draw() != first


def test_the_seed_is_what_random_and_numpy_are_seeded_with() -> None:
    with seeded(7, restore=True):
        assert random.random() == random.Random(7).random()
        assert np.random.rand() == np.random.RandomState(7).rand()


def test_the_callers_numbers_go_on_as_if_nothing_had_been_drawn() -> None:
    def caller(launches: bool) -> list[tuple[float, float, float]]:
        seed_all(1)
        drawn = []
        for _ in range(3):
            drawn.append(draw())
            if launches:
                with seeded(7, restore=True):
                    draw()
                with pytest.raises(ZeroDivisionError), seeded(8, restore=True):
                    draw()
                    raise ZeroDivisionError
        return drawn

    with seeded(0, restore=True):
        assert caller(launches=True) == caller(launches=False)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 700), st.booleans()), min_size=1, max_size=4), st.integers(0, 2**32 - 1)
)
def test_the_callers_state_is_given_back_from_any_place_in_the_stream(
    steps: list[tuple[int, bool]], seed: int
) -> None:
    expected = random.Random(seed)
    random.seed(seed)
    for words, gauss in steps:
        for generator in (random, expected):
            for _ in range(words):
                generator.getrandbits(32)
            if gauss:
                generator.gauss(0, 1)
        for _ in range(2):
            with seeded(5, restore=True):
                random.random()
        assert random.random() == expected.random()
    assert [random.gauss(0, 1) for _ in range(700)] == [expected.gauss(0, 1) for _ in range(700)]


def test_an_inner_run_leaves_the_outer_one_as_it_was() -> None:
    with seeded(1, restore=True):
        alone = [draw(), draw()]
    with seeded(1, restore=True):
        with_inner = [draw()]
        with seeded(2, restore=True):
            draw()
        with_inner.append(draw())
    assert with_inner == alone


def test_without_restore_the_numbers_go_on() -> None:
    with seeded(0, restore=True):
        with seeded(7, restore=False):
            expected = [draw(), draw()]
        with seeded(7, restore=False):
            assert draw() == expected[0]
        assert draw() == expected[1]


def test_without_a_seed_nothing_is_seeded_until_asked(tmp_path: Path) -> None:
    run(
        """
with seeded(restore=True):
    import random
    seed_all(7)
    assert random.random() == random.Random(7).random()
    import torch
    assert torch.state == 7
with seeded(restore=True):
    import tensorflow
    assert tensorflow.random.seed is None
""",
        tmp_path,
    )


def test_a_seed_that_numpy_would_refuse_is_refused() -> None:
    before = random.getstate()
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=r"\[0, 2\*\*32\)"), seeded(seed, restore=True):
            pass
    assert random.getstate() == before


def test_libraries_are_seeded_when_they_are_loaded_later(tmp_path: Path) -> None:
    run(
        """
assert not {"random", "numpy", "torch"} & set(sys.modules)
with seeded(7, restore=True):
    import torch, tensorflow, importlib, random
    assert torch.state == tensorflow.random.seed == 7
    assert random.random() == random.Random(7).random()
    import numpy
    assert numpy.random.rand() == numpy.random.RandomState(7).rand()
    assert type(torch.__spec__.loader) is type(torch.__loader__) is type(importlib.import_module("json").__loader__)
    assert importlib.reload(torch) is torch
""",
        tmp_path,
    )


def test_libraries_that_a_thread_of_the_run_loads_are_seeded(tmp_path: Path) -> None:
    run(
        """
import threading
def load():
    import torch
    assert torch.state == 7
    sys.modules["loaded"] = torch
with seeded(7, restore=True):
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
assert "loaded" in sys.modules
""",
        tmp_path,
    )


def test_looking_for_a_library_loads_nothing_and_changes_nothing(tmp_path: Path) -> None:
    run(
        """
import importlib.util
with seeded(7, restore=True):
    spec = importlib.util.find_spec("torch")
    assert spec.origin.endswith("torch.py") and spec.loader.get_filename("torch") == spec.origin
    assert importlib.util.find_spec("json.nothing") is None
    assert "torch" not in sys.modules
""",
        tmp_path,
    )


def test_a_library_that_fails_to_load_fails_as_ever(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('no libcuda')")
    run(
        """
sys.path.insert(0, "broken")
with seeded(7, restore=True):
    try:
        import torch
    except ImportError as error:
        assert str(error) == "no libcuda"
    else:
        raise AssertionError
    assert "torch" not in sys.modules
""",
        tmp_path,
    )


def test_a_library_that_an_inner_run_loaded_is_as_if_the_outer_had_loaded_it(tmp_path: Path) -> None:
    body = """
with seeded(1, restore=True):
    {}
    import random, numpy, torch
    print(random.random(), numpy.random.rand(), torch.state)
"""
    inner = "exec('with seeded(2, restore=True):\\n import random, numpy.random, torch; random.random()')"
    assert run(body.format(inner), tmp_path) == run(body.format("pass"), tmp_path)


def test_a_library_that_a_run_loaded_gives_its_caller_fresh_numbers(tmp_path: Path) -> None:
    body = """
with seeded(1, restore=True):
    import random, numpy, numpy.random, torch
print(random.random(), numpy.random.rand())
assert torch.state == -1
"""
    assert run(body, tmp_path) != run(body, tmp_path)


def test_torch_is_given_back_as_it_was(tmp_path: Path) -> None:
    run(
        """
import torch
torch.manual_seed(3)
with seeded(7, restore=True):
    assert torch.state == 7
assert torch.state == 3
""",
        tmp_path,
    )


def test_runs_in_threads_give_the_state_of_before_the_first_back_after_the_last() -> None:
    random.seed(3)
    first_left, both_in = threading.Event(), threading.Barrier(2)

    def first() -> None:
        with seeded(1, restore=True):
            both_in.wait()
        first_left.set()

    def second() -> None:
        with seeded(2, restore=True):
            both_in.wait()
            first_left.wait()
            random.random()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert random.random() == random.Random(3).random()


def test_a_forked_child_seeds_for_itself() -> None:
    with seeded(1, restore=True):
        child = os.fork()
        if child == 0:
            with seeded(7, restore=True):
                ok = random.random() == random.Random(7).random()
            os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert random.random() == random.Random(1).random()


def test_there_is_one_hook_per_process(tmp_path: Path) -> None:
    run(
        """
before = len(sys.meta_path)
for _ in range(3):
    with seeded(1, restore=True), seeded(2, restore=False):
        pass
assert len(sys.meta_path) == before + 1
import random
assert type(random.__loader__).__name__ == "SourceFileLoader"
""",
        tmp_path,
    )
