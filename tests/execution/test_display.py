"""What a run shows while it lasts: on a real terminal, in a pipe, in a notebook."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from machinable.execution.tally import Tally
from machinable.types import Status
from tests.conftest import Workspace

WORK = """
import os, time
from machinable import Component

class Work(Component):
    Config = {"lr": 0.1, "fail": False, "part": False}

    def __call__(self):
        for i in self.progress(range(2), "steps"):
            print("step", i, flush=True)
            time.sleep(0.25)
            self.record["loss"] = i * self.config.lr
            self.record.save()
        if self.config.part:
            print("half a line", end="", flush=True)
            time.sleep(0.5)
        if self.config.fail:
            raise ValueError("bad luck")
"""

PARALLEL = """
from multiprocessing import get_context
from machinable import Execution

def go(component):
    component.dispatch()

class Parallel(Execution):
    Config = {"method": "fork"}

    def __call__(self):
        with get_context(self.config.method).Pool(2, maxtasksperchild=1) as pool:
            for _ in pool.imap_unordered(go, self.pending_executables):
                pass
"""

RUN = """
import sys
from machinable import Experiment, execute, get, grid
plan = Experiment().component("work", {version})
execute(plan, storage="./results", seed=42, engine=get("{engine}", {config}), raise_on_failure=False)
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.write("work.py", WORK)
    workspace.write("parallel.py", PARALLEL)
    return workspace


def script(version: str = "None", engine: str = "native", config: str = "None") -> str:
    return RUN.format(version=version, engine=engine, config=config)


def on_a_terminal(project: Workspace, source: str, columns: int = 100, **variables: str) -> str:
    """Everything that a terminal receives from a process whose standard output and error it is."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in project.environment().items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=project.root,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm", **variables},
    )
    os.close(theirs)
    received = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        received += piece
    os.close(ours)
    assert process.wait(60) == 0, received.decode()
    return received.decode()


def screen_of(received: str) -> list[str]:
    """The lines that stand in the terminal at the end."""
    lines, row, column = [""], 0, 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", received)
    for token in re.findall(r"\x1b\[\d*[A-Za-z]|\r|\n|[^\x1b\r\n]+", plain):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif token.startswith("\x1b"):
            if token[-1] == "A":
                row -= int(token[2:-1] or 1)
            elif token[-1] == "G":
                column = 0
            elif token[-1] == "K":
                lines[row] = lines[row][:column]
            elif token[-1] == "J":
                lines[row] = lines[row][:column]
                del lines[row + 1 :]
            else:
                raise AssertionError(f"unexpected {token!r}")
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + token + line[column + len(token) :]
            column += len(token)
    return lines


# --- a terminal


def test_a_terminal_shows_the_run_live_and_keeps_what_was_printed(project: Workspace) -> None:
    received = on_a_terminal(project, script("grid(lr=[0.1, 0.2])"))
    assert re.search(r"\r\[-+\] 0/2 done · 1 running · 1 left · [0-9.]+ s\x1b\[K", received)
    assert re.search(r"\[######-+\] 1/2 done .*≈ [0-9.]+ s to go", received)
    lines = screen_of(received)
    assert lines[:6] == ["00000g", "2 new", "step 0", "step 1", "step 0", "step 1"]
    assert lines[6] == "" and lines[7].split() == ["id", "lr", "loss", "time", "status"]
    assert lines[8].split()[1:3] == ["0.1", "0.1"] and lines[8].endswith("finished")
    assert re.match(r"2 finished in [0-9.]+ s · results in results/00000g", lines[-2])


def test_nothing_of_it_is_in_the_logs(project: Workspace) -> None:
    on_a_terminal(project, script("grid(lr=[0.1, 0.2])"))
    logs = list((project.root / "results").rglob("output.log"))
    assert len(logs) == 2
    assert {log.read_text() for log in logs} == {"step 0\nstep 1\n"}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_parallel_processes_print_is_not_garbled(project: Workspace, method: str) -> None:
    received = on_a_terminal(
        project, script("grid(lr=[0.1, 0.2, 0.3])", "parallel", f'{{"method": "{method}"}}')
    )
    lines = screen_of(received)
    assert "1 running" in received or "2 running" in received
    printed = [line for line in lines if "step" in line]
    assert sorted(printed) == ["step 0"] * 3 + ["step 1"] * 3
    assert not any("done ·" in line for line in lines)
    assert "steps" not in received  # bars of several processes in one terminal


def test_an_unfinished_line_is_not_overwritten(project: Workspace) -> None:
    lines = screen_of(on_a_terminal(project, script('{"part": True}')))
    assert "half a line" in lines


@pytest.mark.parametrize("columns", [24, 40, 60])
def test_in_a_narrow_terminal_the_live_line_is_shortened(project: Workspace, columns: int) -> None:
    received = on_a_terminal(project, script("grid(lr=[0.1, 0.2])"), columns)
    live = re.findall(r"\r([^\r\n\x1b]*done[^\r\n\x1b]*)\x1b\[K", received)
    assert live and all(len(line) < columns for line in live)


def test_the_first_failure_is_told_at_length_and_the_others_in_a_line(project: Workspace) -> None:
    received = on_a_terminal(project, script("grid(fail=[True], lr=[0.1, 0.2])"))
    lines = screen_of(received)
    start = next(i for i, line in enumerate(lines) if line.startswith("failed: work "))
    assert re.fullmatch(r"failed: work \w{12} after [0-9.]+ s", lines[start])
    assert lines[start + 1] == "  fail=True, lr=0.1"
    assert re.fullmatch(r'    File "work.py", line \d+, in __call__', lines[start + 2])
    assert lines[start + 3 : start + 5] == ['      raise ValueError("bad luck")', "  ValueError: bad luck"]
    log = re.fullmatch(r"  log: (results/00000g/\w{12}/output.log)", lines[start + 5])
    assert log and (project.root / log[1]).exists()
    text = "".join(lines[start + 6 :])  # a terminal does not wrap what is longer; this one does not, either
    directory = re.escape(str((project.root / "results" / "00000g").resolve()))
    assert re.match(rf"  retry: get\.from_directory\('{directory}/\w{{12}}'\)\.launch\(\)", text)
    assert any(
        re.fullmatch(r"failed: work \w{12} \(fail=True, lr=0.2\): ValueError: bad luck", line)
        for line in lines
    )
    assert "\x1b[31m1 failed\x1b[0m" in received


def test_no_color_is_honoured(project: Workspace) -> None:
    received = on_a_terminal(project, script("grid(fail=[True], lr=[0.1, 0.2])"), NO_COLOR="1")
    assert "1 failed" in received
    assert not re.search(r"\x1b\[[0-9;]*m", received)


def test_a_terminal_that_can_not_rewrite_lines_gets_plain_ones(project: Workspace) -> None:
    received = on_a_terminal(project, script(), TERM="dumb")
    assert "\x1b" not in received and "1 new" in received and "1 finished in" in received


# --- a pipe


def test_a_pipe_gets_plain_lines_on_standard_error_and_the_id_alone_on_standard_output(
    project: Workspace,
) -> None:
    done = project.python(script("grid(lr=[0.1, 0.2])"))
    assert done.stdout.startswith("00000g\n") and "finished" not in done.stdout
    assert "\x1b" not in done.stderr and "\r" not in done.stderr
    assert done.stderr.startswith("2 new\n") and "steps" not in done.stderr
    assert "2 finished in" in done.stderr


def test_executed_again_it_says_what_is_reused(project: Workspace) -> None:
    project.python(script("grid(lr=[0.1, 0.2])"))
    more = project.python(script("grid(lr=[0.1, 0.2, 0.3])"))
    assert more.stderr.startswith("2 reused · 1 new\n") and "1 finished, 2 reused in" in more.stderr
    again = project.python(script("grid(lr=[0.1, 0.2, 0.3])"))
    assert again.stderr.startswith("3 reused: nothing is left to run\n")
    assert again.stderr.count(" finished\n") == 3


def test_a_long_run_says_how_far_it_is_in_growing_gaps(project: Workspace) -> None:
    source = """
import sys
from machinable.execution import outlets
outlets._FIRST_LINE_SECONDS, outlets._GROWTH = 0.2, 1.0
""" + script("grid(lr=[0.1, 0.2, 0.3])")
    done = project.python(source)
    assert re.search(r"^[01]/3 done · 1 running · \d left · [0-9.]+ s", done.stderr, re.MULTILINE)


def test_an_interrupted_run_says_what_is_done_and_how_to_go_on(project: Workspace) -> None:
    project.write(
        "stopper.py",
        """
        from machinable import Component
        class Stopper(Component):
            Config = {"n": 0}
            def __call__(self):
                if self.config.n == 1:
                    raise KeyboardInterrupt
        """,
    )
    source = script("grid(n=[0, 1, 2])").replace('"work"', '"stopper"')
    done = project.python(source, check=False)
    assert re.search(
        r"stopped: 1 finished, 1 interrupted, 1 not started in .* · go on: the same call with seed='00000g'",
        done.stderr,
    )


MIXED = """
import os, signal
from machinable import Component

class Mixed(Component):
    Config = {"how": ""}
    def __call__(self):
        if self.config.how == "interrupt":
            os.kill(os.getpid(), signal.SIGTERM)
        if self.config.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.how == "fail":
            raise StopIteration
        if self.config.how == "assert":
            assert False

class User(Component):
    uses = {"data": ["mixed:Mixed", {"how": "fail"}]}
"""


def test_what_was_interrupted_or_lost_is_not_counted_as_failed(project: Workspace) -> None:
    project.write("mixed.py", MIXED)
    source = """
from machinable import Experiment, execute, get, grid
hows = ["", "interrupt", "kill"]
plan = Experiment().component("mixed:Mixed", grid(how=hows)).component("mixed:User")
execution = execute(plan, storage="./results", seed=42, engine=get("native:1"), raise_on_failure=False)
try:
    execution.dispatch()
except Exception as error:
    print(error)
"""
    done = project.python(source)
    assert "\n1 finished, 1 failed, 1 interrupted, 1 lost, 1 blocked in " in done.stderr
    head = "4 of 4 components did not finish (1 interrupted, 1 lost, 1 failed, 1 blocked); launching"
    assert head in done.stdout


def test_a_failure_without_a_message_does_not_end_in_a_colon(project: Workspace) -> None:
    project.write("mixed.py", MIXED)
    source = """
from machinable import Experiment, execute, grid
plan = Experiment().component("mixed:Mixed", grid(how=["fail", "assert"]))
execute(plan, storage="./results", seed=42)
"""
    done = project.python(source, check=False)
    assert re.search(r"1 × StopIteration\n", done.stderr) and re.search(r"1 × AssertionError\n", done.stderr)
    assert re.search(r"\): AssertionError\n", done.stderr)
    assert not re.search(r"(StopIteration|AssertionError): *(\n| · )", done.stderr)


def test_the_line_to_retry_with_holds_in_every_directory(project: Workspace) -> None:
    project.write(
        "mover.py",
        """
        import os
        from machinable import Component
        class Mover(Component):
            def __call__(self):
                os.makedirs("elsewhere")
                os.chdir("elsewhere")
                raise ValueError("bad luck")
        """,
    )
    done = project.python(script().replace('"work"', '"mover"'))
    directory = re.search(r"  retry: get\.from_directory\('(.*)'\)\.launch\(\)\n", done.stderr)
    assert directory is not None and os.path.isabs(directory[1]) and os.path.isdir(directory[1])


def test_on_the_command_line_the_line_to_retry_with_is_a_command(project: Workspace) -> None:
    def shell(*words: str) -> str:
        command = [sys.executable, "-m", "machinable", *words]
        done = subprocess.run(
            command, cwd=project.root, env=project.environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1, done.stderr
        assert "get.from_directory" not in done.stderr and "the same call" not in done.stderr
        return done.stderr

    shown = shell("execute", "work", "fail=True", "lr=0.1,0.2", "--grid", "--seed", "42")
    command = "machinable execute work fail=True lr=0.1,0.2 --grid --seed 42"
    lines = [line for line in shown.split("\n") if line.startswith("  retry: ")]
    assert len(lines) == 1 and lines[0].endswith(command) and shown.endswith(f"{command}\n")
    one = shell("execute", "work", "fail=True", "--seed", "43")
    assert "  retry: " not in one and one.endswith("execute work fail=True --seed 43\n")


# --- a notebook

NOTEBOOK = """
import sys
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from machinable.execution.outlets import Notebook, Outcome, notebook_display
from machinable.execution.tally import Tally

shell = InteractiveShell.instance(display_pub_class=CapturingDisplayPublisher)
assert notebook_display() is None  # a shell in a terminal is no notebook
outlet = Notebook(display, sys.stderr)
outlet.say("2 new")
outlet.show(Tally(2, 0))
outlet.end(Outcome(lambda columns: "table", lambda: "<table></table>", None, "2 finished"))
shown = shell.display_pub.outputs
assert [each.get("update", False) for each in shown] == [False, True, True, True], shown
assert len({each["transient"]["display_id"] for each in shown}) == 1
assert "0/2 done" in shown[2]["data"]["text/plain"]
assert "<table></table>" in shown[3]["data"]["text/html"] and "table" in shown[3]["data"]["text/plain"]
assert "done" not in shown[3]["data"]["text/plain"]
"""

KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3")
try:
    shown = []
    reply = client.execute_interactive(sys.argv[1], output_hook=shown.append, timeout=60)
    assert reply["content"]["status"] == "ok", reply
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
kinds = [message["msg_type"] for message in shown]
assert kinds.count("display_data") == 1 and "update_display_data" in kinds, kinds
last = [message for message in shown if message["msg_type"] == "update_display_data"][-1]
assert "<table>" in last["content"]["data"]["text/html"] and "2 finished in" in last["content"]["data"]["text/plain"]
"""


def test_a_notebook_gets_one_output_that_is_replaced(project: Workspace) -> None:
    pytest.importorskip("IPython", reason="IPython is not installed")
    project.python(NOTEBOOK)


def test_a_real_kernel_shows_a_run(project: Workspace) -> None:
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    pytest.importorskip("jupyter_client", reason="jupyter_client is not installed")
    project.python(KERNEL, script("grid(lr=[0.1, 0.2])"))


# --- counts


def test_of_a_line_that_is_too_long_the_least_important_parts_go_first() -> None:
    tally = Tally(10, 37)
    for name in "abc":
        tally.start(name)
    tally.end("a", Status.FINISHED)
    tally.end("b", Status.FAILED)
    whole = tally.line(200)
    assert whole.startswith("[##----------] 1/10 done · 1 running · 1 failed · 37 reused · 7 left")
    assert tally.line(60).startswith("1/10 done · 1 running · 1 failed")
    assert tally.line(22) == "1/10 done · 1 failed"
    assert tally.line(5) == "1/10 done"
    assert "[" not in tally.line()


def test_a_component_that_is_reported_twice_counts_once() -> None:
    tally = Tally(2, 0)
    tally.end("a", Status.FINISHED)
    tally.end("a", Status.FINISHED)
    tally.start("a")
    assert (tally.finished, tally.left) == (1, 1)


def test_while_it_stops_the_line_says_so_and_estimates_nothing() -> None:
    tally = Tally(4, 0)
    tally.start("a")
    tally.end("a", Status.FINISHED)
    tally.start("b")
    assert "stopping" not in tally.line()
    tally.stopping = True
    tally.end("b", Status.INTERRUPTED)
    line = tally.line()
    assert line.startswith("1/4 done · stopping · 1 interrupted") and "to go" not in line
    assert "failed" not in line


def test_each_way_to_end_is_counted_by_its_name() -> None:
    tally = Tally(9, 2)
    ends = [Status.FINISHED, Status.FAILED, Status.INTERRUPTED, Status.LOST, Status.BLOCKED]
    for number, status in enumerate(ends):
        tally.end(str(number), status)
    tally.end("5", Status.FAILED, "not dispatched: it can not be pickled")  # the state of an earlier attempt
    tally.end("6", Status.PENDING, "not started: the run was stopped")
    tally.start("7")
    assert tally.outcome(True).startswith(
        "stopped: 1 finished, 2 reused, 1 failed, 1 interrupted, 1 lost, 1 blocked, 1 still running, "
        "2 not started, 1 not dispatched in "
    )
