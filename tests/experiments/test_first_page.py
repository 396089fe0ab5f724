"""The page that a newcomer reads: a plan of three trials, executed as it stands there."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.experiments.conftest import results

_PAGE = """
from machinable import Experiment, execute
execute(Experiment().component("optimization").repeat(3))
"""

_OPTIMIZATION = """
import random
from machinable import Component

class Optimization(Component):
    Config = {"lr": 0.1}

    def __call__(self):
        print("optimizing")
        self.save_file("result.json", [self.trial.number, self.seed, random.random()])
"""


@pytest.fixture
def page(workspace):
    workspace.write("optimization.py", _OPTIMIZATION)

    def run(call: str, check: bool = True):
        workspace.write(
            "page.py",
            "from machinable import Experiment, execute, get\n"
            f"plan = Experiment().component('optimization').repeat(3)\n{call}\n",
        )
        return workspace.script("page.py", check=check)

    run.root = workspace.root
    return run


def test_the_page_runs_word_by_word_and_prints_the_id_first(page, workspace):
    workspace.write("page.py", _PAGE)
    result = workspace.script("page.py")
    assert re.fullmatch(r"[0-9A-Za-z]{6}", result.stdout.splitlines()[0])
    assert result.stdout.count("optimizing") == 3
    assert "kept in memory" in result.stderr and "storage=" in result.stderr
    assert "3 new" in result.stderr
    assert not (workspace.root / "storage").exists()


def test_each_trial_has_its_own_number_and_seed(page):
    page("execute(plan, storage='results', seed=42)")
    found = sorted(results(page.root / "results" / "00000g").values())
    assert [number for number, _, _ in found] == [0, 1, 2]
    assert len({seed for _, seed, _ in found}) == len({draw for _, _, draw in found}) == 3


def test_results_lie_below_the_storage_and_the_id(page):
    result = page("execution = execute(plan, storage='results')\nprint(execution.id, execution.seed)")
    id_ = result.stdout.splitlines()[0]
    assert len(results(page.root / "results" / id_)) == 3
    assert result.stdout.splitlines()[-1].split()[0] == id_
    assert "in memory" not in result.stderr


def test_a_home_directory_in_the_storage_path_is_expanded(page, monkeypatch):
    monkeypatch.setenv("HOME", str(page.root / "home"))
    page("execute(plan, storage='~/results', seed=42)")
    assert len(results(page.root / "home" / "results" / "00000g")) == 3


def test_memory_is_gone_when_the_process_ends(page):
    result = page("print(execute(plan).components[0].directory)")
    directory = Path(result.stdout.splitlines()[-1])
    assert not directory.exists() and not directory.parent.exists()


def test_five_processes_are_one_changed_word(page):
    result = page("execute(plan, storage='results', engine='native:5', seed=42)")
    page("execute(plan, storage='alone', seed=42)")
    assert result.stdout.splitlines()[0] == "00000g"
    assert results(page.root / "results/00000g") == results(page.root / "alone/00000g")


def test_a_run_is_reproduced_by_its_six_characters(page):
    first = page("execute(plan, storage='first', seed='OY1p1o')")
    page(
        "from machinable.identity.seeds import parse_seed\nexecute(plan, storage='second', seed=parse_seed('OY1p1o'))"
    )
    assert first.stdout.splitlines()[0] == "OY1p1o"
    assert results(page.root / "first/OY1p1o") == results(page.root / "second/OY1p1o")
    drawn = page("execute(plan, storage='drawn')").stdout.splitlines()[0]
    page(f"execute(plan, storage='again', seed='{drawn}')")
    assert results(page.root / "drawn" / drawn) == results(page.root / "again" / drawn)


@pytest.mark.parametrize("engine", ["native", "native:2"])
def test_overriding_on_seeding_replaces_what_is_seeded(page, workspace, engine):
    own = _OPTIMIZATION + "\n    def on_seeding(self):\n        random.seed(f'own {self.seed}')\n"
    workspace.write("optimization.py", own)
    page(f"execute(plan, storage='results', seed=42, engine='{engine}')")
    import random

    for _, seed, draw in results(page.root / "results/00000g").values():
        assert draw == random.Random(f"own {seed}").random()


def test_the_code_lies_in_a_zip_of_the_storage_and_can_be_restored(page, tmp_path):
    page("execute(plan, storage='results', seed=42)")
    [run] = (page.root / "results/00000g/.machinable/runs").iterdir()
    code = json.loads(run.read_text())["code"]["hash"]
    archive = page.root / "results/.machinable/code" / f"{code}.zip"
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        assert "optimization.py" in names and "page.py" in names
        assert not any(name.startswith("results/") for name in names)
        file.extractall(tmp_path / "restored")
    assert (tmp_path / "restored/optimization.py").read_text() == (page.root / "optimization.py").read_text()


def test_the_command_restores_the_code_of_an_execution(page, workspace, tmp_path):
    page("execute(plan, storage='results', seed=42)")
    before = (page.root / "optimization.py").read_text()
    workspace.write("optimization.py", "raise RuntimeError('edited since')\n")
    result = workspace.command("--storage", "results", "code", "00000g", "--to", str(tmp_path / "restored"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "restored/optimization.py").read_text() == before


def test_the_execution_answers_for_its_components(page):
    result = page(
        "e = execute(plan, storage='results', seed=42)\n"
        "print(len(e.components), e.is_started(), e.is_finished(), e.is_failed(), e.is_active())\n"
        "c = e.components[1]\n"
        "print(e.status(c), c.execution is e, c.trial.number, c.trial.total, repr(e.output(c)))\n"
        "again = execute(plan, storage='results', seed=42)\n"
        "print(again.directory == e.directory, again.components[1].execution.id, again.is_finished())\n"
    )
    lines = result.stdout.splitlines()
    assert lines[4:6] == ["3 True True False False", "finished True 1 3 'optimizing\\n'"]
    assert lines[6:] == ["00000g", "True 00000g True"]
