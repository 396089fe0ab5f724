"""`machinable sync`: all of a storage, in any other, once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.copying.conftest import content
from tests.servers.proxy import proxy, xml
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.xdist_group("copies")

Place = Callable[[str], str]


def sync(workspace: Workspace, *words: str, code: int = 0, **variables: str) -> dict[str, object]:
    done = workspace.command("sync", *words, "--json", **variables)
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["local", "s3", "sftp", "unconditional"])
def test_a_storage_goes_there_and_comes_back_the_same(filled: Workspace, place: Place, kind: str) -> None:
    there = place(kind)
    done = sync(filled, "storage", there)
    assert (done["copied"], done["same"]) == (6, 0)
    # Another machine, which has nothing but the URL.
    back = sync(filled, there, "back", MACHINABLE_CACHE=str(filled.root / "cache"))
    assert back["copied"] == 6
    assert content(filled.root / "back") == content(filled.storage)


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_what_is_there_is_not_copied_again(filled: Workspace, place: Place, kind: str) -> None:
    there = place(kind)
    sync(filled, "storage", there)
    done = sync(filled, "storage", there)
    assert (done["copied"], done["updated"], done["same"], done["bytes"]) == (0, 0, 6, 0)
    assert sync(filled, "storage", there, "--verify")["same"] == 6
    line = filled.command("sync", "storage", there).stdout
    assert line.startswith("copied 0 components (0 files, 0 bytes) · 6 there already, storage to ")


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_copy_is_used_as_the_original_would_be(filled: Workspace, place: Place, kind: str) -> None:
    there = place(kind)
    sync(filled, "storage", there)
    done = filled.python(
        """
        import sys
        from machinable import Storage, execute, get
        with Storage(sys.argv[1]):
            walk = get("walk:Walk", {"steps": 5}).launch()
            print(walk.reused, walk.load_file("a/end.json"), len(get.all("walk:Walk")), walk.output().strip())
        """,
        there,
        MACHINABLE_CACHE=str(filled.root / "cache"),
    )
    assert done.stdout.split() == ["True", "5", "5", "walked"]


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_what_went_on_is_brought_up_to_date(filled: Workspace, place: Place, kind: str) -> None:
    there = place(kind)
    sync(filled, "storage", there)
    (filled.root / "mended").touch()
    filled.python(
        "from machinable import *; [each.launch() for each in get.all() if each.status != 'finished']"
    )
    done = sync(filled, "storage", there)
    assert (done["copied"], done["updated"], done["same"]) == (0, 2, 4)
    sync(filled, there, "back", MACHINABLE_CACHE=str(filled.root / "cache"))
    assert content(filled.root / "back") == content(filled.storage)
    # And the other way round there is nothing to do.
    assert sync(filled, there, "storage")["copied"] == 0


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_what_is_something_else_is_named_and_left_alone(filled: Workspace, place: Place, kind: str) -> None:
    there = place(kind)
    filled.python(
        "import sys; from machinable import *\nwith Storage(sys.argv[1]): get('walk:Walk', {'steps': 5}).launch()",
        there,
    )
    shutil.rmtree(filled.root / "cache", ignore_errors=True)
    done = filled.command("sync", "storage", there)
    assert done.returncode == 1
    assert "it was made there as well, apart from this one. It was left alone" in done.stderr
    assert "copied 5 components" in done.stdout and "1 different, left alone" in done.stdout
    assert sync(filled, "storage", there, code=1)["same"] == 5


def test_a_file_with_other_bytes_is_found(filled: Workspace) -> None:
    sync(filled, "storage", "other")
    files = sorted((filled.root / "other").rglob("end.json"))
    files[0].write_text("9")  # of the same size
    assert sync(filled, "storage", "other")["same"] == 6
    assert "has other bytes there" in str(sync(filled, "storage", "other", "--verify", code=1)["different"])
    files[0].write_text("longer")
    assert "has 6 bytes there" in str(sync(filled, "storage", "other", code=1)["different"])
    assert files[0].read_text() == "longer"


def test_what_was_deleted_there_is_completed(filled: Workspace) -> None:
    sync(filled, "storage", "other")
    before = content(filled.root / "other")
    for path in (filled.root / "other").rglob("end.json"):
        path.unlink()
    done = sync(filled, "storage", "other")
    assert (done["copied"], done["updated"]) == (0, 5)
    assert content(filled.root / "other") == before


def test_a_dry_run_writes_nothing(filled: Workspace) -> None:
    done = filled.command("sync", "storage", "other", "--dry-run")
    assert done.returncode == 0 and done.stdout.startswith("would copy 6 components (")
    assert not (filled.root / "other").exists()


def test_what_is_damaged_is_named_and_the_rest_copied(filled: Workspace) -> None:
    victim = sorted(filled.storage.glob("*/.machinable/component.json"))[0]
    victim.write_text('{"format":1,')
    done = sync(filled, "storage", "other", code=1)
    assert done["copied"] == 5
    assert "component.json was cut short" in str(done["damaged"])


def test_what_is_running_is_left_out_and_named(filled: Workspace) -> None:
    filled.write(
        "wait.py",
        """
        import os, time
        from machinable import Component

        class Wait(Component):
            def __call__(self):
                open("waiting", "w").close()
                while not os.path.exists("go"):
                    time.sleep(0.01)
        """,
    )
    process = filled.popen("from machinable import get; get('wait').launch()")
    try:
        deadline = time.monotonic() + 30
        while not (filled.root / "waiting").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        done = filled.command("sync", "storage", "other")
        assert done.returncode == 0
        assert "is running, and was left out; copy again when it has ended" in done.stderr
        assert "copied 6 components" in done.stdout and "1 running, left out" in done.stdout
    finally:
        (filled.root / "go").touch()
        process.communicate(timeout=30)
    assert sync(filled, "storage", "other")["copied"] == 1


def test_an_interrupted_copy_goes_on(filled: Workspace, seaweed_server: S3Server, s3_url: str) -> None:
    with proxy(seaweed_server.endpoint) as between:
        environment = {**seaweed_server.environment(between.endpoint), "AWS_MAX_ATTEMPTS": "1"}
        between.fail("^PUT .*end-1.json", "silence", times=1)
        process = subprocess.Popen(
            [sys.executable, "-m", "machinable", "sync", "storage", s3_url],
            cwd=filled.root,
            env=filled.environment(**environment),
        )
        deadline = time.monotonic() + 30
        while not any("end-1.json" in request for request in between.requests):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        between.heal()
        done = sync(filled, "storage", s3_url, **environment)
        assert not done["different"]
        between.heal()
        assert sync(filled, "storage", s3_url, **environment)["same"] == 6
    cache = str(filled.root / "cache")
    sync(filled, s3_url, "back", MACHINABLE_CACHE=cache)
    assert content(filled.root / "back") == content(filled.storage)


def test_a_server_that_fails_costs_one_line(filled: Workspace, seaweed_server: S3Server, s3_url: str) -> None:
    with proxy(seaweed_server.endpoint) as between:
        between.fail("^PUT .*end", "answer", times=99, status=400, body=xml("ExpiredToken"))
        done = filled.command("sync", "storage", s3_url, **seaweed_server.environment(between.endpoint))
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1 and "the credentials have expired" in done.stderr
    assert sync(filled, "storage", s3_url)["different"] == {}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "machinable sync takes two storages, FROM and TO, but none was given."),
        (["storage"], "but 1 were given: storage"),
        (["absent", "other"], "absent is not there. Nothing can be copied from it."),
        (["storage", "./storage"], "is to be copied to itself"),
        (["storage", "s4://bucket"], "there are no storages of the kind s4://."),
        (["storage", "s3://key:secret@bucket"], "credentials do not belong into the URL"),
    ],
)
def test_bad_words_cost_one_line(filled: Workspace, words: list[str], expected: str) -> None:
    done = filled.command("sync", *words)
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1
    assert "secret" not in done.stderr and not (filled.root / "other").exists()


def test_the_memory_of_this_process_can_be_copied(filled: Workspace) -> None:
    done = filled.python(
        """
        from machinable import Storage, get
        from machinable.copying.copying import copy_storage
        from machinable.store.location import locate
        with Storage("mem://"):
            get("walk:Walk", {"steps": 9}).launch()
        print(copy_storage(locate("mem://"), locate("kept")).copied)
        with Storage("kept"):
            print(get("walk:Walk", {"steps": 9}).cached())
        """
    )
    assert done.stdout.split()[-2:] == ["1", "True"]


def test_older_files_have_their_times(filled: Workspace) -> None:
    path = next(filled.storage.rglob("total.json"))
    os.utime(path, (1e9, 1e9))
    sync(filled, "storage", "other")
    copy = Path(str(path).replace(str(filled.storage), str(filled.root / "other")))
    assert copy.stat().st_mtime == 1e9
