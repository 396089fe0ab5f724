"""`mpi:N` with real ranks: what they see, who writes, how they fail and stop together, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable import execute, get
from machinable.errors import ConfigurationError, DependencyMissing
from machinable.testing.laboratory import attempts
from tests.conftest import Workspace
from tests.engines.mpi.conftest import needs_mpi

pytestmark = [needs_mpi, pytest.mark.xdist_group("mpi")]

_PARALLEL = """
import json, os, random, sys, time
from machinable import Component, get

class Parallel(Component):
    Config = {"how": "work", "n": 0}

    def __call__(self):
        mpi = self.mpi
        self.total = mpi.comm.allreduce(mpi.rank + 1) if mpi.comm else 1
        print(f"I am {mpi.rank} of {mpi.size}")
        os.write(2, b"written past Python\\n")
        getattr(self, self.config.how)(mpi.rank, mpi.comm)
        if mpi.comm is not None:
            mpi.comm.Barrier()
        mine = [self.seed, random.random(), float(self.rng.random())]
        everybody = mpi.comm.gather(mine) if mpi.comm else [mine]
        self.record["total"] = self.total
        self.record.save()
        self.save_file("result.json", {"size": mpi.size, "total": self.total, "numbers": everybody})

    def work(self, rank, comm):
        pass

    def raise_on_one(self, rank, comm):
        if rank == 1:
            raise ValueError(f"rank {rank} can not go on")

    def raise_on_zero(self, rank, comm):
        if rank == 0:
            raise ValueError(f"rank {rank} can not go on")

    def raise_late(self, rank, comm):
        if rank == 1:
            time.sleep(0.3)
            raise ValueError("rank 0 has nothing left to do")

    def exit_on_one(self, rank, comm):
        if rank == 1:
            os._exit(3)

    def kill_on_one(self, rank, comm):
        if rank == 1:
            os.kill(os.getpid(), 11)

    def abort_on_one(self, rank, comm):
        if rank == 1:
            comm.Abort(7)

    def save_on_one(self, rank, comm):
        if rank == 1:
            self.save_file("part-1.json", rank)

    def launch_another(self, rank, comm):
        inner = get("parallel", {"n": 1}).launch()
        assert inner.load_file("result.json")["size"] == 1

    def wait_for_nobody(self, rank, comm):
        open(f"waits-{rank}", "w").close()
        if rank == 0:
            comm.recv(source=1)
        time.sleep(100)

    def wait(self, rank, comm):
        open(f"waits-{rank}", "w").close()
        while not os.path.exists("hurry"):
            time.sleep(0.01)
"""

_STEPS = """
import os, time
from machinable import Component

class Steps(Component):
    Config = {"fail": False, "wait": False}
    checkpoint_seconds = 0.0

    def on_create(self):
        self.mine, self.restored = [], None

    def on_execute_iteration(self, i):
        mpi = self.mpi
        if i >= 6 and (not self.config.wait or mpi.comm.bcast(os.path.exists("hurry"))):
            parts = mpi.comm.gather([self.mine, self.restored])
            self.save_file("parts.json", parts)
            raise StopIteration
        if i == 3 and mpi.rank == 1 and self.config.fail and not os.path.exists("failed"):
            open("failed", "w").close()
            raise ValueError("in the middle")
        if i > 3 and self.config.wait:
            open(f"waits-{mpi.rank}", "w").close()
            time.sleep(0.02)
        self.mine.append(10 * mpi.rank + i)
        self.record["step"] = i

    def on_save(self, directory):
        with open(os.path.join(directory, f"part-{self.mpi.rank}"), "w") as file:
            file.write(",".join(map(str, self.mine)))

    def on_restore(self, directory):
        with open(os.path.join(directory, f"part-{self.mpi.rank}")) as file:
            self.mine = [int(number) for number in file.read().split(",")]
        self.restored = len(self.mine)
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("parallel.py", _PARALLEL)
    workspace.write("steps.py", _STEPS)
    return workspace


def engine(**version: Any) -> Any:
    return get("mpi:2", {"oversubscribe": True, **version})


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


def processes_of(root: Path) -> list[int]:
    """The processes whose working directory is the project's, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if os.readlink(entry / "cwd") == str(root) and (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def left_behind(project: Workspace) -> list[str]:
    return [str(path) for path in project.storage.rglob(".*") if path.name != ".machinable"]


# --- together


def test_ranks_work_together_and_leave_one_record(project: Workspace) -> None:
    serial = get("parallel", {"n": 1}).launch().load_file("result.json")
    assert (serial["size"], serial["total"]) == (1, 1)
    one, other = get("parallel"), get("parallel", {"how": "launch_another"})
    engine(at_once=2).add(one, other).dispatch()
    result = one.load_file("result.json")
    assert (result["size"], result["total"]) == (2, 3)
    assert [row["total"] for row in one.record] == [3]
    assert len(one.executions) == 1 and one.executions[0]["engine"] == "mpi:2"
    directory = Path(str(one.directory))
    for name, rank in (("output.log", 0), ("output-rank1.log", 1)):
        assert sorted((directory / name).read_text().splitlines()) == [
            f"I am {rank} of 2",
            "written past Python",
        ]
    assert one.output() == (directory / "output.log").read_text()
    # What a component launches itself runs once, in one process, and is reused by the other ranks.
    assert len(get("parallel", {"n": 1}).executions) == 1
    assert left_behind(project) == []


def test_the_seed_is_that_of_all_and_the_numbers_are_those_of_each(project: Workspace) -> None:
    alone = get("parallel").launch().load_file("result.json")["numbers"]
    again = get("parallel").invalidate()
    engine().add(again).dispatch()
    zero, one = again.load_file("result.json")["numbers"]
    assert [zero] == alone, "rank 0 draws what a run without ranks draws"
    assert one[0] == zero[0] and one[1] != zero[1] and one[2] != zero[2]


def test_outside_of_mpi_a_component_is_alone(project: Workspace) -> None:
    mpi = get("parallel").mpi
    assert (mpi.rank, mpi.size, mpi.comm) == (0, 1, None) and repr(mpi) == "rank 0 of 1"


def test_resources_may_say_how_many_ranks(project: Workspace) -> None:
    from machinable import Experiment

    plan = Experiment().component("parallel", resources={"ranks": 1, "cpus": 1, "slurm": {"partition": "x"}})
    execution = execute(plan, project.storage, engine(), seed=42)
    assert execution.components[0].load_file("result.json")["size"] == 1


# --- failures


def test_a_failure_of_any_rank_is_that_of_the_component(project: Workspace) -> None:
    hows = {
        "raise_on_one": ("failed", "ValueError: rank 1 can not go on"),
        "raise_on_zero": ("failed", "ValueError: rank 0 can not go on"),
        "raise_late": ("failed", "ValueError: rank 0 has nothing left to do"),
        "save_on_one": ("failed", "rank 1 saved part-1.json, which rank 0 did not"),
        "exit_on_one": ("lost", "rank 1 of 2 ended with exit code 3"),
        "kill_on_one": ("lost", "rank 1 of 2 was killed by SIGSEGV"),
        "abort_on_one": ("lost", "rank 1 of 2 called MPI_Abort with 7"),
        "work": ("finished", ""),
    }
    components = {how: get("parallel", {"how": how}) for how in hows}
    execution = execute(
        list(components.values()), project.storage, engine(at_once=3), seed=42, raise_on_failure=False
    )
    assert {how: str(each.status) for how, each in components.items()} == {
        how: status for how, (status, _) in hows.items()
    }
    assert execution.is_failed()
    assert "rank 1 ended with exit code 3" in components["exit_on_one"].status_evidence
    assert "rank 1 was killed by SIGSEGV" in components["kill_on_one"].status_evidence
    directory = Path(str(components["raise_on_one"].directory))
    [[_, end]] = attempts(directory)
    assert end["rank"] == 1 and end["exception"]["type"] == "ValueError"
    assert "can not go on" in (directory / "output-rank1.log").read_text()
    assert "rank 1 of 2 failed:\nTraceback" in components["raise_on_one"].output()
    until(lambda: not processes_of(project.root), "all ranks are gone")
    assert left_behind(project) == []


def test_what_failed_tells_its_reason_and_cause(project: Workspace) -> None:
    from machinable.errors import ExecutionFailed

    with pytest.raises(ExecutionFailed) as caught:
        engine(at_once=2).add(
            *(get("parallel", {"how": how}) for how in ("raise_on_one", "exit_on_one"))
        ).dispatch()
    reasons = {reason for _, _, reason in caught.value.failures}
    assert reasons == {"ValueError: rank 1 can not go on", "lost: rank 1 of 2 ended with exit code 3"}
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_rank_that_waits_for_ever_is_ended_by_the_limit_of_time(project: Workspace) -> None:
    component = get("parallel", {"how": "wait_for_nobody"})
    execute(component, project.storage, engine(timeout_seconds=1.5), seed=42, raise_on_failure=False)
    assert component.status == "interrupted" and "timeout_seconds" in component.status_evidence
    until(lambda: not processes_of(project.root), "all ranks are gone")


def test_more_ranks_than_cores_are_refused_in_a_line_unless_that_is_meant(project: Workspace) -> None:
    component = get("parallel", {"n": 5})
    source = """
        import os, sys
        from machinable import get
        with get("mpi:200"):
            get("parallel", {"n": 5}).launch()
    """
    done = project.python(source, check=False, OMPI_MCA_rmaps_base_oversubscribe="0")
    if done.returncode == 0:
        pytest.skip("this launcher starts any number of ranks")
    assert "not dispatched: there is no room for 200 ranks" in done.stderr and "oversubscribe" in done.stderr
    assert component.status == "pending"


# --- checkpoints, and the end from outside


def test_each_rank_saves_its_part_of_a_checkpoint_and_goes_on_from_it(project: Workspace) -> None:
    component = get("steps", {"fail": True})
    execute(component, project.storage, engine(), seed=42, raise_on_failure=False)
    assert component.status == "failed"
    engine().add(component).dispatch()
    assert component.load_file("parts.json") == [[[0, 1, 2, 3, 4, 5], 3], [[10, 11, 12, 13, 14, 15], 3]]
    assert [row["step"] for row in component.record] == list(range(6))
    names = {path.name for path in Path(str(component.directory)).glob("output*")}
    assert names == {"output.log", "output-rank1.log"}, "the second attempt has printed nothing"


def _waiting(project: Workspace, module: str, version: str) -> Any:
    source = f"""
        from machinable import get
        with get("mpi:2", {{"oversubscribe": True}}):
            get("{module}", {version}).launch()
    """
    process = project.popen(source, start_new_session=True)
    until(lambda: (project.root / "waits-0").exists() and (project.root / "waits-1").exists(), "ranks run")
    return process


@pytest.mark.parametrize("way", ["Ctrl-C", "SIGTERM", "the rank"])
def test_an_interruption_saves_a_checkpoint_of_all_ranks(project: Workspace, way: str) -> None:
    process = _waiting(project, "steps", '{"wait": True}')
    component = get("steps", {"wait": True})
    if way == "the rank":
        os.kill(component.executions[0]["owner"]["pid"], signal.SIGTERM)
    else:
        os.kill(process.pid, signal.SIGINT if way == "Ctrl-C" else signal.SIGTERM)
    process.communicate(timeout=30)
    assert component.status == "interrupted", component.status_evidence
    (project.root / "hurry").touch()
    engine().add(component).dispatch()
    (zero, restored), (one, also_restored) = component.load_file("parts.json")
    assert restored == also_restored >= 4, "each iteration that was begun is in the checkpoint of all"
    assert zero == list(range(len(zero))) and one == [10 + number for number in zero]
    assert [row["step"] for row in component.record] == zero


def test_ranks_end_with_a_coordinator_that_is_killed(project: Workspace) -> None:
    process = _waiting(project, "parallel", '{"how": "wait"}')
    process.kill()
    process.communicate(timeout=30)
    until(lambda: not processes_of(project.root), "all ranks are gone")
    assert get("parallel", {"how": "wait"}).status == "interrupted"


def test_a_launcher_that_is_killed_leaves_no_rank_behind(project: Workspace) -> None:
    process = _waiting(project, "parallel", '{"how": "wait"}')
    component = get("parallel", {"how": "wait"})
    rank = component.executions[0]["owner"]["pid"]
    launcher = int(Path(f"/proc/{rank}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(launcher, signal.SIGKILL)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 1 and "1 components did not finish" in errors, errors
    until(lambda: not processes_of(project.root), "all ranks are gone")
    assert component.status in ("interrupted", "lost")


# --- what is missing or wrong


@pytest.mark.parametrize("argument", ["0", "-1", "x", "", "1.5", "٣"])
def test_a_number_of_ranks_that_is_none_costs_one_line(argument: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        get(f"mpi:{argument}")


@pytest.mark.parametrize(
    "version", [{"ranks": 0}, {"at_once": 0}, {"retries": -1}, {"timeout_seconds": 0}, {"threads": "many"}]
)
def test_an_option_that_does_not_fit_costs_one_line(version: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(version))):
        get("mpi", version)


def test_without_a_launcher_nothing_is_written(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project.root))
    with pytest.raises(DependencyMissing, match=r"mpi needs mpiexec or mpirun.*openmpi-bin") as error:
        engine().add(get("parallel")).dispatch()
    assert "\n" not in str(error.value) and not project.storage.exists()
    with pytest.raises(DependencyMissing, match="mpi needs srun"):
        engine(launcher="srun --mpi=pmix").add(get("parallel")).dispatch()


def test_without_mpi4py_the_extra_is_named(project: Workspace) -> None:
    source = """
        import sys
        sys.modules["mpi4py"] = None
        from machinable import get
        get("mpi:2").add(get("parallel")).dispatch()
    """
    done = project.python(source, check=False)
    assert "DependencyMissing: The engine mpi needs mpi4py: pip install 'machinable[mpi]'" in done.stderr


def test_the_engine_loads_mpi4py_in_the_ranks_alone(project: Workspace) -> None:
    source = """
        import sys
        from machinable import get
        get("mpi:1").add(get("parallel")).dispatch()
        print("mpi4py" in sys.modules)
    """
    assert project.python(source).stdout.splitlines()[-1] == "False"
    assert json.loads((Path(str(get("parallel").directory)) / "result.json").read_text())["size"] == 1
