"""Collections as data frames and CSV: which columns there are, and of which types."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pandas
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable import Collection, Scope, get
from machinable.errors import ConfigurationError, StorageError
from machinable.records.row import KEYS
from tests.conftest import Workspace

DEFAULT = [
    "id",
    "trial",
    "lr",
    "optimizer.name",
    "epoch",
    "loss",
    "good",
    "steps",
    "started",
    "seconds",
    "status",
]


def test_the_columns_are_what_varies_and_what_came_out(sweep: Workspace) -> None:
    found = get.all("fit")
    assert list(found.to_pandas().columns) == found.to_polars().columns == DEFAULT
    assert list(found.where("lr == 0.1").to_pandas().columns) == [name for name in DEFAULT if name != "lr"]


def test_columns_are_chosen_by_name(sweep: Workspace) -> None:
    found = get.all("fit")
    frame = found.to_pandas(columns=["trial", "config.epochs", "record.loss", "lr", "nickname"])
    assert list(frame.columns) == ["trial", "config.epochs", "record.loss", "lr", "nickname"]
    everything = list(found.to_pandas(all_columns=True).columns)
    assert {"optimizer.momentum", "device", "epochs", "seed", "host", "engine", "execution"} < set(everything)
    assert len(everything) == len(set(everything))
    with pytest.raises(
        ConfigurationError, match=r"no column 'optimizer\.nme'\. Did you mean 'optimizer\.name'"
    ):
        found.to_csv(columns=["optimizer.nme"])
    assert json.loads(found.to_polars(columns=["optimizer"])["optimizer"][0]).keys() == {"momentum", "name"}


def test_names_that_clash_say_what_they_are(workspace: Workspace) -> None:
    workspace.write(
        "clash.py",
        """
        from machinable import Component
        class Clash(Component):
            Config = {"loss": "mse", "status": 1, "lr": 0.1}
            def __call__(self):
                self.record.update({"loss": 0.5, "seconds": 3, "x": 1})
                self.record.save()
        """,
    )
    get("clash").launch()
    get("clash", {"loss": "mae", "status": 2}).launch()
    frame = get.all("clash").to_pandas()
    assert list(frame.columns) == [
        "id",
        "config.loss",
        "config.status",
        "record.loss",
        "record.seconds",
        "x",
        "started",
        "seconds",
        "status",
    ]
    assert frame["record.loss"].tolist() == [0.5, 0.5] and sorted(frame["config.loss"]) == ["mae", "mse"]
    assert get.all("clash").column("loss") == frame["config.loss"].tolist()
    assert list(get.all("clash").to_pandas(columns=list(frame.columns)).columns) == list(frame.columns)


def test_every_column_has_a_name_of_its_own(workspace: Workspace) -> None:
    workspace.write(
        "twice.py",
        """
        from machinable import Component
        class Twice(Component):
            Config = {"scope": {"x": 1}, "config": {"x": 2}, "x": 3, "record": {"x": 4}, "id": 5}
            def __call__(self):
                self.record["x"] = 6
                self.record.save()
        """,
    )
    with Scope({"x": 7}):
        get("twice").launch()
    frame = get.all("twice").to_polars(all_columns=True)
    assert {name: frame[name][0] for name in frame.columns if name.endswith("x")} == {
        "config.scope.x": 1,
        "config.config.x": 2,
        "config.x": 3,
        "config.record.x": 4,
        "record.x": 6,
        "scope.x": 7,
    }
    assert frame["config.id"][0] == 5 and frame["id"][0] == get.all("twice")[0].id


def test_types_stay_where_values_are_missing(sweep: Workspace) -> None:
    frame = get.all("fit").to_pandas()
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["trial"] == "int64" and kinds["epoch"] == kinds["steps"] == "Int64"
    assert kinds["good"] == "boolean" and kinds["loss"] == kinds["lr"] == "float64"
    assert kinds["started"] == "datetime64[ns, UTC]"
    assert abs(frame.started[0].timestamp() - get.all("fit").rows()[0]["started"]) < 1e-3
    schema = get.all("fit").to_polars().schema
    assert schema["epoch"] == polars.Int64 and schema["good"] == polars.Boolean
    assert schema["started"] == polars.Datetime("us", "UTC") and schema["loss"] == polars.Float64


def _collection(records: list[dict[str, Any]]) -> Collection:
    empty = {"config": {}, "others": [], "scope": {}, "uses": {}, "observed": []}
    rows = [
        {**dict.fromkeys(KEYS), **empty, "id": str(number), "path": str(number), "record": record}
        for number, record in enumerate(records)
    ]
    return Collection.of(rows, "/nowhere")


CELLS: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
    st.lists(st.integers(), max_size=2),
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(["a", "b", 'c,"\n']), CELLS), min_size=1, max_size=5)


@settings(deadline=None)
@given(RECORDS)
def test_any_values_become_frames(records: list[dict[str, Any]]) -> None:
    found = _collection(records)
    names = list(dict.fromkeys(name for record in records for name in record))
    frame, table = found.to_pandas(columns=names), found.to_polars(columns=names)
    assert frame.shape == table.shape == (len(records), len(names)) or not names
    for name in names:
        texts = all(isinstance(record.get(name), str | None) for record in records)
        for number, record in enumerate(records):
            value = record.get(name)
            assert not texts or table[name][number] == value
            if (
                isinstance(value, bool)
                or (isinstance(value, int) and abs(value) < 2**53)
                or isinstance(value, str)
            ):
                assert frame[name][number] == value


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans()), min_size=1, max_size=6)
)
def test_csv_is_read_back_as_it_was(values: list[tuple[int, float, bool]]) -> None:
    found = _collection([{"i": i, "f": f, "b": b, "t": f'x,{i}\n"é'} for i, f, b in values])
    text = found.to_csv(columns=["i", "f", "b", "t"])
    assert text is not None
    for frame in (
        pandas.read_csv(io.StringIO(text)),
        polars.read_csv(io.StringIO(text), infer_schema_length=None).to_pandas(),
    ):
        assert frame.i.tolist() == [i for i, _, _ in values]
        assert frame.b.tolist() == [b for _, _, b in values]
        assert frame.t.tolist() == [f'x,{i}\n"é' for i, _, _ in values]
        for read, (_, f, _) in zip(frame.f, values, strict=True):
            assert float(read) == pytest.approx(f, rel=1e-14) or (math.isnan(f) and math.isnan(float(read)))
    assert [float(row["f"]) for row in csv.DictReader(io.StringIO(text)) if row["f"] != "nan"] == [
        f for _, f, _ in values if not math.isnan(f)
    ]


def test_csv_goes_to_a_file(sweep: Workspace, tmp_path: Path) -> None:
    found = get.all("fit")
    assert found.to_csv(tmp_path / "fits.csv") is None
    assert (tmp_path / "fits.csv").read_text("utf-8") == found.to_csv()
    rows = list(csv.DictReader(io.StringIO(found.to_csv() or "")))
    assert rows[0]["started"].endswith("+00:00") and rows[0]["good"] == "true" and rows[12]["loss"] == ""
    with pytest.raises(StorageError, match="can not be written"):
        found.to_csv(tmp_path / "no" / "fits.csv")


@pytest.mark.parametrize(
    ("call", "extra"),
    [("to_pandas()", "pandas"), ("to_polars()", "polars"), ("plot(None, 'loss')", "plot")],
)
def test_a_library_that_is_missing_is_named_with_its_extra(sweep: Workspace, call: str, extra: str) -> None:
    done = sweep.python(
        f"""
        import sys
        sys.modules.update(dict.fromkeys(("pandas", "polars", "matplotlib")))  # as if they were not there
        from machinable import errors, get
        try:
            get.all("fit").{call}
        except errors.DependencyMissing as error:
            print(error)
        """
    )
    assert f"pip install 'machinable[{extra}]'" in done.stdout
