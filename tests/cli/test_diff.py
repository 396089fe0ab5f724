"""`machinable diff`: what two components, or two executions, differ in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get

Run = Callable[..., Any]

FIT = """
from machinable import Component


class Fit(Component):
    Config = {"lr": 0.1, "opt": {"name": "adam", "steps": 3}}

    def __call__(self):
        for step in range(self.config.opt.steps):
            self.record["loss"] = self.config.lr / (step + 1)
            self.record.save()
        self.save_file("weights.txt", "w" * self.config.opt.steps)
        self.save_file("same.json", {"a": 1})
        if self.config.lr > 1:
            self.save_file("extra.txt", "x")
"""


@pytest.fixture
def fits(machinable: Run, project: Path) -> tuple[Any, Any]:
    (project / "fit.py").write_text(FIT)
    machinable("fit", "--launch")
    machinable("fit", "lr=2.0", "opt.steps=4", "--launch")
    found = {each.config.lr: each for each in get.all("fit")}
    return found[0.1], found[2.0]


def test_two_components(machinable: Run, fits: tuple[Any, Any]) -> None:
    a, b = fits
    out = machinable("diff", a.id, b.id[:8]).out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[:2] == [f"a {a.id} ({a.nickname})", f"b {b.id} ({b.nickname})"]
    assert "lr 0.1 2.0" in lines and "opt.steps 3 4" in lines and "opt.name" not in out
    assert any(line.startswith("loss 0.0333") and line.endswith("0.5 (+1.4e+03 %)") for line in lines)
    assert "weights.txt 3 bytes 4 bytes" in lines
    assert "files only in b: extra.txt (1 byte)" in lines
    assert "files that are the same: same.json" in lines
    assert any(line.startswith("code: the same (by the fingerprints") for line in lines)


def test_as_json(machinable: Run, fits: tuple[Any, Any]) -> None:
    a, b = fits
    document = json.loads(machinable("diff", a.id, b.id, "--json").out)
    assert document["a"]["id"] == a.id
    assert document["config"] == {"lr": {"a": 0.1, "b": 2.0}, "opt.steps": {"a": 3, "b": 4}}
    assert document["results"]["files"]["only_b"] == {"extra.txt": 1}
    assert document["code"]["same"] is True and len(document["code"]["not_compared"]) == 2
    assert document["inputs"] == {} and document["scope"] == {}


def test_the_same_component_twice_differs_in_nothing(machinable: Run, fits: tuple[Any, Any]) -> None:
    document = json.loads(machinable("diff", fits[0].id, fits[0].id, "--json").out)
    for name in ("request", "config", "scope", "values", "inputs", "outcome"):
        assert document[name] == {}
    assert document["results"]["files"]["changed"] == {} and document["environment"]["packages"] == {}


def test_files_of_one_size_are_compared_by_content(machinable: Run, fits: tuple[Any, Any]) -> None:
    a, b = fits
    Path(b.directory, "same.json").write_bytes(Path(a.directory, "same.json").read_bytes()[::-1])
    document = json.loads(machinable("diff", a.id, b.id, "--json").out)
    assert "same.json" in document["results"]["files"]["changed"]


def test_inputs_seeds_and_scopes(machinable: Run, project: Path) -> None:
    machinable("train", "steps=1", "--launch")
    machinable("train", "steps=1", "uses.data=[mnist_data,{batch_size: 2}]", "scope", "fold=1", "--launch")
    first, second = get.all("train")
    document = json.loads(machinable("diff", first.id, second.id, "--json").out)
    assert document["inputs"] == {"data": {"a": first.uses["data"].id, "b": second.uses["data"].id}}
    assert document["scope"] == {"fold": {"b": 1}}
    assert document["request"]["seed"] == {"a": first.seed, "b": second.seed}


def test_executions_show_which_lines_of_the_code_differ(machinable: Run, shell: Run, project: Path) -> None:
    (project / "fit.py").write_text(FIT)
    # A process takes one snapshot, so each of them gets its own.
    shell("execute", "fit", "lr=0.1,0.2", "--grid", "--seed", "1")
    (project / "fit.py").write_text(FIT.replace('"x"', '"y"'))
    (project / "new.py").write_text("")
    shell("execute", "fit", "lr=0.1,0.4", "--grid", "--seed", "2")
    out = machinable("diff", "000001", "000002").out
    assert "1 component in both" in out and "only in a: 1 component" in out and "lr=0.4" in out
    assert 'self.save_file("extra.txt", "y")' in out and "only in b: new.py" in out
    document = json.loads(machinable("diff", "000001", "000002", "--json").out)
    assert document["code"]["files"]["changed"] == ["fit.py"] and document["seed"] == {"a": 1, "b": 2}
    assert document["components"]["both"] == 1
    short = machinable("diff", "000001", "000002", "--lines", "2").out
    assert "more lines: --lines N shows more" in short and '"y"' not in short
    members = [each.id for each in get.all("fit") if each.config.lr == 0.1]
    component = json.loads(machinable("diff", *members, "--json").out)
    assert component["code"]["same"] is False and component["code"]["files"]["changed"] == ["fit.py"]


def test_a_snapshot_that_can_not_be_read_is_named(machinable: Run, shell: Run, project: Path) -> None:
    shell("execute", "mnist_data", "--seed", "1")
    (project / "more.py").write_text("")
    shell("execute", "mnist_data", "--seed", "2")
    zips = sorted((project / "storage/.machinable/code").glob("*.zip"))
    zips[0].write_bytes(b"nothing")
    message = machinable("diff", "000001", "000002").refused()
    assert "can not be read" in message and zips[0].name in message
    zips[0].unlink()
    assert "is not in the storage" in machinable("diff", "000001", "000002").out


@pytest.mark.parametrize("words", [(), ("a",), ("a", "b", "c")])
def test_it_takes_two(machinable: Run, words: tuple[str, ...]) -> None:
    assert "takes two IDs" in machinable("diff", *words).refused()


def test_only_two_of_a_kind_are_compared(machinable: Run, project: Path) -> None:
    machinable("execute", "mnist_data", "--seed", "1")
    (component,) = get.all("mnist_data")
    assert "is an execution" in machinable("diff", "000001", component.id).refused()
    assert "There is no execution or component 'nope'" in machinable("diff", "nope", component.id).refused()


def test_a_damaged_record_and_no_storage(machinable: Run, fits: tuple[Any, Any]) -> None:
    a, b = fits
    path = Path(a.directory, ".machinable", "component.json")
    path.write_text('{"format":1,,}')
    assert "component.json" in machinable("diff", a.id, b.id).refused()
    assert not os.path.exists("elsewhere")
    machinable("diff", "a", "b", "--storage", "elsewhere").refused()
    assert not os.path.exists("elsewhere")
