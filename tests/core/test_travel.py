"""Components on their way to other processes and threads."""

from __future__ import annotations

import copy
import os
import pickle
import shutil

import pytest

from machinable import Execution, Scope, Storage, get
from machinable.errors import ProjectError

JOB = """
    import random
    from machinable import Component, Field


    class Job(Component):
        Config = {"x": 1, "deep": {"y": 2}, "device": Field("cpu", identifying=False)}

        def __call__(self):
            print("x is", self.config.x)
            self.save_file("numbers.json", [random.random() for _ in range(3)])
"""


@pytest.fixture
def job(workspace):
    workspace.write("job.py", JOB)
    workspace.write(
        "user.py",
        JOB.replace("Job", "User").replace(
            "        def __call__", '        uses = {"job": "job"}\n\n        def __call__'
        ),
    )
    return workspace


def test_a_component_travels_as_its_request(job, tmp_path):
    with Scope({"fold": 1}), Storage(tmp_path / "results"):
        component = get(
            "user", {"x": 5, "deep.y": 3, "device": "gpu"}, uses={"job": ["job", {"x": 2}]}, seed=4
        )
    data = pickle.dumps(component)
    assert len(data) < 1500
    assert len(pickle.dumps(get("job", {"x": 3}))) < 1000
    again = pickle.loads(data)
    assert (again.id, again.identity, again.seed) == (component.id, component.identity, component.seed)
    assert again.config == component.config
    assert again.uses["job"].id == component.uses["job"].id
    assert again.local_directory() == component.local_directory()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_the_same_component(job, copied):
    component = get("job", {"x": 5}).launch()
    again = copied(component)
    assert again.id == component.id and again.launch().reused


def test_a_fresh_component_stays_the_fresh_one(job):
    get("job").launch()
    fresh = get.new("job")
    again = pickle.loads(pickle.dumps(fresh))
    assert again.id == fresh.id
    assert again.launch().id == fresh.id and fresh.cached()


def test_a_component_whose_class_changed_on_the_way_is_refused(job):
    data = pickle.dumps(get("job"))
    job.write("job.py", JOB.replace('"y": 2', '"y": 3'))
    told = job.python(f"import pickle; pickle.loads({data!r})", check=False)
    assert told.returncode
    assert f"{ProjectError.__name__}: job changed between the launch and its start" in told.stderr


@pytest.mark.parametrize(
    "body",
    [
        "from multiprocessing.pool import ThreadPool as Pool",
        "from concurrent.futures import ThreadPoolExecutor as Pool",
        "from concurrent.futures import ProcessPoolExecutor as Pool",
    ],
    ids=["thread pool", "thread executor", "process executor"],
)
def test_other_pools_run_components_too(job, body):
    job.write(
        "own.py",
        f"""
        {body}
        from machinable import Execution


        class Own(Execution):
            def __call__(self):
                with Pool(2) as pool:
                    list(pool.map(lambda component: component.dispatch(), self.pending_executables))
        """,
    )
    with get("own") as execution:
        jobs = [get("job", {"x": x}).launch() for x in range(4)]
    assert execution.is_finished()
    assert [job.output() for job in jobs] == [f"x is {x}\n" for x in range(4)]


def test_an_execution_inside_of_a_component_runs_its_components(job):
    job.write(
        "outer.py",
        """
        from machinable import Component, get


        class Outer(Component):
            def __call__(self):
                with get("multiprocess", {"processes": 2}):
                    jobs = [get("job", {"x": x}).launch() for x in range(2)]
                self.save_file("ids.json", [job.id for job in jobs if job.cached()])
        """,
    )
    outer = get("outer").launch()
    assert outer.load_file("ids.json") == [get("job", {"x": x}).id for x in range(2)]


def test_a_record_that_was_removed_is_made_again_by_the_same_object(job):
    component = get("job").launch()
    numbers = component.load_file("numbers.json")
    shutil.rmtree(component.directory)
    assert component.status == "pending"
    assert component.launch().cached()
    assert component.load_file("numbers.json") == numbers


def test_a_module_that_is_run_by_its_name_is_that_module(workspace):
    workspace.write("jobs/__init__.py", "")
    workspace.write(
        "jobs/train.py",
        """
        from machinable import Component, Storage, get


        class Train(Component):
            pass


        if __name__ == "__main__":
            with Storage("storage"):
                print(get(Train).launch().module)
        """,
    )
    told = workspace.run([os.sys.executable, "-m", "jobs.train"], check=True)
    assert told.stdout == "jobs.train\n"
    assert get("jobs.train").cached()


def test_an_interrupted_component_without_iterations_saves_what_it_has(workspace):
    workspace.write(
        "whole.py",
        """
        import os, signal
        from machinable import Component


        class Whole(Component):
            done = 0

            def on_execute(self):
                while self.done < 10:
                    self.done += 1
                    if self.done == 5 and not os.path.exists("ended"):
                        open("ended", "w").close()
                        os.kill(os.getpid(), signal.SIGTERM)
                        self.done = 99  # not reached
                self.save_file("done.json", [self.done, self.restored_at])

            def on_save(self, directory):
                with open(os.path.join(directory, "done"), "w") as file:
                    file.write(str(self.done))

            def on_restore(self, directory):
                with open(os.path.join(directory, "done")) as file:
                    self.done = self.restored_at = int(file.read())
        """,
    )
    source = "from machinable import Storage, get\nwith Storage('storage'): get('whole').launch()"
    ended = workspace.python(source, check=False)
    assert ended.returncode
    whole = get("whole")
    assert whole.status == "interrupted", ended.stderr
    assert whole.launch().load_file("done.json") == [10, 5]


def test_an_execution_given_as_an_object_or_by_name_is_the_same_kind(job):
    assert type(get("native")) is type(get(type(get("native"))))
    with Execution({}) as execution:
        get("job").launch()
    assert execution.id is not None and len(execution.id) == 6
