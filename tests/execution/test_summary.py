"""The table at the end of a run, and its failures in groups."""

from __future__ import annotations

import pytest

from machinable import Experiment, execute, get, grid
from machinable.cli.stored import took
from machinable.execution.columns import Column
from machinable.execution.summary import component_rows, html_table, text_table
from machinable.wording import duration
from tests.conftest import Workspace

WORK = """
from machinable import Component

def deeper(n):
    raise ValueError(f"bad {n}")

class Work(Component):
    Config = {"lr": 0.1, "n": 0, "constant": "x", "optimizer": {"name": "sgd"}}

    def __call__(self):
        if self.config.n == 1:
            deeper(self.config.n)
        if self.config.n in (2, 3):
            deeper(self.config.n)
        if self.config.n == 4:
            raise KeyError("n")
        for i in range(3):
            self.record["loss"] = i / 3
            self.record["note"] = "two\\nlines"
            self.record.save()
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("work.py", WORK)
    return workspace


def test_the_table_has_what_varies_the_last_measurements_time_and_state(project: Workspace) -> None:
    plan = (
        Experiment().component("work", grid(lr=[0.1, 0.02], **{"optimizer.name": ["sgd", "adam"]})).repeat(2)
    )
    execution = execute(plan, storage="results", seed=1)
    header, body = component_rows(execution.components)
    assert header == ["id", "trial", "lr", "optimizer.name", "loss", "note", "time", "status"]
    assert [row[1:6] for row in body[:3]] == [
        ["0", "0.1", "sgd", "0.6667", "two lines"],
        ["1", "0.1", "sgd", "0.6667", "two lines"],
        ["0", "0.1", "adam", "0.6667", "two lines"],
    ]
    lines = text_table(execution.components).split("\n")
    assert len(lines) == 9 and len({line.index("finished") for line in lines[1:]}) == 1


def test_columns_that_do_not_fit_are_left_out_and_counted(project: Workspace) -> None:
    execution = execute(Experiment().component("work"), storage="results", seed=1)
    text = text_table(execution.components, columns=40)
    assert text.split("\n")[0].split() == ["id", "loss", "time", "status"]
    assert text.endswith("… and 1 more column, too wide for this terminal")


def test_a_long_table_shows_the_failures_first(project: Workspace) -> None:
    plan = Experiment().component("work", grid(lr=[0.1 + i for i in range(40)]))
    plan += Experiment().component("work", {"n": 1})
    execution = execute(plan, storage="results", seed=1, raise_on_failure=False)
    lines = text_table(execution.components).split("\n")
    assert len(lines) == 32 and lines[1].endswith("failed") and lines[-1] == "… and 11 more"
    assert [line.split()[1] for line in lines[2:5]] == ["0.1", "1.1", "2.1"]


def test_values_are_escaped_in_html(project: Workspace) -> None:
    execution = execute(
        Experiment().component("work", grid(constant=["<b>", "y"])), storage="results", seed=1
    )
    assert "<td>&lt;b&gt;</td>" in html_table(execution.components)
    assert html_table([]) == "<p>no components</p>"
    assert html_table(execution.components) in execution._repr_html_()
    assert repr(execution).endswith(" · 000001 · 2 components")


def test_a_collection_shows_the_same_table(project: Workspace) -> None:
    get("work", {"lr": 1.0}).launch()
    get("work", {"lr": 2.0}).launch()
    found = get.all("work")
    assert repr(found) == text_table(found)
    assert repr(found).split("\n")[0].split() == ["id", "lr", "loss", "note", "time", "status"]
    assert repr(found.filter(lambda component: False)) == "no components"


def test_equal_failures_are_told_once(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Experiment().component("work", grid(n=[2, 3, 4, 1]))
    execute(plan, storage="results", seed=1, raise_on_failure=False)
    shown = capsys.readouterr().err
    groups = shown[shown.index("4 of 4 did not finish:") :].split("\n")
    assert [line for line in groups if " × " in line] == [
        "  2 × ValueError: bad 2",
        "  1 × KeyError: 'n'",
        "  1 × ValueError: bad 1",
    ]
    assert any(line.startswith("      for example work ") and line.endswith("(n=2)") for line in groups)
    assert '          raise ValueError(f"bad {n}")' in groups
    assert any(line.strip().startswith("log: results/000001/") for line in groups)


def test_the_line_to_retry_with_resumes_the_component(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(Experiment().component("work", {"n": 4}), storage="results", seed=1, raise_on_failure=False)
    line = next(line for line in capsys.readouterr().err.split("\n") if line.startswith("  retry: "))
    project.write("work.py", WORK.replace('raise KeyError("n")', "pass"))
    project.python(
        f"from machinable import get\nc = {line.removeprefix('  retry: ')}\nassert c.cached(), c.status"
    )


def test_what_a_failed_input_blocks_is_told_so(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write(
        "user.py",
        """
        from machinable import Component
        class User(Component):
            uses = {"data": ["work", {"n": 1}]}
            def __call__(self): ...
        """,
    )
    execute(Experiment().component("user").repeat(2), storage="results", seed=1, raise_on_failure=False)
    shown = capsys.readouterr().err
    assert shown.count(" blocked\n") == 2 and "  2 × blocked: its input 'data' failed" in shown
    assert "1 failed, 2 blocked in" in shown


def test_control_codes_in_messages_do_not_reach_the_terminal(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write(
        "loud.py",
        r"""
        from machinable import Component
        class Loud(Component):
            def __call__(self):
                raise ValueError("\x1b[2Jboo\nhoo")
        """,
    )
    execute(Experiment().component("loud"), storage="results", seed=1, raise_on_failure=False)
    shown = capsys.readouterr().err
    assert "\x1b" not in shown and r"\x1b[2Jboo hoo" in shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0004, "<1 ms"),
        (0.004, "4 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.1 s"),
        (4.21, "4.2 s"),
        (42, "0:42"),
        (187, "3:07"),
        (7420, "2:03:40"),
    ],
)
def test_how_long_something_took_is_said_alike_everywhere(seconds: float, said: str) -> None:
    row = {"seconds": seconds}
    assert duration(seconds) == said == Column("field", "seconds", "seconds").cell(row) == took(row)
