"""Scope, Storage, Project and executions: what `with` sets, for whom, and what holds when nothing is set."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from machinable import Execution, Project, Scope, Storage, get
from machinable.context import Context, replace
from machinable.errors import ConfigurationError, ProjectError, StorageError

JOB = """
    from machinable import Component


    class Job(Component):
        Config = {"x": 1}

        def __call__(self):
            self.save_file("x.json", self.config.x)
"""


@pytest.fixture
def job(workspace):
    workspace.write("job.py", JOB)
    return workspace


@pytest.fixture
def bare(job):
    """The project, with nothing entered."""
    before = replace(Context())
    yield job
    replace(before)


def test_a_scope_is_part_of_the_identity(job):
    outside = get("job").launch()
    with Scope({"fold": 1}):
        inside = get("job")
        assert not inside.cached()
        inside.launch()
    assert inside.id != outside.id
    assert get("job").id == outside.id
    assert get.by_id(inside.id).load_file("x.json") == 1


def test_scopes_nest_and_the_inner_one_wins(job):
    with Scope({"fold": 2, "user": "ada"}):
        both = get("job").id
    with Scope({"fold": 1, "user": "ada"}), Scope({"fold": 2}):
        assert get("job").id == both
    with Scope({"fold": 2}), Scope({"fold": 1, "user": "ada"}):
        assert get("job").id != both


def test_an_empty_scope_changes_nothing(job):
    with Scope(), Scope({}):
        inside = get("job").id
    assert inside == get("job").id


def test_a_scope_is_left_also_when_its_block_raises(job):
    before = get("job").id
    with pytest.raises(KeyError), Scope({"fold": 1}):
        raise KeyError
    assert get("job").id == before


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", object()])
def test_a_scope_of_what_has_no_fixed_form_is_refused(job, value):
    with pytest.raises(ConfigurationError, match="fold"):
        Scope({"fold": value})


def test_a_scope_can_be_asked_for_by_name(job):
    with get("scope", {"fold": 1}):
        named = get("job").id
    with Scope({"fold": 1}):
        assert get("job").id == named


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "osfs://{path}"])
def test_a_storage_is_a_path_or_a_url_of_one(job, tmp_path, form):
    with Storage(form.format(path=tmp_path / "results")):
        done = get("job").launch()
    assert done.local_directory() == tmp_path / "results" / done.id
    assert (tmp_path / "results" / done.id / "x.json").exists()
    assert not get("job").cached()


def test_a_tilde_is_the_home_directory(job, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Storage("~/results"):
        assert get("job").local_directory().parent == tmp_path / "home" / "results"


def test_a_relative_storage_lies_in_the_working_directory_of_when_it_was_made(job, monkeypatch, tmp_path):
    storage = Storage("results")
    monkeypatch.chdir(tmp_path)
    with Project(job.root), storage:
        assert get("job").local_directory().parent == job.root / "results"


def test_by_default_results_go_to_the_folder_storage_of_the_project(bare):
    assert get("job").launch().local_directory().parent == bare.root / "storage"


def test_a_script_in_a_subfolder_uses_the_storage_of_the_project(bare, monkeypatch):
    (bare.root / "scripts").mkdir()
    monkeypatch.chdir(bare.root / "scripts")
    assert get("job").local_directory().parent == bare.root / "storage"


def test_the_projects_setting_says_where_results_go(bare):
    (bare.root / "pyproject.toml").write_text('[tool.machinable]\nstorage = "elsewhere"\n')
    told = bare.python("from machinable import get; print(get('job').launch().directory)")
    assert Path(told.stdout.strip()).parent == bare.root / "elsewhere"


def test_the_environment_goes_before_the_setting_and_an_entered_storage_before_both(bare, tmp_path):
    (bare.root / "pyproject.toml").write_text('[tool.machinable]\nstorage = "elsewhere"\n')
    told = bare.python(
        """
        from machinable import Storage, get
        print(get("job").launch().directory)
        with Storage("entered"):
            print(get("job").launch().directory)
        """,
        MACHINABLE_STORAGE=str(tmp_path / "environment"),
    )
    first, second = map(Path, told.stdout.split())
    assert first.parent == tmp_path / "environment"
    assert second.parent == bare.root / "entered"


@pytest.mark.parametrize("url", ["", " ", "gopher://x", "a\0b"])
def test_what_is_no_storage_is_refused(job, url):
    with pytest.raises(StorageError):
        Storage(url)


def test_memory_is_one_storage_for_a_process_and_its_children_and_gone_with_it(job):
    source = """
        import subprocess, sys
        from machinable import Storage, get
        with Storage("mem://"):
            done = get("job").launch()
            print(done.directory, flush=True)
            child = "from machinable import Storage, get\\nwith Storage('mem://'): print(get('job').cached())"
            print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip())
    """
    directory, cached = job.python(source).stdout.split()
    assert cached == "True"
    assert not os.path.exists(os.path.dirname(directory))


def test_memory_of_a_killed_process_is_removed_at_the_next_start(job):
    source = """
        import os, signal, sys
        from machinable import Storage, get
        with Storage("mem://"):
            print(get("job").launch().directory, flush=True)
            if sys.argv[1] == "die":
                os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = job.python(source, "die", check=False)
    assert killed.returncode == -signal.SIGKILL
    left = os.path.dirname(killed.stdout.strip())
    assert os.path.isdir(left)
    job.python(source, "live")
    assert not os.path.exists(left)


def test_a_project_is_entered_and_left(job, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "job.py").write_text(
        "from machinable import Component\nclass Job(Component):\n    Config = {'y': 2}\n"
    )
    here = get("job")
    with Project(other):
        assert get("job").config.to_dict() == {"y": 2}
        with Project(job.root):
            assert get("job").id == here.id
    assert get("job").id == here.id
    with pytest.raises(ProjectError, match="There is no project directory 'nowhere'"):
        Project("nowhere")


def test_a_component_runs_in_the_context_that_it_was_asked_for_in(job, tmp_path):
    job.write(
        "asks.py",
        """
        from machinable import Component, get


        class Asks(Component):
            def __call__(self):
                self.save_file("id.json", [get("job").id, str(get("job").local_directory())])
        """,
    )
    with Scope({"fold": 1}), Storage(tmp_path / "first"):
        asks, expected = get("asks"), [get("job").id, str(get("job").local_directory())]
    with Scope({"fold": 2}), Storage(tmp_path / "second"):
        asks.launch()
    assert asks.load_file("id.json") == expected


def test_threads_do_not_see_what_another_enters(job):
    before = get("job").id
    entered, seen = threading.Event(), threading.Event()
    found: list[str] = []

    def enter() -> None:
        with Scope({"fold": 1}), Project(job.root), Storage(job.storage):
            found.append(get("job").id)
            entered.set()
            seen.wait(30)

    def look() -> None:
        entered.wait(30)
        with Project(job.root), Storage(job.storage):
            found.append(get("job").id)
        seen.set()

    threads = [threading.Thread(target=function) for function in (enter, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] != before and found[1] == before == get("job").id


def test_tasks_do_not_see_what_another_enters(job):
    async def asks(number: int) -> tuple[str, str]:
        with Scope({"fold": number}):
            first = get("job").id
            await asyncio.sleep(0)
            return first, get("job").id

    async def both() -> list[tuple[str, str]]:
        return await asyncio.gather(asks(1), asks(2))

    (first, still_first), (second, still_second) = asyncio.run(both())
    assert first == still_first != second == still_second


def test_a_launch_in_a_thread_is_not_collected_by_an_execution_of_another(job):
    done: list[bool] = []

    def launch() -> None:
        with Project(job.root), Storage(job.storage):
            done.append(get("job").launch().cached())

    with Execution():
        thread = threading.Thread(target=launch)
        thread.start()
        thread.join()
        assert done == [True]


@pytest.mark.parametrize("kind", ["storage", "project"])
def test_an_unknown_key_of_a_context_is_named_with_the_context(job, kind):
    with pytest.raises(ConfigurationError, match=f"^{kind} has no configuration key 'i'. It has: path.$"):
        get(kind, {"i": 1})
