"""`mpi:N` keeps the promises of an engine, with components that know nothing of ranks."""

from __future__ import annotations

import pytest

from machinable.testing.engines import EngineConformance
from tests.engines.mpi.conftest import needs_mpi

pytestmark = [needs_mpi, pytest.mark.xdist_group("mpi")]


class TestMpi(EngineConformance):
    engine = "mpi:2"
    version = {"oversubscribe": True, "at_once": 2}
    many = 6  # each is two processes that start anew
    some = 4
