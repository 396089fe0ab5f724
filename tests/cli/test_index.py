"""`machinable index`, and what commands do where it can not be had."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machinable import get

Run = Callable[..., Any]


def test_it_tells_where_it_is_and_is_made_anew(machinable: Run, project: Path) -> None:
    done = machinable("index")
    assert done.code == 0 and "has no index: " in done.err and not os.path.exists("storage")
    assert json.loads(machinable("index", "rebuild", "--json").out)["path"] is None
    assert not os.path.exists("storage")
    machinable("train", "steps=1", "--launch")
    assert machinable("index", "rebuild").out.startswith(
        "./storage/.machinable/index.sqlite · 2 components · "
    )
    out = machinable("index").out
    assert out.startswith("./storage/.machinable/index.sqlite · 2 components · ") and "ago" in out
    (data,) = get.all("mnist_data")
    Path(data.directory, ".machinable/component.json").write_text("{,}")
    document = json.loads(machinable("index", "rebuild", "--json").out)
    assert (document["components"], document["damaged"]) == (2, 1) and document["seconds"] >= 0
    assert "1 of them damaged" in machinable("index").out


def test_a_corrupt_one_needs_nobody(machinable: Run, shell: Run, project: Path) -> None:
    machinable("mnist_data", "--launch")
    machinable("index", "rebuild")
    path = project / "storage/.machinable/index.sqlite"
    path.write_bytes(b"nothing" * 1000)
    done = shell("ls")
    assert done.code == 0 and "mnist" not in done.err and len(done.out.splitlines()) == 2
    path.unlink()
    path.mkdir()
    assert len(shell("ls").out.splitlines()) == 2


def test_bad_input(machinable: Run, project: Path) -> None:
    assert "Did you mean 'rebuild'" in machinable("index", "rebild").refused()
    assert "knows no 'rebuild now'" in machinable("index", "rebuild", "now").refused()
    assert not os.path.exists("storage")
