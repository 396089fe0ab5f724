"""The storage can not be reached, or refuses: what was computed is kept here, and uploaded by the next launch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.remote.machines import DONE, Machine
from tests.servers.proxy import Proxy, proxy, xml
from tests.servers.s3 import BUCKET, S3Server, enter

pytestmark = pytest.mark.xdist_group("seaweed")

Machines = Callable[[str], Machine]


@pytest.fixture
def between(seaweed_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of the server, which processes use from now on."""
    with proxy(seaweed_server.endpoint) as running:
        enter(monkeypatch, seaweed_server.environment(running.endpoint))
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        yield running


@pytest.fixture
def url() -> str:
    return f"s3://{BUCKET}/failing-{os.urandom(4).hex()}"


@pytest.mark.parametrize("refused", ["end-1.json", "result.json"])
def test_a_failed_upload_is_one_clear_line_and_the_next_launch_uploads_the_rest(
    between: Proxy, url: str, machine: Machines, refused: str
) -> None:
    one = machine("a")
    one.launch(f"{url}-warm")
    executed = one.executions(url)  # type: ignore[arg-type]
    between.fail(f"PUT .*{refused}", "answer", 100, status=403, body=xml("AccessDenied"))
    failed = one.launch(url)
    assert failed.error == "ExecutionFailed" and failed.cause == "StorageError"
    assert "kept here; launch it again to upload it." in failed.cause_text and "\n" not in failed.cause_text
    assert url in failed.cause_text and "mirror-" not in failed.cause_text

    told = one.run(
        url, "c = get('tiny'); result = [str(c.status), c.status_evidence, c.load_file('result.json')]"
    )  # type: ignore[arg-type]
    assert (
        told.result[0] == "finished" and "not uploaded yet" in told.result[1] and told.result[2] == {"n": 0}
    )
    again = one.launch(url)
    assert again.error == "StorageError" and "\n" not in again.text

    between.heal()
    sent = one.launch(url)
    assert sent.result == {**DONE, "reused": True, "attempts": 1}
    assert "was uploaded only now" in sent.output
    assert machine("b").launch(url).result == {**DONE, "reused": True, "attempts": 1}
    assert one.executions(url) == executed + 1  # type: ignore[arg-type]


def test_what_could_not_be_uploaded_gives_way_to_what_another_machine_did_meanwhile(
    between: Proxy, url: str, machine: Machines
) -> None:
    one, other = machine("a"), machine("b")
    between.fail("PUT .*end-1.json", "answer", 2, status=403, body=xml("AccessDenied"))
    assert one.launch(url).cause == "StorageError"
    between.heal()
    # On this machine the process table says that the first owner is gone.
    took_over = other.launch(url).result
    assert took_over == {**DONE, "reused": False, "attempts": 2}
    assert one.launch(url).result == {**DONE, "reused": True, "attempts": 2}


def test_an_unreachable_storage_runs_nothing(machine: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    enter(
        monkeypatch,
        {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"},
    )
    answer = machine("a").launch("s3://lab/nowhere")
    assert answer.error == "StorageError" and "\n" not in answer.text
    assert machine("a").executions("s3://lab/nowhere") == 0  # type: ignore[arg-type]


def test_a_short_outage_while_it_runs_is_no_failure(between: Proxy, url: str, machine: Machines) -> None:
    one = machine("a")
    between.fail("PUT .*checkpoints.*", "answer", 4, status=403, body=xml("AccessDenied"))
    answer = one.run(url, "result = str(get('steps').launch().status)")  # type: ignore[arg-type]
    assert answer.result == "finished"
    assert "is uploaded later" in answer.output
    seen = machine("b").run(
        url, "c = get('steps'); result = [str(c.status), c.load_file('step-5.json'), len(c.record)]"
    )  # type: ignore[arg-type]
    assert seen.result == ["finished", 5, 6]
