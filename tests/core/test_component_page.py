"""What the page on components shows, as it is shown there."""

from __future__ import annotations

import pytest

from machinable import get
from machinable.errors import ExecutionFailed

MNIST_DATA = '''
    from machinable import Component


    class MnistData(Component):
        """A dataset of handwritten characters"""

        Config = {"batch_size": 8, "name": "mnist"}

        def __call__(self):
            self.download_data(self.config.name, self.local_directory())

        def download_data(self, dataset_name, target_directory):
            print(f"Downloading '{dataset_name}' ...")
            (target_directory / "data.txt").write_text(dataset_name)
'''

FRAGILE = """
    import os
    from machinable import Component


    class Fragile(Component):
        Config = {"size": 1}

        def __call__(self):
            with open("seen", "a") as file:
                print(self.seed, self.config.size, self.local_directory(), file=file)
            if not os.path.exists("repaired"):
                raise RuntimeError("the network is down")
            self.save_file("done.json", self.seed)
"""


@pytest.fixture
def mnist(workspace):
    workspace.write("mnist_data.py", MNIST_DATA)
    return get("mnist_data", {"batch_size": 4})


def test_a_component_is_launched_and_is_finished_then(mnist, capsys):
    mnist.launch()
    assert capsys.readouterr().out == "Downloading 'mnist' ...\n"
    assert mnist.execution.is_finished()
    assert (mnist.local_directory() / "data.txt").read_text() == "mnist"


def test_a_component_that_was_not_launched_is_not_finished(mnist):
    assert not mnist.execution.is_finished()
    assert not mnist.execution.is_started()
    assert not mnist.cached()


def test_a_component_has_a_seed_a_nickname_and_a_timestamp_that_stay(mnist):
    before = mnist.seed, mnist.nickname
    assert isinstance(mnist.seed, int) and 0 <= mnist.seed < 2**32
    adjective, noun = mnist.nickname.split("_")
    assert adjective.isalpha() and noun.isalpha()
    mnist.launch()
    again = get("mnist_data", {"batch_size": 4})
    assert before == (mnist.seed, mnist.nickname) == (again.seed, again.nickname)
    assert isinstance(again.timestamp, float)
    assert again.timestamp == mnist.timestamp


def test_a_second_launch_runs_nothing(mnist, capsys):
    mnist.launch()
    capsys.readouterr()
    mnist.launch()
    get("mnist_data", {"batch_size": 4}).launch()
    assert capsys.readouterr().out == ""
    assert len(mnist.executions) == 1


def test_the_defaults_asked_for_explicitly_are_the_same_component(mnist):
    same = get("mnist_data", {"name": "mnist", "batch_size": 4})
    assert same.id == mnist.id
    assert get("mnist_data").id != mnist.id


def test_another_process_gets_the_result_without_running_it(workspace, mnist):
    mnist.launch()
    told = workspace.python(
        """
        from machinable import get
        mnist = get("mnist_data", {"batch_size": 4}).launch()
        print(mnist.reused, mnist.id, mnist.seed, mnist.execution.is_finished())
        """
    )
    assert told.stdout == f"True {mnist.id} {mnist.seed} True\n"


def test_a_failed_component_resumes_in_its_directory_with_its_configuration_and_seed(workspace):
    workspace.write("fragile.py", FRAGILE)
    fragile = get("fragile", {"size": 3})
    with pytest.raises(ExecutionFailed, match="the network is down") as failure:
        fragile.launch()
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert fragile.execution.is_failed() and not fragile.execution.is_finished()
    (workspace.root / "repaired").touch()
    again = get("fragile", {"size": 3}).launch()
    assert again.execution.is_finished()
    assert again.load_file("done.json") == again.seed
    first, second = (workspace.root / "seen").read_text().splitlines()
    assert first == second == f"{fragile.seed} 3 {fragile.local_directory()}"
    assert [attempt["end"]["kind"] for attempt in again.executions] == ["failed", "finished"]


def test_the_page_works_from_the_command_line(workspace, mnist):
    ran = workspace.command("mnist_data", "batch_size=4", "--launch")
    assert ran.returncode == 0, ran.stderr
    assert "Downloading 'mnist' ..." in ran.stdout + ran.stderr
    assert mnist.cached()
    told = workspace.command("mnist_data", "batch_size=4", "--launch")
    assert told.returncode == 0
    assert mnist.id in told.stderr


def test_the_page_works_with_an_execution_of_ones_own_from_the_command_line(workspace, mnist):
    workspace.write(
        "multiprocess.py",
        """
        from multiprocessing import Pool
        from machinable import Execution


        class Multiprocess(Execution):
            Config = {"processes": 1}

            def __call__(self):
                pool = Pool(processes=self.config.processes, maxtasksperchild=1)
                try:
                    pool.imap_unordered(lambda component: component.dispatch(), self.pending_executables)
                    pool.close()
                    pool.join()
                finally:
                    pool.terminate()
        """,
    )
    ran = workspace.command("mnist_data", "batch_size=4", "multiprocess", "processes=4", "--launch")
    assert ran.returncode == 0, ran.stderr
    assert mnist.cached()
    assert mnist.executions[0]["engine"] == "multiprocess:Multiprocess"
