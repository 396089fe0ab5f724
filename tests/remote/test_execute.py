"""Plans, executions, the command line and settings on a storage elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.remote.machines import PLAN, Machine, run_python
from tests.servers.proxy import Proxy, proxy
from tests.servers.s3 import BUCKET, S3Server, enter

pytestmark = pytest.mark.xdist_group("seaweed-2")

Machines = Callable[[str], Machine]


def test_a_plan_runs_in_processes_and_another_machine_has_its_results_and_code(
    s3_url: str, machine: Machines, tmp_path: Path
) -> None:
    one, other = machine("a"), machine("b")
    one.write("run_plan.py", PLAN)
    said = run_python(one, "run_plan.py", s3_url, "3", "native:2")
    assert "True [0, 1, 2]" in said and f"results in {s3_url}/00000g" in said
    assert one.executions(s3_url) == 3  # type: ignore[arg-type]

    # The other machine has the same plan, and nothing to run; the coordinator is not there either.
    other.write("run_plan.py", PLAN)
    again = run_python(other, "run_plan.py", s3_url, "3", "native:2")
    assert "True [0, 1, 2]" in again and "3 reused" in again
    listed = json.loads(run_python(other, "-m", "machinable", "--storage", s3_url, "ls", "--json"))
    assert sorted(row["config"]["n"] for row in listed) == [0, 1, 2]
    assert {row["record"]["step"] for row in listed} == {2}

    target = tmp_path / "code"
    run_python(other, "-m", "machinable", "--storage", s3_url, "code", "00000g", "--to", str(target))
    assert (target / "tiny.py").read_text() == (one.root / "tiny.py").read_text()


def test_the_storage_comes_from_settings_and_environment(s3_url: str, machine: Machines) -> None:
    one = machine("a")
    run_python(one, "-m", "machinable", "tiny", "n=1", "--launch", MACHINABLE_STORAGE=s3_url)
    (one.root / "pyproject.toml").write_text(f'[tool.machinable]\nstorage = "{s3_url}"\n')
    said = run_python(one, "-m", "machinable", "tiny", "n=1", "--launch")
    assert "reused" in said and f"{s3_url}/" in said and "mirror-" not in said
    assert not (one.root / "storage").exists()


def test_the_trash_is_in_the_storage(s3_url: str, machine: Machines) -> None:
    one, other = machine("a"), machine("b")
    id_ = one.run(s3_url, "result = get('tiny').launch().id").result  # type: ignore[arg-type]
    other.run(s3_url, "get('tiny').launch()")  # type: ignore[arg-type]
    run_python(one, "-m", "machinable", "--storage", s3_url, "rm", id_, "--yes")
    seen = "result = [len(get.all('tiny')), str(get('tiny').status)]"
    assert other.run(s3_url, seen).result == [0, "pending"]  # type: ignore[arg-type]
    run_python(other, "-m", "machinable", "--storage", s3_url, "rm", "--restore", id_)
    found = "c = get('tiny').launch(); result = [c.reused, c.load_file('deep/er/text.txt'), len(c.record)]"
    for each in (one, other, machine("c")):
        assert each.run(s3_url, found).result == [True, "deep", 3]  # type: ignore[arg-type]
    assert one.executions(s3_url) == 1  # type: ignore[arg-type]


@pytest.fixture
def counted(seaweed_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that counts the requests of all processes."""
    with proxy(seaweed_server.endpoint) as between:
        enter(monkeypatch, seaweed_server.environment(between.endpoint))
        yield between


def test_what_is_finished_costs_three_requests_at_most(counted: Proxy, machine: Machines) -> None:
    url = f"s3://{BUCKET}/counted-{os.urandom(4).hex()}"
    one, other = machine("a"), machine("b")
    sweep = "for n in range(20): assert get('tiny', {'n': n}).launch().status == 'finished'"
    one.run(url, sweep).result  # type: ignore[arg-type] # noqa: B018
    for each in (other, one):  # without a mirror, and with one
        counted.heal()
        each.run(url, sweep).result  # type: ignore[arg-type] # noqa: B018
        assert len(counted.requests) <= 3 * 20 + 2, counted.requests

    one.write("run_plan.py", PLAN)
    run_python(one, "run_plan.py", url, "20", "native")
    other.write("run_plan.py", PLAN.replace("execution.components", "()"))
    counted.heal()
    run_python(other, "run_plan.py", url, "20", "native")
    assert len(counted.requests) <= 20 + 5, counted.requests
    assert one.executions(url) == 40  # type: ignore[arg-type]


def test_a_new_component_costs_its_files_and_two_more_requests(counted: Proxy, machine: Machines) -> None:
    url = f"s3://{BUCKET}/counted-{os.urandom(4).hex()}"
    one = machine("a")
    one.write("run_plan.py", PLAN)
    run_python(one, "run_plan.py", url, "2", "native:2")
    counted.heal()
    run_python(one, "run_plan.py", url, "12", "native:2")
    files = 4  # result.json, deep/er/text.txt, output.log, record.jsonl
    # Besides: listings of the execution, of shapes and code, and the run. Of new shapes, processes ask now and then.
    assert len(counted.requests) <= 10 * (files + 2) + 8, "\n".join(counted.requests)
