"""One storage on S3, and several machines that know nothing but its URL."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.claims.launchers import until
from tests.remote.machines import DONE, LAUNCH, Machine

pytestmark = pytest.mark.xdist_group("seaweed")

Machines = Callable[[str], Machine]


def test_another_machine_finds_and_loads_everything(s3_url: str, machine: Machines) -> None:
    first = machine("a").launch(s3_url).result
    assert first == {**DONE, "reused": False, "attempts": 1}

    assert machine("b").launch(s3_url).result == {**DONE, "reused": True, "attempts": 1}
    seen = machine("c").run(
        s3_url,  # type: ignore[arg-type]
        """
        (component,) = get.all("tiny")
        deep = sorted(path.name for path in component.local_directory("deep/er").iterdir())
        status = str(get.by_id(component.id[:3]).status)
        result = [component.load_file("result.json"), component.record[2], deep, status]
        """,
    )
    assert seen.result == [{"n": 0}, {"step": 2}, ["text.txt"], "finished"]
    assert machine("a").executions(s3_url) == 1  # type: ignore[arg-type]


def test_sixteen_launchers_on_two_machines_execute_once(s3_url: str, machine: Machines) -> None:
    machines = [machine("a"), machine("b")]
    for each in machines:
        each.start(s3_url, LAUNCH, count=8, PAUSE="0.5")
    answers = [answer.result for each in machines for answer in each.wait()]
    assert machines[0].executions(s3_url) == 1  # type: ignore[arg-type]
    assert [answer["reused"] for answer in answers].count(False) == 1
    assert all({**answer, "reused": None} == {**DONE, "reused": None, "attempts": 1} for answer in answers)


def test_a_deleted_mirror_loses_nothing(s3_url: str, machine: Machines) -> None:
    import shutil

    machine("a").launch(s3_url)
    for mirror in machine("a").mirrors():
        shutil.rmtree(mirror)
    assert machine("a").launch(s3_url).result == {**DONE, "reused": True, "attempts": 1}


def test_what_another_machine_says_of_a_result_counts_here(s3_url: str, machine: Machines) -> None:
    machine("a").launch(s3_url)
    machine("b").run(s3_url, "get('tiny').invalidate()")  # type: ignore[arg-type]
    assert machine("a").launch(s3_url).result == {**DONE, "reused": False, "attempts": 2}
    assert machine("b").launch(s3_url).result == {
        **DONE,
        "reused": True,
        "attempts": 2,
        "output": "it runs\n",
    }


def test_a_failure_is_known_elsewhere_and_resumed(s3_url: str, machine: Machines) -> None:
    failed = machine("a").launch(s3_url, FAIL="1")
    assert failed.cause == "ValueError"
    seen = machine("b").run(
        s3_url,  # type: ignore[arg-type]
        "c = get('tiny'); result = [str(c.status), c.load_file('result.json', None), 'asked to fail' in c.output()]",
    )
    assert seen.result == ["failed", None, True]
    resumed = machine("b").launch(s3_url).result
    assert resumed == {**DONE, "reused": False, "attempts": 2}
    assert machine("a").launch(s3_url).result == {**DONE, "reused": True, "attempts": 2}


def test_components_that_wait_for_each_other_on_two_machines_are_told(s3_url: str, machine: Machines) -> None:
    machines = [machine("a"), machine("b")]
    for each in machines:
        each.write(
            "circle.py",
            """
            import os, time
            from machinable import Component, get

            class Circle(Component):
                Config = {"one": 1}

                def __call__(self):
                    mine = os.environ["MINE"]
                    open(os.environ["COUNT"] + mine, "w").close()
                    while not os.path.exists(os.environ["COUNT"] + str(3 - int(mine))):
                        time.sleep(0.01)
                    get("circle", {"one": 3 - int(mine)}).launch()
            """,
        )
    for number, each in enumerate(machines, 1):
        source = f"""
        try:
            get("circle", {{"one": {number}}}).launch()
        except Exception as error:
            result = str(error.__cause__)
        """
        each.start(s3_url, source, MINE=str(number))
    said = [answer.result for each in machines for answer in each.wait()]
    assert any("wait for each other in a circle" in text for text in said), said


def test_of_many_that_find_a_dead_owner_one_takes_over(s3_url: str, machine: Machines) -> None:
    machines = [machine("a"), machine("b")]
    (pid,) = machines[0].start(s3_url, LAUNCH, PAUSE="60")
    until(lambda: machines[0].executions(s3_url) == 1, "it runs")  # type: ignore[arg-type]
    os.kill(pid, signal.SIGKILL)
    machines[0].wait()
    for each in machines:
        each.start(s3_url, LAUNCH, count=6, PAUSE="0.5")
    answers = [answer.result for each in machines for answer in each.wait()]
    assert [answer["reused"] for answer in answers].count(False) == 1
    assert all({**answer, "reused": None} == {**DONE, "reused": None, "attempts": 2} for answer in answers)
    assert machines[0].executions(s3_url) == 2  # type: ignore[arg-type]


def test_launchers_on_two_machines_share_a_sweep_out(s3_url: str, machine: Machines) -> None:
    machines = [machine("a"), machine("b")]
    for each in machines:
        each.start(
            s3_url,
            """
            from machinable import Experiment, execute, grid
            done = execute(Experiment().component("tiny", grid(n=list(range(8)))), engine="native", seed=7)
            result = [done.is_finished(), sum(bool(c.reused) for c in done.components)]
            """,
            count=2,
            PAUSE="0.1",
        )
    told = [answer.result for each in machines for answer in each.wait()]
    assert all(finished for finished, _ in told)
    assert machines[0].executions(s3_url) == 8  # type: ignore[arg-type]
    assert sum(reused for _, reused in told) == 4 * 8 - 8


@pytest.mark.parametrize("name", ["component.json", "attempt-1.jsonl", "end-1.json"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 40], ids=["empty", "zeros"])
def test_a_mirror_that_a_crash_of_the_machine_has_cut_is_mended(
    s3_url: str, machine: Machines, name: str, damage: bytes
) -> None:
    one = machine("a")
    one.launch(s3_url)
    (mirror,) = one.mirrors()
    (path,) = mirror.glob(f"????????????/.machinable/{name}")
    path.write_bytes(damage)
    assert one.launch(s3_url).result == {**DONE, "reused": True, "attempts": 1}
    assert one.executions(s3_url) == 1  # type: ignore[arg-type]
