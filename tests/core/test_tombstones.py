"""A record that was removed although a newer one of its request follows leaves a tombstone behind."""

from __future__ import annotations

import json

import pytest

from machinable import errors, get


@pytest.fixture
def pair(workspace):
    """Two results of one request, and what removes the older."""
    workspace.write(
        "draw.py",
        """
        from machinable import Component

        class Draw(Component):
            def __call__(self):
                self.save_file("seed.json", self.seed)
        """,
    )
    older = get("draw").launch()
    newer = get.new("draw").launch()
    done = workspace.command("--storage", str(workspace.storage), "rm", older.id, "--yes")
    assert done.returncode == 0, done.stderr
    return workspace, older, newer


def test_the_newer_record_is_still_found(pair) -> None:
    _, older, newer = pair
    assert get("draw").id == newer.id and get("draw").cached()
    assert [component.id for component in get.all("draw")] == [newer.id]
    with pytest.raises(errors.RemovedRecord, match="was removed"):
        get.by_id(older.id)


def test_the_tombstone_says_what_it_stands_for(pair) -> None:
    workspace, older, _ = pair
    tombstone = json.loads((workspace.storage / older.id / ".machinable" / "tombstone.json").read_text())
    assert tombstone["format"] == 1 and tombstone["kind"] == "tombstone"
    assert (tombstone["id"], tombstone["identity"]) == (older.id, older.identity)


def test_when_the_newer_one_goes_too_the_next_launch_runs_under_a_name_of_its_own(pair) -> None:
    workspace, older, newer = pair
    assert workspace.command("--storage", str(workspace.storage), "rm", newer.id, "--yes").returncode == 0
    fresh = get("draw")
    assert not fresh.cached() and fresh.id != older.id
    fresh.launch()
    assert get("draw").id == fresh.id and get("draw").load_file("seed.json") == fresh.seed


def test_a_record_that_nothing_follows_leaves_no_trace(pair) -> None:
    workspace, _, newer = pair
    assert workspace.command("--storage", str(workspace.storage), "rm", newer.id, "--yes").returncode == 0
    assert not (workspace.storage / newer.id).exists()
