"""Components defined where no module can be imported from: scripts, `python -c`, interpreters, functions."""

from __future__ import annotations

import sys

import pytest

from machinable import get

SCRIPT = """
    from machinable import Component, Storage, get


    class Train(Component):
        Config = {"lr": 0.1}

        def __call__(self):
            self.save_file("lr.json", self.config.lr)


    with Storage("storage"):
        if __name__ == "__main__":
            train = get(Train, {"lr": 0.5}).launch()
            print(train.id, train.module, train.reused)
"""
TYPED = """
    from machinable import Component, Storage, get

    class Typed(Component):
        Config = {"x": 1}

        def __call__(self):
            self.save_file("x.json", self.config.x)

    storage = Storage("storage")
    storage.__enter__()
"""


def test_a_class_of_a_script_is_in_the_scripts_module(workspace):
    workspace.write("script.py", SCRIPT)
    id_, module, reused = workspace.script("script.py").stdout.split()
    assert (module, reused) == ("script", "False")
    assert workspace.script("script.py").stdout.split() == [id_, "script", "True"]
    found = get("script", {"lr": 0.5})
    assert found.id == id_ and found.cached()
    assert get.by_id(id_).load_file("lr.json") == 0.5


def test_a_script_in_a_package_has_its_dotted_name(workspace):
    workspace.write("jobs/deep/script.py", SCRIPT)
    id_, module, _ = workspace.script("jobs/deep/script.py").stdout.split()
    assert module == "jobs.deep.script"
    assert get("jobs.deep.script", {"lr": 0.5}).id == id_


def test_a_script_finds_its_own_class_by_its_name(workspace):
    workspace.write(
        "script.py",
        """
        from machinable import Component, Storage, get


        class Train(Component):
            def __call__(self):
                print("running")


        with Storage("storage"):
            print(get("script").launch().id == get(Train).id)
        """,
    )
    assert workspace.script("script.py").stdout == "running\nTrue\n"


def test_a_class_that_was_typed_is_stored_and_found_again_in_the_same_process(workspace):
    told = workspace.python(
        TYPED
        + """
    typed = get(Typed, {"x": 3}).launch()
    again = get(Typed, {"x": 3}).launch()
    found = get.by_id(typed.id)
    print(typed.module, again.reused, type(found).__name__, found.load_file("x.json"))
    """
    )
    assert told.stdout == "__session__ True Typed 3\n"


def test_a_class_that_was_typed_is_found_in_another_process(workspace):
    id_ = workspace.python(TYPED + "\n    print(get(Typed, {'x': 3}).launch().id)").stdout.strip()
    again = workspace.python(TYPED + "\n    print(get(Typed, {'x': 3}).launch().reused)")
    assert again.stdout == "True\n"
    found = get.by_id(id_)
    assert (found.module, found.config.x, found.load_file("x.json")) == ("__session__", 3, 3)
    assert found.cached() and type(found).__name__ == "Component"
    assert [c.id for c in get.all()] == [id_]


def test_cells_of_a_notebook_work_like_modules(workspace):
    pytest.importorskip("IPython")
    workspace.write(
        "cell.txt",
        """
        from machinable import Component, Storage, get
        class Cell(Component):
            Config = {"x": 1}
            def __call__(self):
                self.save_file("x.json", [self.config.x, 1])
        storage = Storage("storage").__enter__()
        cell = get(Cell, {"x": 2}).launch()
        print(cell.module, cell.load_file("x.json"), type(get.by_id(cell.id)) is Cell)
        with get("multiprocess", {"processes": 2, "start_method": "spawn"}):
            other = get(Cell, {"x": 5}).launch()
        print(other.load_file("x.json"), other.id == get(Cell, {"x": 5}).id)
        """,
    )
    told = workspace.python(
        """
        from IPython.terminal.interactiveshell import TerminalInteractiveShell
        shell = TerminalInteractiveShell.instance()
        with open("cell.txt") as file:
            shell.run_cell(file.read())
        """
    )
    assert "__session__ [2, 1] True\n" in told.stdout, told.stderr
    assert "[5, 1] True\n" in told.stdout, told.stdout + told.stderr


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_classes_that_were_typed_travel_to_other_processes(workspace, method):
    told = workspace.python(
        TYPED
        + f"""
    with get("multiprocess", {{"processes": 2, "start_method": "{method}"}}) as execution:
        typed = [get(Typed, {{"x": x}}).launch() for x in (1, 2)]
    print([t.load_file("x.json") for t in typed], execution.is_finished())
    """
    )
    assert told.stdout == "[1, 2] True\n"


def test_classes_inside_of_functions_run(workspace):
    workspace.write(
        "nested.py",
        """
        from machinable import Component


        def make():
            class Inner(Component):
                Config = {"x": 1}

                def __call__(self):
                    self.save_file("x.json", self.config.x)

            return Inner
        """,
    )
    sys.path.insert(0, str(workspace.root))
    try:
        import nested
    finally:
        sys.path.remove(str(workspace.root))
    inner = get(nested.make(), {"x": 4}).launch()
    assert inner.load_file("x.json") == 4
    assert get(nested.make(), {"x": 4}).launch().reused
    with get("multiprocess"):
        other = get(nested.make(), {"x": 5}).launch()
    assert other.load_file("x.json") == 5


def test_the_main_file_is_not_run_again_in_children(workspace):
    workspace.write(
        "script.py",
        """
        from machinable import Component, Storage, get


        class Train(Component):
            Config = {"x": 1}

            def __call__(self):
                print("training", flush=True)


        print("main", flush=True)
        with Storage("storage"):
            with get("multiprocess", {"processes": 2, "start_method": "spawn"}):
                for x in range(2):
                    get(Train, {"x": x}).launch()
        """,
    )
    told = workspace.script("script.py")
    assert told.stdout.count("main") == 1, told.stderr
