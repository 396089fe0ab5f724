from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machinable.cli import main

SOURCE = Path(__file__).resolve().parents[2] / "src"

MODULES = {
    "mnist_data.py": '''
from machinable import Component


class MnistData(Component):
    """A dataset of handwritten characters."""

    Config = {"batch_size": 8, "name": "mnist"}

    def __call__(self):
        print(f"Downloading {self.config.name!r}")
        self.save_file("data.json", {"name": self.config.name, "batch_size": self.config.batch_size})

    def summary(self):
        return f"{self.config.name} in batches of {self.config.batch_size}"
''',
    "train.py": '''
from machinable import Component, Field


class Train(Component):
    """Learns something.

    With care.
    """

    Config = {
        "lr": 0.1,
        "steps": "???",
        "tag": "x",
        "optimizer": {"name": "adam", "decay": None},
        "device": Field("cpu", identifying=False),
    }
    uses = {"data": "mnist_data"}

    def version_small(self):
        """Fewer steps."""
        return {"steps": 1}

    def version_sized(self, steps, lr=0.5):
        return {"steps": steps, "lr": lr}

    def config_scaled(self, factor):
        return 0.1 * factor

    def __call__(self):
        if self.config.tag == "boom":
            self.explode()
        self.save_file("result.json", {"lr": self.config.lr})

    def explode(self):
        raise ValueError(f"no luck with lr={self.config.lr}")

    def summary(self):
        """The learning rate that was used."""
        return self.load_file("result.json")

    def values(self, first, *, last=None):
        return [first, last]

    def row(self):
        return (1, None, "ä")

    def nothing(self):
        return None

    def odd(self):
        return {1, }

    def leave(self):
        raise SystemExit("left")

    def lines(self):
        return "\\n".join(["line"] * 50_000)

    def on_success(self):
        pass

    def _private(self):
        pass

    answer = 42
''',
    "my_pool.py": '''
from machinable import Execution


class MyPool(Execution):
    """Runs them here, backwards."""

    Config = {"processes": 1}

    def __call__(self):
        print(f"with {self.config.processes} processes", flush=True)
        for component in reversed(self.pending_executables):
            component.dispatch()
''',
    "slow.py": """
import time

from machinable import Component


class Slow(Component):
    def __call__(self):
        print("started", flush=True)
        time.sleep(60)
""",
    "pair.py": """
from machinable import Component


class One(Component):
    pass


class Two(Component):
    pass
""",
    "broken.py": """
def divide():
    return 1 / 0


divide()
""",
    "version.py": """
from machinable import Component


class Version(Component):
    def name(self):
        return "my own version"
""",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory: a project with a few components."""
    (tmp_path / "pyproject.toml").write_text("[tool.machinable]\n")
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MACHINABLE_STORAGE", raising=False)
    yield tmp_path


class Done:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def refused(self) -> str:
        """The one line of an error message, after checking that it is one, and that nothing else happened."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert self.err.startswith("machinable: ") and self.err.count("\n") == 1, self.err
        return self.err.removeprefix("machinable: ").strip()


@pytest.fixture
def machinable(project: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The console function, called in this process."""

    def run(*words: str) -> Done:
        capfd.readouterr()
        code = main(words)
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture
def shell(project: Path) -> Callable[..., Done]:
    """`python -m machinable`, in a process of its own."""

    def run(*words: str, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "machinable", *words],
            env=variables(**environment),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def interrupted(project: Path) -> Callable[..., Done]:
    """`python -m machinable`, interrupted as by Ctrl-C once its first line has been printed."""

    def run(*words: str) -> Done:
        process = subprocess.Popen(
            [sys.executable, "-m", "machinable", *words],
            env=variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        return Done(process.returncode, first + out, err)

    return run


def variables(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MACHINABLE_")}
    return {**kept, "PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8", **more}
