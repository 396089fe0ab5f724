"""output.log: what each attempt printed, wherever it came from."""

from __future__ import annotations

import pickle

import pytest

from machinable import errors, get
from machinable.errors import ExecutionFailed

LOUD = """
    import os, subprocess, sys
    from machinable import Component


    class Loud(Component):
        Config = {"fails": False}

        def __call__(self):
            print("to stdout")
            print("to stderr", file=sys.stderr)
            sys.stdout.flush()
            os.write(1, b"from C to stdout\\n")
            os.write(2, b"from C to stderr\\n")
            subprocess.run([sys.executable, "-c", "print('from a child')"])
            subprocess.run(["sh", "-c", "echo from a shell >&2"])
            if self.config.fails:
                self.fail()

        def fail(self):
            raise LookupError("nothing there")
"""
PYTHON = ["to stdout", "to stderr"]
ALL = [*PYTHON, "from C to stdout", "from C to stderr", "from a child", "from a shell"]


@pytest.fixture
def loud(workspace):
    workspace.write("loud.py", LOUD)
    return workspace


def test_what_python_prints_is_stored_and_shown(loud, capsys):
    component = get("loud").launch()
    assert component.output().splitlines() == PYTHON
    shown = capsys.readouterr()
    assert "to stdout\n" in shown.out and "to stderr\n" in shown.err


def test_in_a_process_of_its_own_c_code_and_child_processes_are_stored_too(loud):
    loud.python(
        """
        from machinable import Storage, get
        with Storage("storage"), get("multiprocess"):
            get("loud").launch()
        """
    )
    assert sorted(get("loud").output().splitlines()) == sorted(ALL)


def test_the_traceback_is_stored_with_the_users_frames_only(loud):
    with pytest.raises(ExecutionFailed):
        get("loud", {"fails": True}).launch()
    lines = get("loud", {"fails": True}).output().splitlines()
    assert lines[:2] == PYTHON
    assert lines[2] == "Traceback (most recent call last):"
    assert lines[-1] == "LookupError: nothing there"
    assert sum(line.lstrip().startswith("File ") for line in lines) == 2
    assert not any("lifecycle.py" in line for line in lines)


def test_in_a_process_of_its_own_the_traceback_is_stored_too(loud):
    with pytest.raises(ExecutionFailed, match="LookupError: nothing there"), get("multiprocess"):
        get("loud", {"fails": True}).launch()
    assert get("loud", {"fails": True}).output().splitlines()[-1] == "LookupError: nothing there"


def test_a_silent_component_has_no_log(loud):
    loud.write("silent.py", "from machinable import Component\nclass Silent(Component):\n    pass\n")
    silent = get("silent").launch()
    assert sorted(path.name for path in silent.local_directory().iterdir()) == [".machinable"]
    assert silent.output() == ""


def test_each_attempt_has_a_log_of_its_own(loud):
    for _ in range(2):
        with pytest.raises(ExecutionFailed):
            get("loud", {"fails": True}).launch()
    directory = get("loud", {"fails": True}).local_directory()
    assert {path.name for path in directory.glob("output*")} == {"output.log", "output-2.log"}
    assert (directory / "output.log").read_text().count("to stdout") == 1
    assert (directory / "output-2.log").read_text().count("to stdout") == 1


def test_each_error_survives_pickling():
    for name in errors.__all__:
        kind = getattr(errors, name)
        error = kind("what happened")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind and str(again) == "what happened"
    failed = errors.ExecutionFailed("text", (("train", "abc", "reason"),))
    assert pickle.loads(pickle.dumps(failed)).failures == (("train", "abc", "reason"),)
    damaged = errors.DamagedRecord("text", True)
    assert pickle.loads(pickle.dumps(damaged)).recoverable


def test_an_exception_that_can_not_cross_processes_comes_as_text(loud):
    loud.write(
        "odd.py",
        """
        import threading
        from machinable import Component


        class OddError(Exception):
            def __init__(self, one, two):
                super().__init__(f"{one} and {two}")
                self.lock = threading.Lock()


        class Odd(Component):
            def __call__(self):
                raise OddError(1, 2)
        """,
    )
    with pytest.raises(ExecutionFailed, match="OddError: 1 and 2") as failure, get("multiprocess"):
        get("odd").launch()
    assert isinstance(failure.value.__cause__, errors.ComponentException)
    assert "OddError: 1 and 2" in str(failure.value.__cause__)
    assert "odd.py" in str(failure.value.__cause__)


def test_an_exception_whose_text_can_not_be_had_is_a_failure_like_any_other(loud):
    loud.write(
        "odd.py",
        """
        from machinable import Component


        class OddError(Exception):
            def __str__(self):
                raise RuntimeError("no text")


        class Odd(Component):
            def __call__(self):
                raise OddError
        """,
    )
    odd = get("odd")
    with pytest.raises(ExecutionFailed, match="OddError"):
        odd.launch()
    assert odd.status == "failed"


def test_output_that_is_no_text_is_shown_all_the_same(loud):
    loud.write(
        "bytes.py",
        """
        import sys
        from machinable import Component


        class Bytes(Component):
            def __call__(self):
                sys.stdout.buffer.write(b"\\xff\\xfe ok\\n")
                print("\\udcff lone")
        """,
    )
    text = get("bytes").launch().output()
    assert "ok\n" in text and "lone\n" in text
