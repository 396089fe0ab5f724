"""Storages without conditional writes, and other protocols: the same behaviour, with a word about what is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.remote.machines import DONE, PLAN, Machine, run_python

Machines = Callable[[str], Machine]


@pytest.mark.xdist_group("seaweed")
def test_a_server_that_ignores_conditional_writes_works_with_a_warning(
    unconditional_url: str, machine: Machines
) -> None:
    first = machine("a").launch(unconditional_url)
    assert first.result == {**DONE, "reused": False, "attempts": 1}
    assert "can not exclude concurrent writers" in first.output and unconditional_url in first.output
    assert machine("b").launch(unconditional_url).result == {**DONE, "reused": True, "attempts": 1}


@pytest.mark.xdist_group("seaweed")
def test_the_warning_is_told_once_however_many_processes_there_are(
    unconditional_url: str, machine: Machines
) -> None:
    one = machine("a")
    one.write("run_plan.py", PLAN)
    said = run_python(one, "run_plan.py", unconditional_url, "4", "native:2")
    assert "True [0, 1, 2, 3]" in said
    assert said.count("can not exclude concurrent writers") == 1


@pytest.mark.xdist_group("seaweed")
def test_sftp(sftp_url: str, machine: Machines) -> None:
    machines = [machine("a"), machine("b")]
    for each in machines:
        each.start(sftp_url, "result = str(get('tiny').launch().status)", count=3, PAUSE="0.3")
    assert [answer.result for each in machines for answer in each.wait()] == ["finished"] * 6
    assert machines[0].executions(sftp_url) == 1  # type: ignore[arg-type]
    assert machine("c").launch(sftp_url).result == {**DONE, "reused": True, "attempts": 1}
