"""`machinable ls`, `show` and `rm`: what is in the storage, and what leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machinable import get
from tests.cli.running import STEPS, await_until, started

Run = Callable[..., Any]


def test_ls_lists_components_with_what_varies(machinable: Run, project: Path) -> None:
    assert "there is no component in ./storage" in machinable("ls").err
    machinable("train", "@small", "--launch")
    machinable("execute", "mnist_data", "name=a,b", "--grid", "--seed", "1")
    (train,) = get.all("train")
    out = machinable("ls").out
    assert len(out.splitlines()) == 5 and train.id in out and out.count("000001/") == 2
    lines = machinable("ls", "mnist_data").out.splitlines()
    assert lines[0].split() == ["id", "name", "trial", "time", "when", "state"]
    assert [line.split()[1] for line in lines[1:]] == ["mnist", "a", "b"]
    assert [row["module"] for row in json.loads(machinable("ls", "train", "--json").out)] == ["train"]
    assert "no component of trian" in machinable("ls", "trian").err
    assert "one module at most" in machinable("ls", "a", "b").refused()


def test_show_tells_all_of_a_component(machinable: Run, project: Path) -> None:
    machinable("train", "@small", "--launch")
    (train,), (data,) = get.all("train"), get.all("mnist_data")
    out = machinable("show", train.id[:8]).out
    assert out.startswith("train\n") and f"{train.id} ({train.nickname})" in out
    rows = dict(line.split(maxsplit=1) for line in out.splitlines()[1:])
    assert (rows["input.data"], rows["config.lr"], rows["files"]) == (data.id, "0.1", "result.json")
    assert "finished after" in rows["attempt"]
    document = json.loads(machinable("show", train.id, "--json").out)
    assert document["inputs"] == {"data": data.id} and document["files"] == ["result.json"]
    assert document["attempts"][0]["end"]["kind"] == "finished"


def test_show_tells_all_of_an_execution(machinable: Run) -> None:
    machinable("execute", "mnist_data", "--seed", "1")
    machinable("execute", "mnist_data", "--repeat", "2", "--seed", "1")
    out = machinable("show", "000001").out
    assert "seed 1 · 2 runs" in out and out.count("  run ") == 2 and out.count("    code ") == 2
    document = json.loads(machinable("show", "000001", "--json").out)
    assert len(document["runs"]) == 2 and len(document["components"]) == 2


def test_rm_moves_to_the_trash(machinable: Run, project: Path) -> None:
    machinable("execute", "mnist_data", "--seed", "1")
    machinable("mnist_data", "--launch")
    (component,) = (each for each in get.all("mnist_data") if "000001" not in each.directory)
    done = machinable("rm", "000001", component.id, "--yes")
    assert done.code == 0 and done.out.startswith(
        "moved execution 000001 (1 component) to ./storage/.machinable/trash/"
    )
    assert get.all() == [] and get.by_id("000001") is None
    trash = sorted(path.name.partition(".")[0] for path in (project / "storage/.machinable/trash").iterdir())
    assert trash == sorted(["000001", component.id])


def test_rm_refuses_what_others_use(machinable: Run) -> None:
    machinable("train", "@small", "--launch")
    (train,), (data,) = get.all("train"), get.all("mnist_data")
    message = machinable("rm", data.id, "--yes").refused()
    assert f"mnist_data {data.id} is used by train {train.id}" in message
    assert machinable("rm", data.id, train.id, "--yes").code == 0


def test_rm_refuses_what_runs_and_asks(shell: Run, project: Path) -> None:
    (project / "steps.py").write_text(STEPS)
    with started("steps", "--launch") as process:
        await_until(lambda: list((project / "storage").glob("[!.]*/output.log")), "it prints something")
        (component,) = get.all("steps")
        assert "runs (process" in shell("rm", component.id, "--yes").refused()
        (project / "go-a").touch()
        assert process.wait(timeout=30) == 0
    done = shell("rm", component.id)
    assert done.code == 2 and "Move steps" in done.err and component.cached()
