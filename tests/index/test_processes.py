"""Many processes that search while others launch: each sees what there is, and none is in the way of another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from machinable.index import Search
from machinable.index.helping import LEAST
from machinable.records.listing import records_in
from machinable.records.row import row_of

LAUNCH = """
import sys
from machinable import get
for number in range(12):
    get("train", {"lr": int(sys.argv[1]) * 100.0 + number + 1}).launch()
"""

SEARCH = """
import json, sys
from machinable import get
last, told = 0, []
for number in range(12):
    found = get.all("train").where("lr >= 100 and status == 'finished'")
    assert len(found) >= last, (len(found), last)
    last = len(found)
    for row in found._members.rows():
        assert row["record"]["loss"] == row["config"]["lr"] * 2
    told.append(last)
    if number == 5:
        mine = get("train", {"lr": 1 + float(sys.argv[1]) / 100}).launch()
        assert mine.id in [c.id for c in get.all("train").where(f"lr == {mine.config.lr}")]
print(json.dumps(told))
"""


def test_sixteen_search_while_four_launch(indexed: Any) -> None:
    def start(source: str, number: int) -> subprocess.Popen[str]:
        return indexed.workspace.popen(source, str(number))

    running = [start(LAUNCH, number) for number in range(1, 5)] + [
        start(SEARCH, number) for number in range(16)
    ]
    for process in running:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0 and not errors, errors
        assert process in running[:4] or json.loads(out)
    assert len(indexed.seen()) == 4 + 4 * 12 + 16
    assert indexed.file.is_file()


def test_all_make_the_index_at_the_same_time(indexed: Any) -> None:
    for round in range(2):
        if round:
            indexed.file.write_bytes(b"damaged" * 1000)
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "machinable", "ls", "--json"],
                cwd=indexed.workspace.root,
                env=indexed.workspace.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(6)
        ]
        for process in running:
            out, errors = process.communicate(timeout=120)
            assert process.returncode == 0 and not errors, errors
            assert len(json.loads(out)) == 4


def test_a_fork_searches_with_a_connection_of_its_own(indexed: Any) -> None:
    indexed.workspace.python(
        """
        import os
        from machinable import get
        assert len(get.all("train")) == 4
        pid = os.fork()
        get("train", {"lr": 20.0 if pid else 30.0}).launch()
        assert len(get.all("train").where("lr >= 20")) >= 1
        if not pid:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert len(get.all("train").where("lr >= 20")) == 2
        """
    )


def test_threads_share_an_index(indexed: Any) -> None:
    indexed.workspace.python(
        """
        from concurrent.futures import ThreadPoolExecutor
        from machinable import get

        def look(number):
            get("train", {"lr": 100.0 + number}).launch()
            return len(get.all("train").where(f"lr == {100.0 + number}"))

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(look, range(12))) == [1] * 12
        assert len(get.all("train")) == 16
        """
    )


@pytest.mark.parametrize("helper", ["", "/bin/false", "/nonexistent"])
def test_many_records_are_read_with_or_without_a_second_process(
    helper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Path(__file__).parents[1] / "data" / "storage-v1"
    for number, record in zip(range(LEAST + 150), cycle(sample.glob("?" * 12)), strict=False):
        meta = tmp_path / f"{number:012}" / ".machinable"
        meta.mkdir(parents=True)
        for name in ("component.json", "attempt-1.jsonl", "../record.jsonl"):
            if (record / ".machinable" / name).exists():
                shutil.copyfile(record / ".machinable" / name, meta / name)
    (tmp_path / f"{7:012}" / ".machinable" / "component.json").unlink()
    if helper:
        monkeypatch.setattr(sys, "executable", helper)
    search = Search(str(tmp_path))
    assert search.rebuild() == LEAST + 150 and len(search.damaged()) == 1
    rows = {row["path"]: row for row in (*search.select(), *search.damaged())}
    for record in list(records_in(str(tmp_path)))[::50]:
        assert rows[record.id] == row_of(record)
    search.close()
