"""Killed at every request to the storage, each in turn: nothing is half-written, and nothing finished runs again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.remote.machines import DONE, INTERFERE, LAUNCH, Machine

pytestmark = pytest.mark.xdist_group("seaweed-2")

Machines = Callable[[str], Machine]

_SEEN = """
component = get("tiny")
result = [str(component.status), component.load_file("result.json", None), component.output(), len(get.all("tiny"))]
"""


@pytest.mark.parametrize("before", [True, False], ids=["before it is sent", "after it was answered"])
def test_killed_at_any_request_the_next_launch_goes_on(s3_url: str, machine: Machines, before: bool) -> None:
    one, other = machine("a"), machine("b")
    one.launch(f"{s3_url}/warm")  # what is done once per machine is no part of it
    at, states = 0, []
    while True:
        at += 1
        url = f"{s3_url}/{at}"
        executed = one.executions(url)  # type: ignore[arg-type]
        one.start(url, INTERFERE + LAUNCH, arguments={"before": before, "at": at})  # type: ignore[arg-type]
        (answer,) = one.wait()
        if not answer.killed:
            break
        executed = one.executions(url) - executed  # type: ignore[arg-type]
        status, saved, output, count = other.run(url, _SEEN).result  # type: ignore[arg-type]
        states.append(status)
        assert status in ("pending", "lost", "finished"), at
        assert count == (status != "pending"), at
        if status == "finished":
            assert (saved, output, executed) == ({"n": 0}, "it runs\n", 1), at
        # The next launch is on the machine where it was killed, or on another one.
        here = at % 2 == 1
        again = (one if here else other).launch(url).result
        assert {**again, "attempts": 1, "reused": None} == {**DONE, "attempts": 1, "reused": None}, at
        # Where it was killed while it uploaded, its machine has it all.
        kept = here and executed == 1 and again["attempts"] == 1
        assert again["reused"] == (status == "finished" or kept), at
        assert (other if here else one).launch(url).result == {**again, "reused": True}, at
    assert states.count("pending") >= 3 and states.count("lost") >= 5
    assert "finished" in states or before


@pytest.mark.parametrize("before", [True, False], ids=["before it is sent", "after it was answered"])
def test_a_take_over_killed_at_any_request_leaves_it_to_the_next(
    s3_url: str, machine: Machines, before: bool
) -> None:
    one, other = machine("a"), machine("b")
    at, states = 0, []
    while True:
        at += 1
        url = f"{s3_url}/{at}"
        one.launch(url, FAIL="1")
        executed = one.executions(url)  # type: ignore[arg-type]
        heir = other if at % 2 else one
        heir.start(url, INTERFERE + LAUNCH, arguments={"before": before, "at": at})  # type: ignore[arg-type]
        (answer,) = heir.wait()
        if not answer.killed:
            break
        executed = one.executions(url) - executed  # type: ignore[arg-type]
        seen = "c = get('tiny'); result = [str(c.status), c.load_file('result.json', None)]"
        status, saved = machine("c").run(url, seen).result  # type: ignore[arg-type]
        states.append(status)
        assert status in ("failed", "lost", "finished"), at
        assert (status == "finished") <= (saved == {"n": 0} and executed == 1), at
        again = (one if at % 3 else other).launch(url).result
        assert again == {**DONE, "attempts": again["attempts"], "reused": again["reused"]}, at
        assert again["attempts"] in (2, 3), at
        assert machine("c").launch(url).result == {**again, "reused": True}, at
    assert states.count("failed") >= 2 and states.count("lost") >= 2
