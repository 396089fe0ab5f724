"""The hooks of the life cycle: their order, and what becomes of a component when one of them fails."""

from __future__ import annotations

import pytest

from machinable import get
from machinable.errors import ComponentException, ExecutionFailed
from machinable.types import Status

HOOKED = """
    from machinable import Component


    class Hooked(Component):
        Config = {"fails": "", "exit": None}

        def told(self, name, *values):
            with open("hooks", "a") as file:
                print(name, *values, file=file)
            if name in self.config.fails.split(","):
                raise ValueError(f"{name} is broken")

        def on_before_dispatch(self):
            self.told("before_dispatch")

        def on_seeding(self):
            self.told("seeding")

        def __call__(self):
            self.told("call")
            if self.config.exit is not None:
                raise SystemExit(self.config.exit)

        def on_success(self):
            self.told("success")

        def on_failure(self, exception):
            self.told("failure", type(exception).__name__)

        def on_finish(self, success):
            self.told("finish", success)

        def on_after_dispatch(self, success):
            self.told("after_dispatch", success)
"""

STEPS = """
    from machinable import Component


    class Steps(Component):
        Config = {"ends": "", "fails": ""}

        def told(self, name):
            with open("hooks", "a") as file:
                print(name, file=file)
            if name == self.config.fails:
                raise ValueError(f"{name} is broken")

        def on_create(self):
            self.told("create")

        def on_execute_iteration(self, i):
            self.told(f"iteration {i}")
            self.record["i"] = i
            if i == 2:
                if self.config.ends == "returns":
                    return StopIteration
                if self.config.ends == "returns an instance":
                    return StopIteration()
                raise StopIteration

        def on_destroy(self):
            self.told("destroy")
"""


@pytest.fixture
def hooks(workspace):
    workspace.write("hooked.py", HOOKED)
    workspace.write("steps.py", STEPS)

    def read() -> list[str]:
        return (workspace.root / "hooks").read_text().splitlines()

    return read


def test_the_hooks_of_a_success_come_in_order(hooks):
    get("hooked").launch()
    assert hooks() == ["before_dispatch", "seeding", "call", "success", "finish True", "after_dispatch True"]


def test_the_hooks_of_a_failure_come_in_order(hooks):
    with pytest.raises(ExecutionFailed, match="call is broken"):
        get("hooked", {"fails": "call"}).launch()
    assert hooks() == [
        "before_dispatch",
        "seeding",
        "call",
        "failure ValueError",
        "finish False",
        "after_dispatch False",
    ]


@pytest.mark.parametrize("hook", ["before_dispatch", "seeding", "success", "finish", "after_dispatch"])
def test_a_component_whose_hook_raises_has_failed(hooks, hook):
    hooked = get("hooked", {"fails": hook})
    with pytest.raises(ExecutionFailed, match=f"{hook} is broken") as failure:
        hooked.launch()
    assert isinstance(failure.value.__cause__, ValueError)
    assert hooked.status is Status.FAILED
    assert f"ValueError: {hook} is broken" in hooked.output()
    assert get("hooked", {"fails": hook}).status is Status.FAILED


@pytest.mark.parametrize("hook", ["before_dispatch", "seeding", "success"])
def test_a_hook_that_raises_before_the_end_is_told_to_on_failure(hooks, hook):
    with pytest.raises(ExecutionFailed):
        get("hooked", {"fails": hook}).launch()
    assert hooks()[-3:] == ["failure ValueError", "finish False", "after_dispatch False"]
    assert ("call" in hooks()) is (hook == "success")


@pytest.mark.parametrize("hook", ["failure", "finish", "after_dispatch"])
def test_a_hook_that_fails_after_a_failure_hides_neither_it_nor_the_next_hooks(hooks, hook):
    hooked = get("hooked", {"fails": f"call,{hook}"})
    with pytest.raises(ExecutionFailed) as failure:
        hooked.launch()
    assert str(failure.value.__cause__) == "call is broken"
    assert hooks()[-1] == "after_dispatch False"
    assert f"on_{hook} raised ValueError: {hook} is broken" in hooked.output()


@pytest.mark.parametrize("code", [0])
def test_an_exit_with_code_zero_is_a_success(hooks, code):
    hooked = get("hooked", {"exit": code}).launch()
    assert hooked.status is Status.FINISHED
    assert "success" in hooks()


@pytest.mark.parametrize("code", [1, 3, "no data"])
def test_an_exit_with_another_code_is_a_failure_and_ends_the_component_alone(hooks, code):
    hooked = get("hooked", {"exit": code})
    with pytest.raises(ExecutionFailed, match="SystemExit"):
        hooked.launch()
    assert hooked.status is Status.FAILED
    assert "failure SystemExit" in hooks()


def test_dispatch_raises_the_components_own_exception(hooks):
    hooked = get("hooked", {"fails": "call"})
    with pytest.raises(ValueError, match="call is broken"):
        hooked.dispatch()
    assert hooked.status is Status.FAILED


def test_dispatch_returns_how_it_ended(hooks):
    assert get("hooked").dispatch() is Status.FINISHED
    assert get("hooked").dispatch() is Status.FINISHED
    assert hooks().count("call") == 1


def test_a_failed_component_runs_all_its_hooks_again(hooks):
    hooked = get("hooked", {"fails": "call"})
    for _ in range(2):
        with pytest.raises(ExecutionFailed):
            hooked.launch()
    assert hooks().count("before_dispatch") == 2
    assert [attempt["end"]["kind"] for attempt in hooked.executions] == ["failed", "failed"]


@pytest.mark.parametrize("ends", ["raises", "returns", "returns an instance"])
def test_iterations_go_on_until_one_stops_them(hooks, ends):
    steps = get("steps", {"ends": ends}).launch()
    assert hooks() == ["create", "iteration 0", "iteration 1", "iteration 2", "destroy"]
    assert [row["i"] for row in steps.record] == [0, 1, 2]


@pytest.mark.parametrize("name", ["create", "iteration 1", "destroy"])
def test_a_part_of_the_work_that_raises_fails_the_component(hooks, name):
    steps = get("steps", {"fails": name})
    with pytest.raises(ExecutionFailed, match=f"{name} is broken"):
        steps.launch()
    assert hooks()[-1] == name


def test_a_component_without_iterations_is_created_executed_and_destroyed(workspace):
    workspace.write(
        "plain.py",
        """
        from machinable import Component


        class Plain(Component):
            def on_create(self):
                self.names = ["create"]

            def on_execute(self):
                self.names.append("execute")

            def on_destroy(self):
                self.save_file("names.json", [*self.names, "destroy"])
        """,
    )
    assert get("plain").launch().load_file("names.json") == ["create", "execute", "destroy"]


def test_the_heartbeat_hook_is_called_while_the_component_runs(workspace):
    workspace.write(
        "slow.py",
        """
        import threading
        from machinable import Component


        class Slow(Component):
            def __call__(self):
                self.beaten = threading.Event()
                assert self.beaten.wait(30)

            def on_heartbeat(self):
                self.beaten.set()
        """,
    )
    workspace.python(
        "from machinable import get; get('slow').launch()",
        MACHINABLE_HEARTBEAT_SECONDS="0.05",
        MACHINABLE_STORAGE=str(workspace.storage),
    )
    assert get("slow").cached()


def test_a_launch_shares_the_failure_of_an_attempt_that_ended_after_it_began(workspace):
    workspace.write(
        "waits.py",
        """
        import os, time
        from machinable import Component


        class Waits(Component):
            def __call__(self):
                open("running", "w").close()
                while not os.path.exists("go"):
                    time.sleep(0.01)
                raise KeyError("lost")
        """,
    )
    source = """
        from machinable import Storage, get
        with Storage("storage"):
            get("waits").launch()
    """
    first = workspace.popen(source)
    while not (workspace.root / "running").exists():
        assert first.poll() is None, first.stderr.read()
    second = workspace.popen(
        """
        from machinable import Storage, errors, get
        import machinable.component.waiting as waiting
        before = waiting.time.sleep

        def sleep(seconds):
            open("go", "w").close()
            before(seconds)

        class Clock:
            def __getattr__(self, name):
                return sleep if name == "sleep" else getattr(__import__("time"), name)

        waiting.time = Clock()
        with Storage("storage"):
            try:
                get("waits").dispatch()
            except errors.ComponentException as error:
                print("shared:", str(error).splitlines()[-1])
        """
    )
    out, err = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert out == "shared: KeyError: 'lost'\n", err
    assert len(get("waits").executions) == 1
    assert issubclass(ComponentException, Exception)
