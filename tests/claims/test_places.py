"""Storages that are copied, moved, merged, read-only or full: they open, and reading writes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.claims.launchers import TINY, Launchers, content, hidden, why_no_namespace
from tests.conftest import Workspace

_REASON = why_no_namespace("-m", command=("mount", "-t", "tmpfs", "none", "/mnt"))
needs_mounts = pytest.mark.skipif(bool(_REASON), reason=_REASON)

_LAUNCH = """
component = get("tiny", {"n": arguments or 0}).launch()
result = {"status": str(component.status), "saved": component.load_file("result.json"), "reused": component.reused}
"""


def _done(n: int = 0, *, reused: bool = False) -> dict[str, object]:
    return {"status": "finished", "saved": {"n": n}, "reused": reused}


def test_a_record_copied_to_another_storage_is_found_there(launchers: Launchers, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert launchers.run(here, _LAUNCH).result == _done()
    (record,) = here.glob("????????????")
    there.mkdir()
    shutil.copytree(record, there / record.name)  # with other modification times
    before = content(there)
    seen = launchers.run(
        there, "result = [len(get.all()), len(get.all('tiny')), get.cached('tiny') is not None]"
    )
    assert seen.result == [1, 1, True]
    assert launchers.run(there, _LAUNCH).result == _done(reused=True)
    by_path = launchers.run(
        there, "result = str(get.from_directory(arguments).status)", arguments=str(there / record.name)
    )
    assert by_path.result == "finished"
    assert content(there) == before
    assert launchers.executions(there) == 0


def test_a_record_copied_while_it_runs_or_after_its_owner_died_runs_once_in_the_copy(
    launchers: Launchers, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    answer = launchers.run(here, _LAUNCH, FAIL="yes")
    assert answer.error == "ExecutionFailed"
    shutil.copytree(here, there)
    assert launchers.run(there, _LAUNCH).result == _done()
    assert launchers.executions(there) == 1
    assert launchers.run(here, "result = str(get('tiny').status)").result == "failed"


def test_a_storage_that_is_moved_renamed_or_linked_opens(launchers: Launchers, tmp_path: Path) -> None:
    first = tmp_path / "first"
    for n in range(3):
        assert launchers.run(first, _LAUNCH, arguments=n).result == _done(n)
    moved = tmp_path / "deeper" / "ünd mit Leerzeichen"
    moved.parent.mkdir()
    first.rename(moved)
    link = tmp_path / "link"
    link.symlink_to(moved)
    for storage in (moved, link):
        before = content(moved)
        for n in range(3):
            assert launchers.run(storage, _LAUNCH, arguments=n).result == _done(n, reused=True)
        assert launchers.run(storage, "result = len(get.all('tiny'))").result == 3
        assert content(moved) == before
    assert not first.exists()
    assert launchers.run(link, _LAUNCH, arguments=3).result == _done(3)
    assert launchers.run(moved, _LAUNCH, arguments=3).result == _done(3, reused=True)


def test_a_storage_that_is_renamed_while_a_process_works_in_it_is_found_again(
    launchers: Launchers, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    source = """
    import os
    get("tiny").launch()
    os.rename(arguments, arguments + ".old")
    again = get("tiny").launch()
    result = [again.reused, again.load_file("result.json"), len(get.all("tiny"))]
    """
    assert launchers.run(storage, source, arguments=str(storage)).result == [False, {"n": 0}, 1]
    assert launchers.executions(storage) == 2


def test_merged_storages_hold_the_records_of_both(launchers: Launchers, tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    for storage, numbers in ((left, (0, 1)), (right, (1, 2))):
        for n in numbers:
            assert launchers.run(storage, _LAUNCH, arguments=n).result == _done(n)
    merged = tmp_path / "merged"
    shutil.copytree(left, merged)
    shutil.copytree(right, merged, dirs_exist_ok=True)
    for n in range(3):
        assert launchers.run(merged, _LAUNCH, arguments=n).result == _done(n, reused=True)
    assert launchers.run(merged, "result = sorted(c.config.n for c in get.all('tiny'))").result == [0, 1, 2]
    assert launchers.executions(merged) == 0


@pytest.mark.parametrize("cache", ["kept", "removed"])
def test_a_record_of_an_earlier_shape_is_found_after_a_merge(
    launchers: Launchers, tmp_path: Path, cache: str
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert launchers.run(old, _LAUNCH, arguments=7).result == _done(7)
    launchers.write("tiny.py", TINY.replace('{"n": 0}', '{"n": 0, "m": 5}'))
    with Launchers.again(launchers) as later:
        assert later.run(new, _LAUNCH, arguments=1).result == _done(1)
        shutil.copytree(old, new, dirs_exist_ok=True)
        if cache == "removed":
            shutil.rmtree(new / ".machinable")
        assert later.run(new, _LAUNCH, arguments=7).result == _done(7, reused=True)


@needs_mounts
def test_a_read_only_storage_gives_its_results_and_refuses_the_rest_in_one_line(workspace: Workspace) -> None:
    workspace.write("tiny.py", TINY)
    count = workspace.root.parent / "count"
    workspace.python("from machinable import get\nget('tiny').launch()", COUNT=str(count))
    workspace.python(
        "from machinable import get\ntry: get('tiny', {'n': 2}).launch()\nexcept Exception: pass",
        COUNT=str(count),
        FAIL="yes",
    )
    before = content(workspace.storage)
    source = """
    from machinable import get
    from machinable.errors import StorageError

    component = get("tiny").launch()
    print(component.reused, component.load_file("result.json"), component.output().strip(), len(get.all()))
    print([str(component.status) for component in get.all("tiny")], get.by_id(component.id).status)
    for action in (
        lambda: get("tiny", {"n": 1}).launch(),
        lambda: get("tiny", {"n": 2}).launch(),
        lambda: get.new("tiny").launch(),
        lambda: component.invalidate(),
    ):
        try:
            action()
        except StorageError as error:
            print("refused", error)
    """
    result = _in_mounts(
        workspace,
        'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"',
        source,
        workspace.storage,
        COUNT=str(count),
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "True {'n': 0} it runs 2", result.stderr
    assert lines[1] == "['finished', 'failed'] finished"
    assert len(lines) == 6 and all(
        line.startswith("refused ") and "read-only" in line for line in lines[2:]
    ), lines
    assert content(workspace.storage) == before
    assert count.read_text() == "ran\n" * 2


def _in_mounts(
    workspace: Workspace, mount: str, source: str, path: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python in the project, in a mount namespace of its own that `mount` prepares (`$0` is the path)."""
    return workspace.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            f'{mount} && cd "$PWD" && exec "$@"',
            str(path),
            sys.executable,
            "-c",
            textwrap.dedent(source),
        ],
        check=True,
        **variables,
    )


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="another user is needed")
def test_a_storage_of_somebody_else_is_read_and_refused_like_a_read_only_one(workspace: Workspace) -> None:
    for parent in (workspace.root, *workspace.root.parents):
        if parent.stat().st_mode & 0o005 != 0o005:
            if parent.owner() != "root" or "pytest" not in str(parent):
                pytest.skip(f"{parent} is closed to others")
            parent.chmod(parent.stat().st_mode | 0o055)
    workspace.write("tiny.py", TINY)
    workspace.python("from machinable import get\nget('tiny').launch()", COUNT=os.devnull)
    before = content(workspace.storage)
    source = """
    from machinable import get
    from machinable.errors import StorageError
    print(get("tiny").launch().reused)
    try:
        get("tiny", {"n": 1}).launch()
    except StorageError as error:
        print(error)
    """
    result = workspace.run(
        [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            sys.executable,
            "-c",
            textwrap.dedent(source),
        ],
        check=False,
        COUNT=os.devnull,
    )
    if "ModuleNotFoundError" in result.stderr or result.returncode == 127:
        pytest.skip("the interpreter is closed to others")
    lines = result.stdout.splitlines()
    assert lines[0] == "True" and len(lines) == 2 and "permission denied" in lines[1], result
    assert content(workspace.storage) == before


@needs_mounts
def test_a_full_disk_is_one_clear_line_and_leaves_nothing_half_written(workspace: Workspace) -> None:
    workspace.write("tiny.py", TINY)
    workspace.write(
        "greedy.py",
        """
        import os
        from machinable import Component

        class Greedy(Component):
            def __call__(self):
                print("before")
                if not os.path.exists("/tmp/enough" + os.environ["COUNT"].replace("/", "-")):
                    self.save_file("large.bin", b"x" * 2_000_000)
                self.save_file("small.txt", "done")
        """,
    )
    disk = workspace.root.parent / "disk"
    disk.mkdir()
    source = """
    import os
    from machinable import Storage, get
    from machinable.errors import MachinableError

    disk = os.getcwd() + "/../disk"
    storage = Storage(disk + "/storage")

    def fill():
        with open(disk + "/filler", "ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    def names():
        found = os.walk(disk + "/storage")
        return sorted(os.path.join(path, name)[len(disk):] for path, d, f in found for name in d + f)

    def attempt(action):
        try:
            print("done", action().status)
        except MachinableError as error:
            print(type(error).__name__, "|", error.__cause__, "|", str(error).splitlines())

    with storage:
        get("tiny").launch()
        fill()
        before = names()
        attempt(lambda: get("tiny", {"n": 1}).launch())
        print("same", names() == before)
        attempt(lambda: get("tiny").launch())
        os.unlink(disk + "/filler")
        attempt(lambda: get("tiny", {"n": 1}).launch())
        # and while a component runs
        attempt(lambda: get("greedy").launch())
        print(get("greedy").status)
        open("/tmp/enough" + os.environ["COUNT"].replace("/", "-"), "w").close()
        attempt(lambda: get("greedy").launch())
        print(get("greedy").load_file("small.txt"))
        print("hidden", [name for name in names() if "/." in name.replace("/.machinable", "")])
    """
    count = workspace.root.parent / "count"
    marker = Path("/tmp/enough" + str(count).replace("/", "-"))
    try:
        result = _in_mounts(workspace, 'mount -t tmpfs -o size=1m tmpfs "$0"', source, disk, COUNT=str(count))
    finally:
        marker.unlink(missing_ok=True)
    lines = result.stdout.splitlines()
    refused, same, reused, after, greedy, status, resumed, small, left = [
        line for line in lines if line not in ("it runs", "before")
    ]
    assert "disk is full" in refused and same == "same True", lines
    assert reused == after == "done finished", lines
    assert greedy.startswith("ExecutionFailed") and "disk is full" in greedy, lines
    assert status in ("failed", "lost") and resumed == "done finished" and small == "done", lines
    assert left == "hidden []", lines


def test_a_storage_that_is_a_file_is_one_clear_line(launchers: Launchers, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a note")
    answer = launchers.run(path, _LAUNCH)
    assert answer.error == "StorageError" and str(path) in answer.text and len(answer.text.splitlines()) == 1
    inside = launchers.run(path / "deeper", _LAUNCH)
    assert inside.error == "StorageError" and len(inside.text.splitlines()) == 1
    assert path.read_text() == "a note"


def test_asking_in_a_storage_that_is_not_there_creates_nothing(launchers: Launchers, tmp_path: Path) -> None:
    storage = tmp_path / "nowhere"
    source = """
    result = [str(get("tiny").status), len(get.all()), get.by_id("abc"), get.cached("tiny")]
    """
    assert launchers.run(storage, source).result == ["pending", 0, None, None]
    assert not storage.exists()
    assert launchers.run(storage, _LAUNCH).result == _done()
    assert hidden(storage) == []
