"""Which engines there are: those of machinable, and those that other packages bring by an entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from machinable import engines
from tests.conftest import Workspace

PLUGIN = """
    from machinable import Execution
    from machinable.errors import ConfigurationError

    class Swarm(Execution):
        "Runs components in a swarm."
        Config = {"size": 1}

        @classmethod
        def from_argument(cls, argument):
            return {"size": int(argument)}

        def __call__(self):
            print("a swarm of", self.config.size)
            super().__call__()
"""


@pytest.fixture
def plugin(workspace: Workspace, tmp_path: Path) -> dict[str, str]:
    """The environment in which a package with an engine is installed."""
    site = tmp_path / "site"
    information = site / "swarm-1.0.dist-info"
    information.mkdir(parents=True)
    workspace.write(str(site / "swarm_engine.py"), PLUGIN)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: swarm\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[machinable.engines]\nswarm = swarm_engine:Swarm\nbroken = swarm_engine:Nothing\nnative = swarm_engine:Swarm\n"
    )
    workspace.write("job.py", "from machinable import Component\nclass Job(Component): pass\n")
    return {"PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}"}


def test_an_engine_of_another_package_is_found_by_its_name(
    workspace: Workspace, plugin: dict[str, str]
) -> None:
    done = workspace.command("execute", "job", "--engine", "swarm:3", **plugin)
    assert done.returncode == 0, done.stderr
    assert "a swarm of 3" in done.stdout
    done = workspace.command("job", "swarm", "size=2", "--launch", **plugin)
    assert "a swarm of 2" in done.stdout, done.stderr
    wrong = workspace.command("execute", "job", "--engine", "swram", **plugin)
    assert wrong.returncode == 2 and "Did you mean 'swarm'?" in wrong.stderr
    broken = workspace.command("execute", "job", "--engine", "broken", **plugin)
    assert broken.returncode == 2 and "can not be loaded: AttributeError" in broken.stderr


def test_what_machinable_has_itself_stands_before_it(workspace: Workspace, plugin: dict[str, str]) -> None:
    done = workspace.command("execute", "job", "--engine", "native", **plugin)
    assert done.returncode == 0 and "swarm" not in done.stdout


def test_the_command_tells_what_is_there_and_what_is_missing(
    workspace: Workspace, plugin: dict[str, str]
) -> None:
    # A Python without any of the optional libraries, on a machine without any of the commands.
    bare = {**plugin, "PATH": str(workspace.root)}
    code = """
        import sys
        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name in ("ray", "distributed", "mpi4py"):
                    raise ModuleNotFoundError(name)
        from importlib import util
        find = util.find_spec
        util.find_spec = lambda name, *more: None if name in ("ray", "distributed", "mpi4py") else find(name, *more)
        from machinable.cli.main import main
        sys.exit(main(sys.argv[1:]))
    """
    rows = json.loads(workspace.python(code, "engines", "--json", **bare).stdout)
    by_name = {row["engine"]: row for row in rows}
    assert list(by_name) == [*engines.BUILT_IN, "broken", "swarm"]
    assert by_name["native"]["available"] and by_name["native"]["install"] is None
    assert by_name["swarm"] == {
        "engine": "swarm",
        "available": True,
        "missing": [],
        "install": None,
        "about": "Runs components in a swarm.",
    }
    assert not by_name["broken"]["available"]
    assert by_name["slurm"]["missing"][0] == "the command sbatch"
    assert by_name["ray"]["install"] == "pip install 'machinable[ray]'"
    text = workspace.python(code, "engines", **bare).stdout
    assert "slurm         no" in text and "ray: pip install 'machinable[ray]'" in text
    assert workspace.command("engines", "ray").returncode == 2


def test_a_missing_command_of_slurm_is_a_missing_dependency(workspace: Workspace) -> None:
    workspace.write("job.py", "from machinable import Component\nclass Job(Component): pass\n")
    done = workspace.command("execute", "job", "--engine", "slurm", PATH=str(workspace.root))
    assert done.returncode != 0
    assert "The engine 'slurm' needs the command sbatch" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not workspace.storage.exists()


def test_listing_engines_imports_none_of_their_libraries(workspace: Workspace) -> None:
    code = (
        "import sys; from machinable.engines.availability import availabilities; availabilities();"
        "print([name for name in ('ray', 'distributed', 'mpi4py') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
