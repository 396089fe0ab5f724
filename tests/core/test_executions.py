"""Executions of one's own: what they are given, how components travel, and what is said when one is left out."""

from __future__ import annotations

import os
from multiprocessing import reduction, spawn

import pytest

from machinable import Execution, get
from machinable.errors import ConfigurationError, ExecutionFailed
from machinable.types import Status

JOB = """
    import os
    from machinable import Component


    class Job(Component):
        Config = {"x": 1, "fails": False}

        def __call__(self):
            print("x is", self.config.x, flush=True)
            if self.config.fails:
                raise ValueError("broken on purpose")
            self.save_file("pid.json", os.getpid())
"""
CONSUMING = """
    from multiprocessing import get_context
    from machinable import Execution


    class Multiprocess(Execution):
        Config = {"processes": 1, "method": "fork"}

        def __call__(self):
            Pool = get_context(self.config.method).Pool
            with Pool(self.config.processes, maxtasksperchild=1) as pool:
                for _ in pool.imap_unordered(lambda component: component.dispatch(), self.pending_executables):
                    pass
"""
NOT_CONSUMING = """
    from multiprocessing import get_context
    from machinable import Execution


    class Multiprocess(Execution):
        Config = {"processes": 1, "method": "fork"}

        def __call__(self):
            Pool = get_context(self.config.method).Pool
            pool = Pool(processes=self.config.processes, maxtasksperchild=1)
            try:
                pool.imap_unordered(lambda component: component.dispatch(), self.pending_executables)
                pool.close()
                pool.join()
            finally:
                pool.terminate()
"""
FORMS = {"consuming": CONSUMING, "not consuming": NOT_CONSUMING}


@pytest.fixture
def job(workspace):
    workspace.write("job.py", JOB)
    return workspace


def own(workspace, body: str) -> str:
    """An execution of one's own in own.py; `body` is what its `__call__` does."""
    lines = ["from machinable import Execution", "", "class Own(Execution):", "    def __call__(self):"]
    (workspace.root / "own.py").write_text(
        "\n".join([*lines, *(f"        {line}" for line in body.splitlines())])
    )
    return "own"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("form", FORMS)
def test_a_pool_of_ones_own_runs_every_component_in_other_processes(job, form, method):
    job.write("multiprocess.py", FORMS[form])
    told = job.python(
        f"""
        import os
        from machinable import Storage, get
        with Storage("storage"):
            with get("multiprocess", {{"processes": 2, "method": "{method}"}}) as execution:
                jobs = [get("job", {{"x": x}}).launch() for x in range(3)]
                assert not any(job.cached() for job in jobs)
            pids = {{job.load_file("pid.json") for job in jobs}}
            print(execution.is_finished(), len(pids), os.getpid() in pids)
        """
    )
    assert told.stdout.splitlines()[-1] == "True 3 False"
    assert get("job").executions[0]["engine"] == "multiprocess:Multiprocess"


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_script_needs_no_guard(job, method):
    job.write(
        "script.py",
        f"""
        from multiprocessing import get_context
        from machinable import Component, Execution, Storage, get


        class Train(Component):
            Config = {{"x": 1}}

            def __call__(self):
                self.save_file("x.json", factor * self.config.x)


        class Own(Execution):
            def __call__(self):
                with get_context("{method}").Pool(2) as pool:
                    for _ in pool.imap_unordered(lambda component: component.dispatch(), self.pending_executables):
                        pass


        factor = 10
        print("main", flush=True)
        with Storage("storage"):
            with Own():
                trains = [get(Train, {{"x": x}}).launch() for x in range(2)]
            print([train.load_file("x.json") for train in trains])
        """,
    )
    assert job.script("script.py").stdout == "main\n[0, 10]\n"


def test_pickling_is_restored_afterwards(job):
    job.write("multiprocess.py", CONSUMING)
    before = reduction.ForkingPickler.__dict__.get("reducer_override"), spawn.get_preparation_data
    with get("multiprocess"):
        get("job").launch()
    with pytest.raises(ExecutionFailed), get(own(job, "raise KeyError('x')")):
        get("job", {"x": 2}).launch()
    assert (reduction.ForkingPickler.__dict__.get("reducer_override"), spawn.get_preparation_data) == before
    with pytest.raises(Exception, match=r"lambda|local object"):
        reduction.ForkingPickler.dumps(lambda: 1)


def test_an_execution_that_leaves_components_out_is_an_error_that_names_them(job):
    execution = get(own(job, "self.pending_executables[0].dispatch()"))
    with pytest.raises(ExecutionFailed) as failure, execution:
        first, second = get("job", {"x": 1}).launch(), get("job", {"x": 2}).launch()
    assert first.cached() and second.status is Status.PENDING
    assert f"job {second.id}: not dispatched" in str(failure.value)
    assert [id_ for _, id_, _ in failure.value.failures] == [second.id]


def test_an_execution_that_raises_is_told_with_what_it_left_out(job):
    execution = get(own(job, "raise KeyError('queue')"))
    with pytest.raises(ExecutionFailed, match="the engine raised KeyError: 'queue'") as failure, execution:
        get("job").launch()
    assert isinstance(failure.value.__cause__, KeyError)


def test_a_component_that_can_not_be_pickled_is_named_although_the_pool_swallows_it(job):
    job.write("multiprocess.py", NOT_CONSUMING)
    told = job.python(
        """
        import threading
        from machinable import Component, Storage, get

        class Held(Component):
            lock = threading.Lock()

        with Storage("storage"), get("multiprocess"):
            get(Held).launch()
        """,
        check=False,
    )
    assert told.returncode == 1
    assert "Held" in told.stderr or "__session__" in told.stderr
    assert (
        "not dispatched: it can not be pickled (TypeError: cannot pickle '_thread.lock' object" in told.stderr
    )


def test_a_component_that_fails_does_not_stop_the_others(job):
    with pytest.raises(ExecutionFailed, match="1 of 3 components failed") as failure, Execution():
        jobs = [get("job", {"x": x, "fails": x == 1}).launch() for x in range(3)]
    assert [str(job.status) for job in jobs] == ["finished", "failed", "finished"]
    assert isinstance(failure.value.__cause__, ValueError)
    log = os.path.join(jobs[1].directory, "output.log")
    assert f"job {jobs[1].id}: ValueError: broken on purpose · log: {log}" in str(failure.value)


def test_each_failure_takes_one_line_whatever_the_text_of_the_exception(job):
    job.write(
        "wordy.py",
        """
        from machinable import Component


        class Wordy(Component):
            def __call__(self):
                raise ValueError("first\\nsecond\\n" + 1000 * "long ")
        """,
    )
    with pytest.raises(ExecutionFailed) as failure:
        get("wordy").launch()
    _head, line = str(failure.value).splitlines()
    assert "ValueError: first second long" in line and "… · log: " in line and len(line) < 600
    assert failure.value.failures[0][2].startswith("ValueError: first\nsecond\n")


def test_a_failure_in_another_process_comes_back_with_its_traceback(job):
    job.write("multiprocess.py", CONSUMING)
    with pytest.raises(ExecutionFailed, match="broken on purpose") as failure, get("multiprocess"):
        get("job", {"fails": True}).launch()
    assert "ValueError: broken on purpose" in str(failure.value.__cause__)
    assert "job.py" in str(failure.value.__cause__)


def test_a_block_that_raises_dispatches_nothing(job):
    with pytest.raises(KeyError), Execution() as execution:
        component = get("job").launch()
        raise KeyError
    assert not component.cached() and component.directory is None
    assert not job.storage.exists()
    assert execution.components == [component] and not execution.is_started()


def test_an_execution_tells_the_state_of_its_components(job):
    execution = Execution()
    assert not execution.is_started() and not execution.is_finished() and not execution.is_failed()
    good, bad = get("job"), get("job", {"fails": True})
    execution.add(good, bad, good)
    assert execution.components == [good, bad]
    assert [execution.status(c) for c in (good, bad)] == ["pending", "pending"]
    with pytest.raises(ExecutionFailed):
        execution.dispatch()
    assert execution.is_started() and execution.is_failed()
    assert not execution.is_finished() and not execution.is_active()
    assert execution.is_finished(good) and not execution.is_failed(good) and execution.is_failed(bad)
    assert execution.output(good) == "x is 1\n"
    assert execution.output(bad).endswith("ValueError: broken on purpose\n")
    assert good.execution is execution
    with pytest.raises(ConfigurationError, match="'job' is not a component"):
        execution.add("job")


def test_only_what_is_not_finished_is_dispatched(job):
    get("job", {"x": 1}).launch()
    with get(
        own(job, "self.seen = list(self.pending_executables)\n[c.dispatch() for c in self.seen]")
    ) as execution:
        get("job", {"x": 1}).launch()
        second = get("job", {"x": 2}).launch()
    assert [component.id for component in execution.seen] == [second.id]
    assert execution.is_finished()


def test_resources_are_the_defaults_then_what_the_execution_was_given(job):
    class Own(Execution):
        def on_compute_default_resources(self, component):
            return {"gpus": component.config.x, "memory": "1G"}

    assert Own().resources_for(get("job", {"x": 3})) == {"gpus": 3, "memory": "1G"}
    assert Own(resources={"memory": "2G"}).resources_for(get("job")) == {"gpus": 1, "memory": "2G"}
    assert Execution().resources_for(get("job")) == {}
