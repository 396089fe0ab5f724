"""`ray` keeps the promises of an engine, on a cluster that is there."""

from __future__ import annotations

import pytest

from machinable.testing.engines import EngineConformance
from tests.engines.ray.conftest import ENVIRONMENT

pytestmark = pytest.mark.xdist_group("ray")


class TestRay(EngineConformance):
    many = 60
    environment = ENVIRONMENT

    @pytest.fixture(autouse=True)
    def on_cluster(self, cluster):
        self.engine = f"ray:{cluster.address}"
