"""Bad input costs one clear line: nothing is printed on standard output, and no storage is made or changed."""

from __future__ import annotations

import pytest

from machinable import Experiment, errors, execute
from machinable.errors import MachinableError

_BAD = {
    "native:0": ("execute('trace', 'results', 'native:0')", "native:0", "at least 1"),
    "native:-1": ("execute('trace', 'results', 'native:-1')", "native:-1", "at least 1"),
    "native:x": ("execute('trace', 'results', 'native:x')", "native:x", "at least 1"),
    "native:": ("execute('trace', 'results', 'native:')", "native:", "at least 1"),
    "native:2.5": ("execute('trace', 'results', 'native:2.5')", "native:2.5", "at least 1"),
    "an unknown engine": ("execute('trace', 'results', 'nativ:2')", "nativ", "'native'"),
    "a number as engine": ("execute('trace', 'results', 3)", "3", "native:4"),
    "a component as engine": ("execute('trace', 'results', 'trace')", "trace", "engine"),
    "a negative seed": ("execute('trace', 'results', seed=-1)", "-1", "from 0 to 56800235583"),
    "a seed too large": ("execute('trace', 'results', seed=62**6)", "56800235584", "from 0 to 56800235583"),
    "a seed too short": ("execute('trace', 'results', seed='abc')", "abc", "6"),
    "a seed too long": ("execute('trace', 'results', seed='OY1p1oX')", "OY1p1oX", "6"),
    "a seed with other characters": ("execute('trace', 'results', seed='OY-p1o')", "OY-p1o", "6"),
    "a bool as seed": ("execute('trace', 'results', seed=True)", "True", "seed"),
    "a float as seed": ("execute('trace', 'results', seed=1.0)", "1.0", "seed"),
    "repeat(0)": ("execute(Experiment().component('trace').repeat(0), 'results')", "repeat(0)", "at least 1"),
    "repeat(-1)": (
        "execute(Experiment().component('trace').repeat(-1), 'results')",
        "repeat(-1)",
        "at least 1",
    ),
    "repeat(True)": (
        "execute(Experiment().component('trace').repeat(True), 'results')",
        "repeat(True)",
        "at least 1",
    ),
    "repeat of nothing": ("execute(Experiment().repeat(3), 'results')", "repeat(3)", "nothing is planned"),
    "split(0)": ("execute(Experiment().component('trace').split(0), 'results')", "split(0)", "at least 1"),
    "an empty plan": ("execute(Experiment(), 'results')", "empty", ".component('train')"),
    "an empty list": ("execute([], 'results')", "empty", ".component('train')"),
    "an empty list of versions": (
        "execute(Experiment().component('trace', []), 'results')",
        "trace",
        "empty list",
    ),
    "a plan that is a number": ("execute(3, 'results')", "3", "Experiment"),
    "a plan that is None": ("execute(None, 'results')", "None", "Experiment"),
    "unknown uses": (
        "execute(Experiment().component('trace').component('trace', {'n': 1}, uses='traec'), 'results')",
        "'traec'",
        "'trace'",
    ),
    "uses of something else": ("execute(Experiment().component('trace', uses=3), 'results')", "trace", "3"),
    "an ambiguous input": (
        (
            "plan = Experiment().component('trace', grid(n=[1, 2]))\n"
            "execute(plan.component('trace', {'n': 3}, name='user', uses='trace'), 'results')"
        ),
        "user",
        "any of",
    ),
    "an unknown module": ("execute('trac', 'results')", "trac", "'trace'"),
    "an unknown module in a plan": ("execute(Experiment().component('trac'), 'results')", "trac", "'trace'"),
    "an unknown key": ("execute(Experiment().component('trace', {'nn': 1}), 'results')", "'nn'", "'n'"),
    "an unknown key in the last of many": (
        "execute(Experiment().component('trace', [{'n': 1}, {'n': 2}, {'secondz': 1}]), 'results')",
        "'secondz'",
        "version 3 of 3",
    ),
    "a wrong type": ("execute(Experiment().component('trace', {'n': 'x'}), 'results')", "'x'", "trace"),
    "an unknown version": ("execute(Experiment().component('trace', '~small'), 'results')", "small", "trace"),
    "NaN": (
        "execute(Experiment().component('trace', {'seconds': float('nan')}), 'results')",
        "seconds",
        "nan",
    ),
    "a module that raises": ("execute(Experiment().component('broken'), 'results')", "broken", "broken.py"),
    "a module without a component": ("execute('empty', 'results')", "empty", "omponent"),
    "max_failures=0": ("execute('trace', 'results', max_failures=0)", "max_failures", "0"),
    "max_failures='x'": ("execute('trace', 'results', max_failures='x')", "max_failures", "x"),
    "max_failures=1.5": ("execute('trace', 'results', max_failures=1.5)", "max_failures", "1.5"),
    "a storage that is a file": ("execute('trace', 'trace.py')", "trace.py", ""),
    "an unknown kind of storage": ("execute('trace', 'floppy://results')", "floppy", ""),
    "a number as storage": ("execute('trace', 3)", "3", "storage"),
    "bytes as storage": ("execute('trace', b'results')", "results", "storage"),
    "no such project": ("execute('trace', 'results', project='nowhere')", "nowhere", ""),
    "unknown resources": (
        "execute(Experiment().component('trace', resources=3), 'results')",
        "resources",
        "3",
    ),
    "no name": ("execute('', 'results')", "''", ""),
    "more than 100,000": (
        "execute(Experiment().component('trace').repeat(100_001), 'results')",
        "100,001",
        "100,000",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_one_clear_line_and_nothing_touched(lab, capfd, case):
    source, *expected = _BAD[case]
    lab.write("broken.py", "raise RuntimeError('at import')\n")
    lab.write("empty.py", "x = 1\n")
    names = {"execute": execute, "Experiment": Experiment, "grid": __import__("machinable").grid}
    before = _files(lab.root)
    with pytest.raises(MachinableError) as caught:
        exec(source, names)
    message = str(caught.value)
    assert all(part in message for part in expected), message
    assert len(message.splitlines()) <= (2 if case == "a module that raises" else 1), message
    assert type(caught.value) in (errors.ConfigurationError, errors.ProjectError, errors.StorageError)
    assert capfd.readouterr().out == ""
    assert _files(lab.root) == before


def _files(root):
    return sorted(str(path) for path in root.rglob("*") if "__pycache__" not in path.parts)


def test_a_plan_that_is_wrong_at_its_end_leaves_an_existing_storage_as_it_was(lab, capfd):
    execute(Experiment().component("trace"), lab.storage, seed=42)
    capfd.readouterr()
    before = {path: path.stat().st_mtime_ns for path in lab.storage.rglob("*")}
    for plan in ("trace", {"n": 1}), ("trac", None), ("trace", {"nn": 1}):
        with pytest.raises(MachinableError):
            execute(
                Experiment().component("trace", {"n": 5}).component(*plan).component("trac"),
                lab.storage,
                seed=42,
            )
    assert {path: path.stat().st_mtime_ns for path in lab.storage.rglob("*")} == before
    assert capfd.readouterr().out == ""
