"""Command lines of launchers, and what their words amount to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.engines.mpi_launcher import Launcher, Messages, explain, kind_of

_PROGRAM = ["python", "-c", "pass"]


@pytest.mark.parametrize(
    ("path", "version", "kind"),
    [
        ("/usr/bin/mpiexec", "mpiexec (OpenRTE) 4.1.4", "openmpi"),
        ("/usr/bin/mpirun", "mpirun (Open MPI) 5.0.3", "openmpi"),
        ("/opt/bin/mpiexec", "prterun (PRRTE) 3.0.4", "openmpi"),
        ("/usr/bin/mpiexec", "HYDRA build details:\n    Version: 4.1", "hydra"),
        ("/opt/intel/mpirun", "Intel(R) MPI Library for Linux* OS, Version 2021.9", "hydra"),
        ("/usr/bin/srun", "slurm-wlm 22.05.8", "srun"),
    ],
)
def test_a_launcher_is_known_by_its_version(path: str, version: str, kind: str) -> None:
    assert kind_of(path, version) == kind


def test_each_launcher_has_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_HEARTBEAT_SECONDS", "5")
    for name in ("MACHINABLE_STORAGE", "MACHINABLE_CACHE", "MACHINABLE_TAKEOVER_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    words = {
        kind: Launcher(["run"], kind).command(3, _PROGRAM, ["--more"], oversubscribe=True)
        for kind in ("openmpi", "hydra", "srun")
    }
    assert words["openmpi"][:6] == ["run", "-n", "3", "--oversubscribe", "--bind-to", "none"]
    assert words["openmpi"][6:9] == ["--mca", "mpi_yield_when_idle", "1"]
    assert words["openmpi"][9:] == ["-x", "MACHINABLE_HEARTBEAT_SECONDS", "--more", *_PROGRAM]
    assert words["hydra"] == ["run", "-n", "3", "--more", *_PROGRAM]
    assert words["srun"] == [
        "run",
        "-n",
        "3",
        "--kill-on-bad-exit=1",
        "--input=0",
        "--overcommit",
        "--more",
        *_PROGRAM,
    ]


def test_ranks_of_a_rank_are_not_taken_for_those_of_the_launcher_above() -> None:
    given_ = {"PMIX_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_MCA_btl": "self,tcp", "PATH": "/bin"}
    found = Launcher(["run"], "hydra").environment(given_)
    assert found == {"OMPI_MCA_btl": "self,tcp", "PATH": "/bin"}


_RULE = "-" * 74

_EXIT = f"""{_RULE}
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
{_RULE}
{_RULE}
mpiexec detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[12406,1],1]
  Exit code:    3
{_RULE}
"""
_EXIT_5 = f"""{_RULE}
prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-node-123@1,1] Exit code:    3
{_RULE}
"""
_SIGNAL = f"""{_RULE}
mpiexec noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).
{_RULE}
"""
_ABORT = f"""{_RULE}
MPI_ABORT was invoked on rank 2 in communicator MPI_COMM_WORLD
with errorcode 5.

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
{_RULE}
"""
_HYDRA = """
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4321 RUNNING AT node
=   EXIT CODE: 11
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
===================================================================================
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Segmentation fault (signal 11)
"""
_SLURM = "srun: error: n1: task 1: Exited with exit code 3\n"
_SLURM_KILLED = """srun: error: n2: task 1: Killed
slurmstepd-n2: error: *** STEP 5.3 ON n2 CANCELLED AT 2026-01-01T00:05:39 ***
srun: error: n2: task 0: Exited with exit code 143
"""
_HYDRA_ABORT = "application called MPI_Abort(MPI_COMM_WORLD, 5) - process 1\n"
_SLOTS = f"{_RULE}\nThere are not enough slots available in the system to satisfy the 99\nslots\n{_RULE}\n"


@pytest.mark.parametrize(
    ("text", "rank", "code", "words"),
    [
        (_EXIT, 1, 3, "rank 1 of 4 ended with exit code 3"),
        (_EXIT_5, 1, 3, "rank 1 of 4 ended with exit code 3"),
        (_SIGNAL, 1, -9, "rank 1 of 4 was killed by SIGKILL"),
        (_ABORT, 2, 5, "rank 2 of 4 called MPI_Abort with 5"),
        (_HYDRA, None, -11, "one of 4 ranks was killed by SIGSEGV"),
        (_HYDRA_ABORT, 1, 5, "rank 1 of 4 called MPI_Abort with 5"),
        (_SLURM, 1, 3, "rank 1 of 4 ended with exit code 3"),
        (_SLURM_KILLED, 1, -9, "rank 1 of 4 was killed by SIGKILL"),
        (_SLOTS, None, 1, "there is no room for 4 ranks: the launcher counts cores"),
        ("", None, 1, "the launcher of its 4 ranks ended with exit code 1"),
    ],
)
def test_the_words_of_launchers_say_which_rank_ended_and_how(
    text: str, rank: int | None, code: int, words: str
) -> None:
    messages = Messages()
    assert messages.feed(text.encode()).strip() == b"" and messages.close() == b""
    death = explain(messages.text, 1, 4)
    assert (death.rank, death.code) == (rank, code) and death.words.startswith(words)


def test_a_table_that_a_rank_prints_between_rules_is_not_taken_for_a_message() -> None:
    table = f"{_RULE}\nloss  0.1\n{_RULE}\n".encode()
    assert Messages().feed(table) == table


@given(
    st.lists(st.sampled_from([b"mine\n", b"no end", b"-" * 80 + b"\n", _EXIT.encode(), b"\xff\n"])),
    st.integers(1, 40),
)
def test_the_output_of_ranks_passes_through_however_it_is_cut(parts: list[bytes], size: int) -> None:
    data, messages, passed = b"".join(parts), Messages(), b""
    for start in range(0, len(data), size):
        passed += messages.feed(data[start : start + size])
    passed += messages.close()
    of_ranks = b"".join(part for part in parts if part != _EXIT.encode())
    assert passed.replace(b"\n", b"") == of_ranks.replace(b"\n", b"")
    if of_ranks == data:
        assert passed == data
