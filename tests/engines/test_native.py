"""`native:N`: a process for each component; what crashes, takes too long or is interrupted, and what is told of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from machinable import get
from machinable.engines import jobs
from machinable.engines.limits import THREAD_VARIABLES, usable_cores
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.types import Status
from tests.conftest import Workspace

METHODS = ["forkserver", "fork", "spawn"]

WORK = """
    import ctypes, os, signal, sys, time
    from machinable import Component

    class Unpicklable(Exception):
        def __init__(self, one, two):
            super().__init__("it can not be loaded")
            self.lock = __import__("threading").Lock()

    class Work(Component):
        Config = {"how": "", "n": 0}

        def __call__(self):
            with open("ran", "a") as file:
                file.write(f"{self.config.how or self.config.n} {os.getpid()}\\n")
            print("it runs")
            getattr(self, self.config.how or "work")()
            self.save_file("result.json", {"n": self.config.n, "pid": os.getpid(), "parent": os.getppid()})

        def work(self): pass
        def segfault(self): ctypes.string_at(0)
        def leave(self): os._exit(3)
        def leave_as_if_done(self): os._exit(0)
        def system_exit(self): sys.exit(4)
        def kill(self): os.kill(os.getpid(), signal.SIGKILL)
        def fail(self): raise KeyError("no such thing")
        def fail_badly(self): raise Unpicklable(1, 2)
        def eat(self): self.food = bytearray(2 ** 31)
        def sleep(self): time.sleep(60)
        def stay(self):
            while True:
                try:
                    time.sleep(60)
                except KeyboardInterrupt:
                    pass
        def second_time_lucky(self):
            if not os.path.exists("lucky"):
                open("lucky", "w").close()
                os.kill(os.getpid(), signal.SIGSEGV)
        def second_time_right(self):
            if not os.path.exists("right"):
                open("right", "w").close()
                raise ValueError("not yet")
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("work.py", WORK)
    return workspace


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


def runs(project: Workspace) -> list[list[str]]:
    """What ran: how, and in which process."""
    path = project.root / "ran"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def launched(
    engine: str, version: dict[str, Any] | None, *hows: str
) -> tuple[list[Any], ExecutionFailed | None]:
    """Components that were run, and the error in the end."""
    components = [get("work", {"how": how}) for how in hows]
    try:
        get(engine, version).add(*components).dispatch()
    except ExecutionFailed as error:
        return components, error
    return components, None


# --- what is asked for


@pytest.mark.parametrize("argument", ["0", "-1", "x", "", "1.5", "٣"])
def test_a_number_of_processes_that_is_none_costs_one_line(argument: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 1") as error:
        get(f"native:{argument}")
    assert "\n" not in str(error.value)


def test_the_argument_is_a_part_of_the_version() -> None:
    assert get("native:5").config.processes == 5
    assert get("native:5", {"retries": 2}).config.to_dict().items() >= {"processes": 5, "retries": 2}.items()
    assert get("native:5", {"processes": 3}).processes == 3
    assert get("native:auto").processes == usable_cores()
    assert get("multiprocess:2").processes == 2
    assert get("native").processes is None


@pytest.mark.parametrize(
    "version",
    [
        {"processes": 0},
        {"processes": "many"},
        {"processes": 1.5},
        {"start_method": "thread"},
        {"timeout_seconds": 0},
        {"timeout_seconds": "long"},
        {"retries": -1},
        {"threads": 0},
        {"memory_limit_gib": -1},
        {"preload": [1]},
    ],
)
def test_an_option_that_does_not_fit_costs_one_line(version: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        get("native:1", version)
    assert "\n" not in str(error.value) and next(iter(version)) in str(error.value)


def test_an_option_that_needs_processes_says_so() -> None:
    with pytest.raises(ConfigurationError, match="retries needs processes"):
        get("native", {"retries": 1})


# --- a process for each


@pytest.mark.parametrize("method", METHODS)
def test_each_component_has_a_process_of_its_own(project: Workspace, method: str) -> None:
    components = [get("work", {"n": n}) for n in range(4)]
    with get("native:2", {"start_method": method}):
        for component in components:
            component.launch()
    results = [component.load_file("result.json") for component in components]
    assert len({result["pid"] for result in results} | {os.getpid()}) == 5
    assert [component.output() for component in components] == ["it runs\n"] * 4
    assert {component.executions[0]["engine"] for component in components} == {"native:2"}


@pytest.mark.parametrize("method", METHODS)
def test_a_script_without_a_guard_runs_its_top_level_once(project: Workspace, method: str) -> None:
    project.write(
        "script.py",
        f"""
        from machinable import Component, get
        print("the top level")

        class Here(Component):
            Config = {{"n": 0}}
            def __call__(self):
                self.save_file("n.json", self.config.n)

        with get("native:2", {{"start_method": {method!r}}}) as execution:
            for n in range(3):
                get(Here, {{"n": n}}).launch()
        print([component.load_file("n.json") for component in execution.components])
        """,
    )
    assert project.script("script.py").stdout == "the top level\n[0, 1, 2]\n"


def test_workers_are_kept_where_processes_may_be_reused(project: Workspace) -> None:
    components = [get("work", {"n": n}) for n in range(8)]
    get("native:2", {"reuse_processes": True}).add(*components).dispatch()
    assert 1 <= len({component.load_file("result.json")["pid"] for component in components}) <= 2
    assert [component.output() for component in components] == ["it runs\n"] * 8


@pytest.mark.parametrize("method", METHODS)
def test_a_worker_that_crashes_takes_one_component_with_it(project: Workspace, method: str) -> None:
    version = {"reuse_processes": True, "start_method": method}
    components, error = launched("native:1", version, "", "kill", "fail", "work")
    assert error is not None and len(error.failures) == 2
    assert "SIGKILL" in str(error)
    assert [component.status for component in components] == ["finished", "lost", "failed", "finished"]


def test_inputs_run_before_their_users(project: Workspace) -> None:
    project.write(
        "user.py",
        """
        from machinable import Component
        class User(Component):
            uses = {"data": "work"}
            def __call__(self):
                self.save_file("n.json", self.uses["data"].load_file("result.json")["n"])
        """,
    )
    user = get("user")
    get("native:2").add(user).dispatch()
    assert user.load_file("n.json") == 0


@pytest.mark.parametrize("method", METHODS)
def test_threads_of_numerical_libraries_share_the_cores(
    project: Workspace, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        "threads.py",
        f"""
        import os
        from machinable import Component
        class Threads(Component):
            def __call__(self):
                self.save_file("threads.json", [os.environ.get(name) for name in {THREAD_VARIABLES}])
        """,
    )
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    component = get("threads")
    get("native:2", {"start_method": method}).add(component).dispatch()
    each = str(max(1, usable_cores() // 2))
    assert component.load_file("threads.json") == [each, each, "7", each, each]
    assert os.environ.get("OMP_NUM_THREADS") is None
    again = component.new()
    get("native:2", {"start_method": method, "threads": None}).add(again).dispatch()
    assert again.load_file("threads.json") == [None, None, "7", None, None]


# --- crashes


@pytest.mark.parametrize("method", METHODS)
def test_a_crash_fails_one_component_and_says_how(project: Workspace, method: str) -> None:
    hows = ["segfault", "leave", "leave_as_if_done", "system_exit", "kill", "fail", "fail_badly", "work"]
    components, error = launched("native:2", {"start_method": method}, *hows)
    assert error is not None
    found = {component.config.how: component for component in components}
    reasons = {
        component.config.how: reason
        for component in components
        for _, id_, reason in error.failures
        if id_ == component.id
    }
    assert "killed by SIGSEGV" in reasons["segfault"]
    assert "exit code 3" in reasons["leave"]
    assert "exit code 0" in reasons["leave_as_if_done"]
    assert reasons["system_exit"] == "SystemExit: 4"
    assert "killed by SIGKILL" in reasons["kill"]
    assert reasons["fail"] == "KeyError: 'no such thing'"
    assert reasons["fail_badly"] == "Unpicklable: it can not be loaded"
    assert "work" not in reasons and found["work"].status is Status.FINISHED
    # The record tells as well, to whoever reads it later.
    assert "killed by SIGSEGV" in get("work", {"how": "segfault"}).status_evidence
    assert "exit code 3" in get("work", {"how": "leave"}).status_evidence
    assert get("work", {"how": "kill"}).status is Status.LOST


def test_the_cause_is_the_exception_that_was_raised_there(project: Workspace) -> None:
    _, error = launched("native:1", None, "fail")
    assert error is not None and type(error.__cause__) is KeyError
    assert 'raise KeyError("no such thing")' in str(error.__cause__.__cause__)


def test_a_failure_is_resumed_by_the_next_run(project: Workspace) -> None:
    _, error = launched("native:1", None, "second_time_lucky")
    assert error is not None
    (component,), error = launched("native:1", None, "second_time_lucky")
    assert error is None and len(component.executions) == 2


def test_what_can_not_be_pickled_is_told(project: Workspace) -> None:
    lock = __import__("threading").Lock()
    module = __import__("machinable")

    class Local(module.Component):  # type: ignore[misc, name-defined]
        def __call__(self) -> None:
            print(lock)

    with pytest.raises(ExecutionFailed, match="can not be pickled"):
        get("native:1").add(get(Local)).dispatch()


# --- time, retries, memory


@pytest.mark.parametrize("reuse", [False, True])
def test_a_component_that_takes_too_long_is_interrupted(project: Workspace, reuse: bool) -> None:
    (component, other), error = launched(
        "native:2", {"timeout_seconds": 3, "reuse_processes": reuse}, "sleep", ""
    )
    assert error is not None and len(error.failures) == 1
    assert "interrupted: it ran longer than 3 s" in str(error) and "not dispatched" not in str(error)
    assert component.status is Status.INTERRUPTED and "timeout_seconds" in component.status_evidence
    assert other.status is Status.FINISHED


def test_one_that_does_not_stop_then_is_killed(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "GRACE_SECONDS", 0.3)
    (component,), error = launched("native:1", {"timeout_seconds": 2}, "stay")
    assert error is not None and "did not stop when asked to" in str(error)
    assert component.status is Status.LOST and "SIGKILL" in component.status_evidence


@pytest.mark.parametrize("reuse", [False, True])
def test_a_process_that_is_slow_to_begin_does_not_use_up_its_components_time(
    project: Workspace, reuse: bool
) -> None:
    project.write("slow.py", "import time\ntime.sleep(4)\n" + dedent(WORK).replace("Work(", "Slow("))
    source = f"""
        from machinable import get
        with get("native:1", {{"timeout_seconds": 3, "reuse_processes": {reuse}}}):
            component = get("slow").launch()
        print(component.status)
    """
    assert project.python(source).stdout.endswith("finished\n")


def test_a_process_that_does_not_get_to_begin_is_ended_and_says_so(project: Workspace) -> None:
    project.write("stuck.py", "import os, time\nif 'STUCK' in os.environ: time.sleep(60)\n" + dedent(WORK))
    source = """
        import os
        from machinable import get
        from machinable.engines import jobs
        jobs.BEGIN_SECONDS = 1
        component = get("stuck")
        os.environ["STUCK"] = "yes"
        with get("native:1", {"timeout_seconds": 0.5}):
            component.launch()
    """
    done = project.python(source, check=False)
    assert "not dispatched: it did not begin within 1 s" in done.stderr and "ran longer" not in done.stderr


def test_crashes_are_retried_and_exceptions_are_not(project: Workspace) -> None:
    components, error = launched("native:1", {"retries": 2}, "second_time_lucky", "second_time_right", "kill")
    assert error is not None and len(error.failures) == 2
    assert [len(component.executions) for component in components] == [2, 1, 3]
    assert [component.status for component in components] == ["finished", "failed", "lost"]


@pytest.mark.parametrize("reuse", [False, True])
def test_exceptions_are_retried_where_that_was_asked_for(project: Workspace, reuse: bool) -> None:
    version = {"retries": 1, "retry_exceptions": True, "reuse_processes": reuse}
    components, error = launched("native:1", version, "second_time_right", "fail")
    assert error is not None and len(error.failures) == 1
    assert [component.status for component in components] == ["finished", "failed"]
    assert [len(component.executions) for component in components] == [2, 2]


@pytest.mark.parametrize("method", METHODS)
def test_a_memory_limit_is_named_by_the_failure(project: Workspace, method: str) -> None:
    # A fork begins with all that this process has mapped.
    limit = round(_address_space_gib() + 1.5, 1) if method == "fork" else 1.5
    (component, other), error = launched(
        "native:2", {"memory_limit_gib": limit, "start_method": method}, "eat", ""
    )
    assert error is not None and f"{limit:g} GiB of address space was met (memory_limit_gib)" in str(error)
    assert component.status is Status.FAILED and "memory_limit_gib" in component.output()
    assert other.status is Status.FINISHED


def _address_space_gib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def test_a_memory_limit_below_the_beginning_is_told(project: Workspace) -> None:
    _, error = launched("native:1", {"memory_limit_gib": 0.001}, "")
    assert error is not None and "before it starts" in str(error)
    assert not runs(project)


def test_a_run_that_stops_starts_nothing_more(project: Workspace) -> None:
    execution = get("native:1", {"retries": 5})
    execution._max_failures = 1
    with pytest.raises(ExecutionFailed, match="not started"):
        execution.add(*(get("work", {"how": "fail", "n": n}) for n in range(3))).dispatch()
    assert len(runs(project)) == 1


# --- the end of the coordinator

_SLEEPERS = """
    from machinable import get
    try:
        with get("native:2", {version}):
            for how, n in [("", 1), ("{how}", 2), ("{how}", 3), ("", 4)]:
                get("work", {{"how": how, "n": n}}).launch()
    except KeyboardInterrupt:
        print("interrupted")
        raise
"""


def sleepers(project: Workspace, how: str = "sleep", **version: Any) -> subprocess.Popen[str]:
    """A coordinator with two components that sleep, in a process group of its own."""
    source = _SLEEPERS.format(how=how, version=version)
    process = project.popen(source, start_new_session=True)
    until(lambda: sum(run[0] == how for run in runs(project)) == 2, "the components run")
    return process


def states(how: str = "sleep") -> list[str]:
    return [get("work", {"how": name, "n": n}).status for name, n in [("", 1), (how, 2), (how, 3), ("", 4)]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_interrupts_all_in_order(project: Workspace, method: str, whole_group: bool) -> None:
    process = sleepers(project, start_method=method)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert output.endswith("interrupted\n") and process.returncode == -signal.SIGINT, errors
    assert states() == ["finished", "interrupted", "interrupted", "pending"]
    assert not any(is_alive(pid) for _, pid in runs(project))


@pytest.mark.parametrize("method", METHODS)
def test_sigterm_interrupts_all_in_order(project: Workspace, method: str) -> None:
    process = sleepers(project, start_method=method)
    os.kill(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert output.endswith("interrupted\n") and process.returncode != -signal.SIGTERM, errors
    assert states() == ["finished", "interrupted", "interrupted", "pending"]
    assert not any(is_alive(pid) for _, pid in runs(project))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_by_a_signal_has_a_closing_line(project: Workspace, number: int) -> None:
    source = """
        from machinable import Experiment, execute, grid
        plan = Experiment().component("work", grid(how=["sleep"], n=[1, 2, 3]))
        execute(plan, storage="./results", seed=42, engine="native:2")
    """
    process = project.popen(source, start_new_session=True)
    until(lambda: len(runs(project)) == 2, "the components run")
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert "stopped: 2 interrupted, 1 not started in " in errors and "failed" not in errors


def test_sigterm_has_its_default_again_after_a_run_and_in_what_is_forked(project: Workspace) -> None:
    project.python("""
        import os, signal
        from machinable import get
        from machinable.component.signals import Terminated
        from machinable.engines.termination import Termination
        get("native:1").add(get("work")).dispatch()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        with Termination(lambda: False):
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            pid = os.fork()
            if pid == 0:
                os._exit(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
            assert os.waitpid(pid, 0)[1] == 0
            for times in range(2):  # only the first one interrupts
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                except Terminated:
                    assert times == 0
                else:
                    assert times == 1
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with Termination(lambda: False):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    """)


@pytest.mark.parametrize("reuse", [False, True])
def test_a_second_ctrl_c_ends_at_once(project: Workspace, reuse: bool) -> None:
    process = sleepers(project, "stay", reuse_processes=reuse)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert output.endswith("interrupted\n"), errors
    assert states("stay") == ["finished", "lost", "lost", "pending"]
    assert "SIGKILL" in get("work", {"how": "stay", "n": 2}).status_evidence


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reuse", [False, True])
def test_children_end_with_a_coordinator_that_is_killed(project: Workspace, method: str, reuse: bool) -> None:
    process = sleepers(project, start_method=method, reuse_processes=reuse)
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not any(is_alive(pid) for _, pid in runs(project)), "the children end")
    assert states() == ["finished", "interrupted", "interrupted", "pending"]


def test_after_a_kill_of_the_coordinator_nothing_finished_runs_again(project: Workspace) -> None:
    source = """
        from machinable import get
        with get("native:2"):
            for n in range(30):
                get("work", {"n": n + 1}).launch()
    """
    for least in (4, 12, 20):
        process = project.popen(source, start_new_session=True)
        until(lambda: len(runs(project)) >= least, "some components run")  # noqa: B023
        process.kill()
        process.communicate(timeout=20)
    project.python(source)
    components = [get("work", {"n": n + 1}) for n in range(30)]
    assert all(component.status is Status.FINISHED for component in components)
    for component in components:
        ends = [attempt["end"] and attempt["end"]["kind"] for attempt in component.executions]
        assert ends.count("finished") == 1 and ends[-1] == "finished"


def test_a_template_that_is_killed_loses_what_runs_and_nothing_else(project: Workspace) -> None:
    process = sleepers(project)
    parent = Path(f"/proc/{runs(project)[-1][1]}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) != process.pid
    os.kill(int(parent), signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1 and "its process was lost" in errors
    assert states() == ["finished", "interrupted", "interrupted", "finished"]


def test_callers_that_start_the_same_at_once_share_it(project: Workspace) -> None:
    source = """
        import sys
        from machinable import get
        components = [get("work", {"n": int(n)}) for n in sys.argv[1].split(",")]
        with get("native:2"):
            for component in components:
                component.launch()
        print(sum(component.load_file("result.json")["n"] for component in components))
    """
    numbers = list(range(1, 51))
    processes = []
    for _ in range(8):
        random.shuffle(numbers)
        processes.append(project.popen(source, ",".join(map(str, numbers))))
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert output.endswith(f"{sum(range(1, 51))}\n"), errors
    assert sorted(int(run[0]) for run in runs(project)) == list(range(1, 51))
