"""`dask` keeps the promises of an engine, with a local cluster."""

from __future__ import annotations

import pytest

from machinable.testing.engines import EngineConformance

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'machinable[dask]'")

pytestmark = pytest.mark.xdist_group("dask")


class TestDask(EngineConformance):
    engine = "dask"
    version = {"processes": 2}
    many = 60
