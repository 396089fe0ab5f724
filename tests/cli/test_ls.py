"""`machinable ls`, `show` and `rm`: what is in the storage, and what leaves it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import get
from tests.cli.conftest import variables
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
    assert lines[0].split() == ["id", "trial", "name", "started", "time", "status"]
    assert sorted(line.split()[-6 if "ms" in line.split() else -5] for line in lines[1:]) == [
        "a",
        "b",
        "mnist",
    ]
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


MEASURED = """
from machinable import Component


class Measured(Component):
    Config = {"lr": 0.1, "note": "plain"}

    def __call__(self):
        for step in range(3):
            self.record["loss"] = self.config.lr * (3 - step)
            self.record.save()
"""


@pytest.fixture
def measured(machinable: Run, project: Path) -> None:
    (project / "measured.py").write_text(MEASURED)
    machinable("execute", "measured", "lr=0.1,0.2,0.3", "--grid", "--seed", "1")
    machinable("mnist_data", "--launch")


def ids(done: Any) -> list[float]:
    assert done.code == 0, done.err
    return [row["config"]["lr"] for row in json.loads(done.out)]


@pytest.mark.usefixtures("measured")
def test_ls_searches_and_sorts(machinable: Run) -> None:
    assert ids(machinable("ls", "--where", "lr >= 0.2 and loss < 0.25", "--json")) == [0.2]
    assert ids(machinable("ls", "measured", "--sort", "loss", "--descending", "--json")) == [0.3, 0.2, 0.1]
    assert ids(machinable("ls", "measured", "--sort", "lr", "--limit", "2", "--json")) == [0.1, 0.2]
    assert (
        machinable("ls", "measured.py", "--where", "lr > 5").err.count(
            "no component of measured for which that"
        )
        == 1
    )
    assert json.loads(machinable("ls", "--where", "lr > 5", "--json").out) == []


@pytest.mark.usefixtures("measured")
def test_ls_shows_what_is_asked_for(machinable: Run) -> None:
    out = machinable("ls", "measured", "--columns", "lr,loss,status", "--sort", "lr").out
    assert [line.split() for line in out.splitlines()] == [
        ["lr", "loss", "status"],
        ["0.1", "0.1", "finished"],
        ["0.2", "0.2", "finished"],
        ["0.3", "0.3", "finished"],
    ]
    rows = list(csv.DictReader(io.StringIO(machinable("ls", "measured", "--csv", "--sort", "lr").out)))
    assert [row["lr"] for row in rows] == ["0.1", "0.2", "0.3"] and rows[0]["id"].startswith("000001/")
    assert float(rows[0]["seconds"]) > 0 and "+00:00" in rows[0]["started"]
    assert "note" not in rows[0]  # it does not vary
    picked = json.loads(machinable("ls", "measured", "--columns", "lr,note", "--sort", "lr", "--json").out)
    assert picked[0] == {"lr": 0.1, "note": "plain"}


@pytest.mark.usefixtures("measured")
def test_ls_lists_executions(machinable: Run) -> None:
    out = machinable("ls", "--executions").out.splitlines()
    assert out[0].split()[:4] == ["id", "nickname", "seed", "runs"] and "3 finished" in out[1]
    (row,) = json.loads(machinable("ls", "--executions", "--json").out)
    assert row["id"] == "000001" and row["counts"] == {"finished": 3} and row["runs"] == 1


BAD = {
    ("--where", "lr >"): "'lr >'",
    ("--where", "lrr > 1"): "Did you mean 'lr'?",
    ("--where", "__import__('os').system('touch pwned')"): "at character 1",
    ("--sort", "lrr"): "Did you mean 'lr'?",
    ("--columns", "lrr"): "Did you mean 'lr'?",
    ("--limit", "0"): "--limit is '0'",
    ("--limit", "few"): "--limit is 'few'",
    ("--json", "--csv"): "do not go together",
    ("--executions", "--where", "lr > 1"): "--executions and --where do not go together",
    ("--trash", "measured"): "--trash and a module do not go together",
    ("--wher", "lr > 1"): "Did you mean '--where'?",
}


@pytest.mark.parametrize("words", BAD)
@pytest.mark.usefixtures("measured")
def test_ls_refuses_what_it_can_not_understand(
    machinable: Run, project: Path, words: tuple[str, ...]
) -> None:
    assert BAD[words] in machinable("ls", *words).refused()
    assert not (project / "pwned").exists()


@pytest.mark.usefixtures("measured")
def test_damaged_records_are_named_and_the_rest_is_listed(machinable: Run) -> None:
    (data,) = get.all("mnist_data")
    Path(data.directory, ".machinable/component.json").write_text("{,}")
    done = machinable("ls")
    assert (
        done.code == 0
        and len(done.out.splitlines()) == 4
        and "left out: " in done.err
        and data.id in done.err
    )


@pytest.mark.usefixtures("measured")
def test_a_reader_that_has_seen_enough(project: Path) -> None:
    for words in (["ls"], ["du"], ["doctor"], ["ls", "--json"], ["completion", "bash"]):
        command = f"{sys.executable} -m machinable {' '.join(words)} | head -1; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command], env=variables(), capture_output=True, encoding="utf-8", timeout=60
        )
        assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1, (
            words,
            done.stderr,
        )


@pytest.mark.usefixtures("measured")
def test_a_read_only_storage_is_read(shell: Run, project: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    storage = project / "storage"
    folders = [storage, *(path for path in storage.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        for words in (["ls"], ["du"], ["show", "000001"], ["doctor"]):
            assert shell(*words, MACHINABLE_CACHE=str(project / "cache")).code == 0
        assert "read-only" in shell("rm", "000001", "--yes").refused()
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_no_storage_and_an_empty_one(machinable: Run, project: Path) -> None:
    for name in ("storage", "empty"):
        for words in (["ls"], ["ls", "--executions"], ["ls", "--trash"], ["ls", "--sort", "lr"]):
            done = machinable("--storage", name, *words)
            assert (done.code, done.out) == (0, "") and done.err.startswith("machinable: there is no"), words
        assert json.loads(machinable("--storage", name, "ls", "--json").out) == []
        assert (project / name).exists() == (name == "empty")
        (project / "empty").mkdir(exist_ok=True)


def test_ids_by_prefix_nickname_and_directory(machinable: Run, project: Path) -> None:
    machinable("execute", "mnist_data", "--seed", "1")
    (data,) = get.all("mnist_data")
    names = [data.id, data.id[:5], f"000001/{data.id[:3]}", f"0000/{data.id}", data.nickname, data.directory]
    names += [f"./storage/000001/{data.id}/"]
    for name in names:
        done = machinable("status", name)
        assert done.code == 0 and done.out.startswith(f"mnist_data {data.id}: finished"), (name, done.err)
    nickname = json.loads(machinable("status", "000001", "--json").out)["nickname"]
    for name in ("000001", "00000", nickname, "storage/000001"):
        assert machinable("status", name).out.startswith("execution 000001"), name
    assert "There is no execution" in machinable("status", "no_such_name").refused()


def test_show_draws_the_lineage_as_a_tree(machinable: Run, project: Path) -> None:
    (project / "report.py").write_text(
        "from machinable import Component\n\n\nclass Report(Component):\n"
        "    uses = {'train': ['train', {'steps': 1}], 'data': 'mnist_data'}\n\n    def __call__(self):\n        pass\n"
    )
    assert machinable("report", "--launch").code == 0
    (report,), (train,), (data,) = get.all("report"), get.all("train"), get.all("mnist_data")
    lines = machinable("show", report.id[:6], "--tree").out.splitlines()
    assert lines[0].startswith(f"report {report.id} · finished") and lines[1].startswith("│  host ")
    told = [line for line in lines if "─ " in line]
    assert [line.strip("│├└─ ").partition(" · ")[0] for line in told] == [
        f"data: mnist_data {data.id}",
        f"train: train {train.id}",
        f"data: mnist_data {data.id}",
    ]
    assert told[2].startswith("   └─ data: ") and told[2].endswith(" (see above)")
    out = machinable("show", data.id, "--tree").out
    assert "used by" in out and f"report {report.id}" in out and f"train {train.id}" in out
    graph = json.loads(machinable("show", report.id, "--tree", "--json").out)
    assert graph["directed"] and {link["relation"] for link in graph["links"]} >= {"uses", "ran on"}
    machinable("execute", "mnist_data", "--seed", "1")
    out = machinable("show", "000001", "--tree").out
    assert "execution 000001" in out and "code " in out


def test_a_file_is_no_storage(machinable: Run, project: Path) -> None:
    (project / "file").write_text("mine")
    commands = ("ls", "du", "doctor", "index", "show abc", "diff a b", "rm --failed", "ls --trash")
    for words in map(str.split, commands):
        assert (
            "./file is a file, but a storage is a directory"
            in machinable("--storage", "file", *words).refused()
        )
