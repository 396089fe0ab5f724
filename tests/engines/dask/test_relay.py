"""Workers of Dask that see neither the project nor the storage: the code goes there, and the record comes back."""

from __future__ import annotations

import pytest

from tests.engines.hidden import HiddenTests

pytestmark = pytest.mark.xdist_group("dask")


class TestHiddenWorkers(HiddenTests):
    @pytest.fixture
    def nodes(self, far):
        return "dask", {"address": far.address, "options": {"resources": {"far": 1}}}, far.temporary
