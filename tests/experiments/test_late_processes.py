"""A process that starts after the code was edited runs the code of the execution's begin, or says that it changed."""

from __future__ import annotations

import json
import time

import pytest

from tests.experiments.conftest import attempts, results

_LATE = """
import os
import time
from machinable import Component
from helping import VERSION as HELP

VERSION = "old"

class Late(Component):
    Config = {"n": 0}

    def __call__(self):
        open(f"began-{self.config.n}", "w").close()
        end = time.monotonic() + 20
        while self.config.n == 0 and not os.path.exists("edited") and time.monotonic() < end:
            time.sleep(0.01)
        self.save_file("result.json", [self.config.n, VERSION, HELP])
"""

_METHODS = ["fork", "forkserver", "spawn"]


def _edited_meanwhile(lab, engine: str) -> tuple[dict[int, list[str]], str]:
    lab.write("helping.py", "VERSION = 'old'\n")
    lab.write("late.py", _LATE)
    caller = lab.start(
        f"execute(Experiment().component('late', grid(n=[0, 1])), 'results', {engine}, seed=42)"
    )
    end = time.monotonic() + 30
    while not (lab.root / "began-0").exists():
        assert time.monotonic() < end and caller.poll() is None
        time.sleep(0.01)
    lab.write("late.py", _LATE.replace('"old"', '"edited"'))
    lab.write("helping.py", "VERSION = 'edited'\n")
    (lab.root / "edited").touch()
    _, err = caller.communicate(timeout=60)
    assert caller.returncode == 0, err
    return {values[0]: values[1:] for values in results(lab.storage / "00000g").values()}, err


@pytest.mark.parametrize("method", _METHODS)
def test_it_runs_the_code_of_the_begin_or_says_that_it_changed(lab, method):
    engine = f"get('native', {{'processes': 1, 'start_method': {method!r}}})"
    found, err = _edited_meanwhile(lab, engine)
    assert found[0] == ["old", "old"]
    assert found[1] == ["old", "old"] or "changed" in err, f"it ran {found[1]} and said nothing:\n{err}"


@pytest.mark.parametrize("method", _METHODS)
def test_the_fingerprint_is_that_of_the_code_that_ran(lab, method):
    engine = f"get('native', {{'processes': 1, 'start_method': {method!r}}})"
    found, _ = _edited_meanwhile(lab, engine)
    codes = {
        json.loads((path / "result.json").read_text())[0]: attempts(path)[0][0]["code"]
        for path in (lab.storage / "00000g").glob("[!.]*")
    }
    assert (codes[0] == codes[1]) == (found[0] == found[1])


def test_in_one_process_the_code_stays_that_of_the_begin(lab):
    found, _ = _edited_meanwhile(lab, "'native'")
    assert found == {0: ["old", "old"], 1: ["old", "old"]}


def test_what_ran_before_the_edit_is_known_to_be_of_older_code_afterwards(lab):
    _edited_meanwhile(lab, "'native'")
    result = lab.script("execute(Experiment().component('late', grid(n=[0, 1])), 'results', seed=42)")
    assert "its code has changed since it finished" in result.stderr and "2 reused" in result.stderr
