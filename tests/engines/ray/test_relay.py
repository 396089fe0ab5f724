"""Nodes of Ray that see neither the project nor the storage: the code goes there, and the record comes back."""

from __future__ import annotations

import pytest

from tests.engines.hidden import HiddenTests

pytestmark = pytest.mark.xdist_group("ray")


class TestHiddenNodes(HiddenTests):
    @pytest.fixture
    def nodes(self, far):
        version = {"address": far.address, "num_cpus": 0.5, "options": {"resources": {"far": 1}}}
        return "ray", version, far.temporary
