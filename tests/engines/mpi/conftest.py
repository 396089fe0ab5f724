"""What the tests of MPI need: a launcher and mpi4py."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest

needs_mpi = pytest.mark.skipif(
    find_spec("mpi4py") is None or not (shutil.which("mpiexec") or shutil.which("mpirun")),
    reason="needs mpi4py and a launcher of MPI (apt install openmpi-bin)",
)
