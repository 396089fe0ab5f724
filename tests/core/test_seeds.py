"""Random numbers: the same ones for the same component, and none taken from the caller."""

from __future__ import annotations

import random

import numpy
import pytest

from machinable import get
from machinable.errors import ConfigurationError

DRAWS = """
    import random
    from machinable import Component


    class Draws(Component):
        Config = {"n": 2}

        def __call__(self):
            import numpy
            numbers = [random.random(), float(numpy.random.random()), float(self.rng.random())]
            self.save_file("numbers.json", numbers)
"""


@pytest.fixture
def draws(workspace):
    workspace.write("draws.py", DRAWS)
    return workspace


def test_the_seed_follows_from_the_request(draws):
    draw = get("draws")
    assert draw.seed == get("draws").seed != get("draws", {"n": 3}).seed
    assert draw.seed == int(draw.identity[:8], 16)


def test_a_given_seed_is_another_component_with_this_seed(draws):
    given = get("draws", seed=7)
    assert given.seed == 7
    assert given.id != get("draws").id
    assert given.launch().seed == 7
    assert get.by_id(given.id).seed == 7
    assert get("draws", seed=7).cached() and not get("draws").cached()


@pytest.mark.parametrize("seed", [-1, 2**32, True, 1.5, "7"])
def test_a_seed_that_is_none_is_refused(draws, seed):
    with pytest.raises(ConfigurationError, match=r"an integer in \[0, 2\*\*32\) is needed"):
        get("draws", seed=seed)


def test_a_lost_result_is_made_again_with_the_same_numbers(draws):
    first = get("draws").launch()
    numbers = first.load_file("numbers.json")
    draws.python(
        """
        import shutil
        from machinable import Storage, get
        with Storage("again"):
            print(get("draws").launch().load_file("numbers.json"))
        """
    )
    from machinable import Storage

    with Storage("again"):
        again = get("draws")
        assert again.cached()  # run where NumPy was first imported inside of the component
        assert again.load_file("numbers.json") == numbers
    assert first.invalidate().launch().load_file("numbers.json") == numbers


def test_a_new_component_draws_other_numbers(draws):
    first = get("draws").launch()
    second = get.new("draws").launch()
    assert second.seed != first.seed
    assert second.load_file("numbers.json") != first.load_file("numbers.json")


def test_the_callers_random_numbers_go_on_as_if_nothing_had_run(draws):
    random.seed(1)
    numpy.random.seed(1)
    undisturbed = [random.random(), random.gauss(0, 1), numpy.random.random(), numpy.random.normal()]
    random.seed(1)
    numpy.random.seed(1)
    found = [random.random()]
    get("draws").launch()
    found += [random.gauss(0, 1), numpy.random.random()]
    get("draws", {"n": 3}).launch()
    found += [numpy.random.normal()]
    assert found == undisturbed


def test_a_launch_inside_of_a_component_does_not_disturb_its_numbers(draws):
    draws.write(
        "outer.py",
        """
        import random
        import numpy
        from machinable import Component, get


        class Outer(Component):
            Config = {"nested": False}

            def __call__(self):
                numbers = [random.random(), numpy.random.random()]
                if self.config.nested:
                    get("draws").launch()
                self.save_file("numbers.json", [*numbers, random.random(), numpy.random.random()])
        """,
    )
    alone = get("outer", seed=5).launch()
    nested = get("outer", {"nested": True}, seed=5).launch()
    assert get("draws").cached()
    assert nested.load_file("numbers.json") == alone.load_file("numbers.json")


def test_overriding_on_seeding_replaces_the_seeding(draws):
    draws.write(
        "own.py",
        """
        import random
        from machinable import Component


        class Own(Component):
            def on_seeding(self):
                random.seed("mine")

            def __call__(self):
                self.save_file("number.json", random.random())
        """,
    )
    assert get("own").launch().load_file("number.json") == random.Random("mine").random()


def test_the_generator_of_a_component_follows_from_its_seed(draws):
    draw = get("draws").launch()
    assert draw.load_file("numbers.json")[2] == numpy.random.default_rng(draw.seed).random()
