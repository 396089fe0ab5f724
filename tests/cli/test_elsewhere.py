"""The commands on a storage that is not on this machine: with nothing but its URL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machinable.store.opening import open_store
from tests.servers.s3 import nanio_server, unconditional_url

__all__ = ["nanio_server", "unconditional_url"]

pytestmark = pytest.mark.xdist_group("nanio")

Run = Callable[..., Any]


def test_what_is_elsewhere_is_listed_counted_checked_removed_and_brought_back(
    shell: Run, project: Path, unconditional_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = unconditional_url
    assert shell("--storage", url, "execute", "mnist_data", "name=a,b", "--grid", "--seed", "1").code == 0

    def other(*words: str) -> Any:
        """On a machine that has seen nothing yet."""
        cache = tmp_path_factory.mktemp("cache")
        return shell(*words, "--storage", url, MACHINABLE_CACHE=str(cache))

    rows = json.loads(other("ls", "--json").out)
    assert [row["config"]["name"] for row in rows] == ["a", "b"]
    store = open_store(url)
    sizes = {entry.key: entry.size for entry in store.entries()}
    usage = json.loads(other("du", "--json").out)
    inside = [
        size for key, size in sizes.items() if key.startswith("000001/") and len(key.split("/")[1]) == 12
    ]
    assert sum(each["bytes"] for each in usage["components"]) == sum(inside)
    assert usage["bytes"] >= sum(sizes.values())
    done = other("doctor")
    assert done.code == 0 and "concurrent launches are not protected" in done.out, done.out
    a, b = (f"000001/{row['id']}" for row in rows)
    assert "name" in other("diff", a, b).out
    assert "data.json" in json.loads(other("show", a, "--json").out)["files"]
    store.delete([f"{a}/data.json"])
    done = other("doctor", "--json")
    (finding,) = json.loads(done.out)["findings"]
    assert done.code == 1 and finding["kind"] == "object" and finding["where"] == a
    assert other("rm", b, "--yes").code == 0
    assert len(json.loads(other("ls", "--json").out)) == 1
    assert json.loads(other("ls", "--trash", "--json").out)[0]["origin"] == b
    assert other("rm", "--restore", b).code == 0
    assert len(json.loads(other("ls", "--json").out)) == 2
    assert other("rm", b, "--yes").code == 0 and other("rm", "--empty-trash", "--yes").code == 0
    assert json.loads(other("ls", "--trash", "--json").out) == []
    assert not [entry.key for entry in store.entries() if "/trash/" in entry.key]
