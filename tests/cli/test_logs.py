"""`machinable logs`: whole, by attempt, and followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machinable import get
from tests.cli.running import STEPS, await_logs, await_until, started

Run = Callable[..., Any]

TWICE = """
import os

from machinable import Component


class Twice(Component):
    def __call__(self):
        print("ä: attempt", "two" if os.path.exists("again") else "one")
        if not os.path.exists("again"):
            raise ValueError("not yet")
"""


def test_a_component_shows_what_it_printed(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (component,) = get.all("mnist_data")
    done = machinable("logs", component.id)
    assert (done.code, done.out, done.err) == (0, "Downloading 'mnist'\n", "")


def test_an_execution_shows_each_under_a_header(shell: Run, project: Path) -> None:
    shell("execute", "mnist_data", "name=a,b", "--grid", "--engine", "native:2", "--seed", "1")
    first, second = get.by_id("000001").components
    assert shell("logs", "000001").out == (
        f"==> mnist_data {first.id} (finished) <==\nDownloading 'a'\n"
        f"\n==> mnist_data {second.id} (finished) <==\nDownloading 'b'\n"
    )


def test_each_attempt_has_a_log(machinable: Run, project: Path) -> None:
    (project / "twice.py").write_text(TWICE)
    machinable("twice", "--launch")
    (project / "again").touch()
    machinable("twice", "--launch")
    (component,) = get.all("twice")
    assert machinable("logs", component.id).out == "ä: attempt two\n"
    first = machinable("logs", component.id, "--attempt", "1").out
    assert first.startswith("ä: attempt one\n") and first.endswith("ValueError: not yet\n")
    assert (
        "has 2 attempts; there is no attempt 3"
        in machinable("logs", component.id, "--attempt", "3").refused()
    )
    (document,) = json.loads(machinable("logs", component.id, "--attempt=1", "--json").out)
    assert (document["attempt"], document["state"], document["text"]) == (1, "failed", first)


def test_following_ends_with_the_component(project: Path) -> None:
    (project / "steps.py").write_text(STEPS)
    with started("execute", "steps", "--seed", "1"):
        await_logs(project, "000001", 1)
        with started("logs", "000001/", "-f") as refused:
            assert refused.wait(timeout=30) == 2
        (component,) = get.by_id("000001").components
        with started("logs", component.id[:6], "-f") as logs:
            assert logs.stdout is not None
            assert logs.stdout.readline() == "a has begun\n"
            (project / "go-a").touch()
            out, err = logs.communicate(timeout=30)
            assert out == "a has ended\n" and logs.returncode == 0
            assert f"steps {component.id}: finished (attempt 1 says so" in err


def test_following_an_execution_goes_on_to_components_that_start_later(project: Path) -> None:
    (project / "steps.py").write_text(STEPS)
    with started("execute", "steps", "name=a,b", "--grid", "--seed", "1"):
        await_logs(project, "000001", 1)
        with started("logs", "000001", "--follow") as logs:
            assert logs.stdout is not None
            assert logs.stdout.readline().startswith("==> steps ")
            assert logs.stdout.readline() == "a has begun\n"
            (project / "go-a").touch()
            seen = [logs.stdout.readline() for _ in range(4)]
            assert seen[0] == "a has ended\n" and seen[2].startswith("==> steps ")
            assert seen[3] == "b has begun\n"
            (project / "go-b").touch()
            assert logs.communicate(timeout=30)[0] == "b has ended\n"
            assert logs.returncode == 0


def test_a_log_that_was_cut_is_read_from_its_beginning(project: Path) -> None:
    (project / "steps.py").write_text(STEPS)
    with started("steps", "--launch"):
        await_until(lambda: list((project / "storage").glob("[!.]*/output.log")), "it prints something")
        (log,) = (project / "storage").glob("[!.]*/output.log")
        with started("logs", log.parent.name, "-f") as logs:
            assert logs.stdout is not None
            assert logs.stdout.readline() == "a has begun\n"
            log.write_text("cut\n")
            assert logs.stdout.readline() == "cut\n"
            (project / "go-a").touch()
            out, err = logs.communicate(timeout=30)
            assert out == "a has ended\n" and "became shorter" in err


def test_what_has_printed_nothing_says_so(machinable: Run, project: Path) -> None:
    machinable("pair:One", "--launch")
    (component,) = get.all("pair:One")
    done = machinable("logs", component.id)
    assert (done.code, done.out) == (0, "") and "has printed nothing (finished)" in done.err
    assert machinable("logs", component.id, "-f").out == ""


def test_bad_input_costs_one_line(machinable: Run) -> None:
    assert "no execution or component 'x'" in machinable("logs", "x").refused()
    assert "-f and --attempt do not go together" in machinable("logs", "x", "-f", "--attempt", "1").refused()
    assert "-f and --json do not go together" in machinable("logs", "x", "-f", "--json").refused()
    assert "--attempt is '0'" in machinable("logs", "x", "--attempt", "0").refused()


def test_ranks_have_logs_of_their_own(machinable: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    (data,) = get.all("mnist_data")
    Path(data.directory, "output-rank1.log").write_text("this is rank 1\n")
    assert machinable("logs", data.id, "--rank", "1").out == "this is rank 1\n"
    assert machinable("logs", data.id, "--rank", "1", "-f").out == "this is rank 1\n"
    assert machinable("logs", data.id, "--rank", "0").out == machinable("logs", data.id).out
    (document,) = json.loads(machinable("logs", data.id, "--rank", "1", "--json").out)
    assert document["text"] == "this is rank 1\n"
    assert "rank 2 has printed nothing" in machinable("logs", data.id, "--rank", "2").err
    assert "--rank is 'one'" in machinable("logs", data.id, "--rank", "one").refused()
