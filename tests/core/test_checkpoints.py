"""Iterations that are killed go on from their last checkpoint, and nobody can tell from the result."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from machinable import get
from machinable.errors import ExecutionFailed
from machinable.types import Status

WALK = """
    import json, os, signal
    import numpy
    from machinable import Component


    class Walk(Component):
        Config = {"steps": 12}
        checkpoint_seconds = 0

        def on_create(self):
            self.generator = numpy.random.default_rng(self.seed)
            self.position = 0.0
            self.restored = None

        def on_execute_iteration(self, i):
            self.position += float(self.generator.normal())
            self.record["i"] = i
            self.record["position"] = self.position
            if os.path.exists(f"end-{i}"):
                with open(f"end-{i}") as file:
                    way = file.read()
                os.unlink(f"end-{i}")
                if way == "raise":
                    raise RuntimeError("interrupted by the test")
                os.kill(os.getpid(), getattr(signal, way))
            if i + 1 == self.config.steps:
                raise StopIteration

        def on_save(self, directory):
            with open(os.path.join(directory, "state.json"), "w") as file:
                json.dump([self.position, self.generator.bit_generator.state], file)

        def on_restore(self, directory):
            with open("restored", "a") as file:
                print(os.path.basename(directory), file=file)
            with open(os.path.join(directory, "state.json")) as file:
                self.position, self.generator.bit_generator.state = json.load(file)

        def on_destroy(self):
            self.save_file("position.json", self.position)
"""
LAUNCH = """
    from machinable import Storage, get
    with Storage("storage"):
        get("walk").launch()
"""


@pytest.fixture
def walk(workspace):
    workspace.write("walk.py", WALK)
    return workspace


def undisturbed(workspace):
    """What the same component gives that nothing has disturbed: its rows and its result."""
    (workspace.root / "other.py").write_text((workspace.root / "walk.py").read_text())
    other = get("other", seed=get("walk").seed).launch()
    return list(other.record), other.load_file("position.json")


def checkpoints(component):
    return sorted(
        int(name) for name in os.listdir(os.path.join(component.directory, ".machinable/checkpoints"))
    )


@pytest.mark.parametrize("way", ["SIGKILL", "SIGTERM", "SIGINT", "raise"])
def test_an_iterative_component_goes_on_from_its_last_checkpoint(walk, way):
    (walk.root / "end-5").write_text(way)
    ended = walk.python(LAUNCH, check=False)
    assert ended.returncode
    walked = get("walk")
    status = {"SIGKILL": Status.LOST, "raise": Status.FAILED}.get(way, Status.INTERRUPTED)
    assert walked.status is status, walked.status_evidence
    # SIGTERM lets the iteration end and saves it; the other ways lose the one that is under way.
    last = 6 if way == "SIGTERM" else 5
    assert checkpoints(walked) == [last - 1, last]
    walked.launch()
    assert (walk.root / "restored").read_text() == f"{last}\n"
    assert walked.status is Status.FINISHED
    assert (list(walked.record), walked.load_file("position.json")) == undisturbed(walk)


def test_a_component_that_is_killed_again_and_again_gets_there(walk):
    for iteration in (0, 1, 6, 7, 11):
        (walk.root / f"end-{iteration}").write_text("SIGKILL")
        assert walk.python(LAUNCH, check=False).returncode == -signal.SIGKILL
    walked = get("walk").launch()
    assert (list(walked.record), walked.load_file("position.json")) == undisturbed(walk)
    assert len(walked.executions) == 6


def test_the_last_two_checkpoints_are_kept(walk):
    walked = get("walk").launch()
    assert checkpoints(walked) == [10, 11]


@pytest.mark.parametrize("damage", ["cut", "missing", "not JSON"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(walk, damage, capsys):
    (walk.root / "end-5").write_text("raise")
    walked = get("walk")
    with pytest.raises(ExecutionFailed):
        walked.launch()
    document = walked.local_directory() / ".machinable" / "checkpoints" / "5" / "checkpoint.json"
    if damage == "missing":
        document.unlink()
    else:
        document.write_text("" if damage == "cut" else "{]")
    walked.launch()
    assert (walk.root / "restored").read_text() == "4\n"
    assert (list(walked.record), walked.load_file("position.json")) == undisturbed(walk)
    assert "checkpoints/5" in capsys.readouterr().err


def test_without_a_checkpoint_the_component_starts_from_its_first_iteration(walk):
    (walk.root / "end-5").write_text("raise")
    walked = get("walk")
    with pytest.raises(ExecutionFailed):
        walked.launch()
    shutil.rmtree(walked.local_directory() / ".machinable" / "checkpoints")
    walked.launch()
    assert not (walk.root / "restored").exists()
    assert (list(walked.record), walked.load_file("position.json")) == undisturbed(walk)


def test_an_invalidated_component_starts_from_its_first_iteration(walk):
    walked = get("walk").launch()
    walked.invalidate().launch()
    assert not (walk.root / "restored").exists()
    assert [row["i"] for row in walked.record] == list(range(12))


def test_checkpoints_of_before_an_invalidation_never_come_back(walk):
    walked = get("walk").launch()
    walked.invalidate()
    (walk.root / "end-3").write_text("raise")
    with pytest.raises(ExecutionFailed):
        walked.launch()
    walked.launch()
    assert (walk.root / "restored").read_text() == "3\n"
    assert (list(walked.record), walked.load_file("position.json")) == undisturbed(walk)


def test_an_error_in_on_save_fails_the_component_and_leaves_the_checkpoint_before(walk):
    source = (walk.root / "walk.py").read_text()
    broken = """def on_save(self, directory):
        if len(self.record) == 4 and not os.path.exists("ok"):
            raise OSError("no room")"""
    (walk.root / "walk.py").write_text(source.replace("def on_save(self, directory):", broken))
    walked = get("walk")
    with pytest.raises(ExecutionFailed, match="no room"):
        walked.launch()
    assert checkpoints(walked) == [2, 3]
    assert not [
        name for name in os.listdir(walked.local_directory() / ".machinable") if name.startswith(".tmp")
    ]
    (walk.root / "ok").touch()
    walked.launch()
    assert [row["i"] for row in walked.record] == list(range(12))
