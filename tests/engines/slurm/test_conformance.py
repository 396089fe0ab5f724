"""`slurm` keeps the promises of an engine."""

from __future__ import annotations

import pytest

from machinable.testing.engines import EngineConformance
from tests.engines.slurm.conftest import needs_slurm

pytestmark = [needs_slurm, pytest.mark.xdist_group("slurm")]


@pytest.mark.usefixtures("slurm")
class TestSlurm(EngineConformance):
    engine = "slurm"
    version = {"memory_gib": 0.05, "poll_seconds": 0.2}
    many = 12  # each is an interpreter that starts anew
    some = 4
