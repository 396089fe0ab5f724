"""Several processes that run one component together, as under MPI: rank 0 has the claim, the others follow it."""

from __future__ import annotations

import os

from machinable.blake import blake2b
from machinable.errors import StorageError
from machinable.records.record import Record
from machinable.wording import listed

__all__ = ["ALONE", "Following", "Group", "Ranks", "rank_seed"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.core import Core
    from machinable.records.claim import Claim


class Ranks:
    """Which of the processes this is that run a component together: `component.mpi`.

    Attributes:
        rank: From 0 to `size - 1`.
        size: How many there are.
        comm: The communicator of mpi4py (`MPI.COMM_WORLD`); `None` outside of MPI.
    """

    __slots__ = ("comm", "rank", "size")

    def __init__(self, rank: int, size: int, comm: Any) -> None:
        self.rank = rank
        self.size = size
        self.comm = comm

    def __repr__(self) -> str:
        return f"rank {self.rank} of {self.size}"


#: Where a component runs in one process, whatever the engine.
ALONE = Ranks(0, 1, None)


def rank_seed(seed: int, rank: int) -> int:
    """What the generators of a rank are seeded with: on rank 0 the component's seed, as in a run without ranks.

    Args:
        seed: Of the component, in [0, 2**32).
    Returns:
        An integer in [0, 2**32).
    Source:
        BLAKE2b, RFC 7693.
    """
    if not rank:
        return seed
    return int.from_bytes(blake2b(f"{seed}:rank:{rank}".encode("ascii"), digest_size=4).digest(), "big")


class Group:
    """The ranks of a component that runs. Each method but `keeps` has to be called by all of them.

    Args:
        comm: A communicator for this alone, so that no message of the component's own is mistaken for one of these.
        ranks: What the component sees.
    """

    def __init__(self, comm: Any, ranks: Ranks) -> None:
        self.ranks = ranks
        self._comm = comm
        self._saved: dict[str, None] = {}  # the files that this rank was asked to save, in order
        self.following: Following | None = None  # on the other ranks, once rank 0 has a claim

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone writes to the record."""
        return self.ranks.rank == 0

    def agree(self, value: Any) -> Any:
        """What rank 0 gave."""
        return self._comm.bcast(value, 0)

    def meet(self) -> None:
        """Returns when all have come here."""
        self._comm.Barrier()

    def announce(self, core: Core, claim: Claim | None) -> None:
        """Rank 0 tells the others what it has claimed; `None`: there is nothing to run."""
        told = None
        if claim is not None:
            told = (claim.directory, claim.root, claim.number, claim.nonce, core.resumed_from)
        self.agree(told)

    def follow(self, core: Core) -> Following | None:
        """What the other ranks have in place of the claim; `None`: there is nothing to run."""
        told = self.agree(None)
        if told is None:
            return None
        directory, root, number, nonce, core.resumed_from = told
        core.record = Record(directory, root)
        core.fresh = core.reused = False
        self.following = Following(root, directory, number, nonce)
        return self.following

    def keeps(self, path: str) -> bool:
        """Whether this rank is the one that saves files. Takes note of the file."""
        self._saved[path] = None
        return self.is_first

    def conclude(self) -> None:
        """Returns when all ranks have done their work.

        Raises:
            StorageError: On rank 0, if another rank meant to save a file that rank 0 did not.
        """
        everybody = self._comm.gather(self._saved, 0)
        if everybody is None:
            return
        for rank, saved in enumerate(everybody):
            lost = [os.path.basename(path) for path in saved if path not in self._saved]
            if lost:
                raise StorageError(
                    f"rank {rank} saved {listed(lost, 3)}, which rank 0 did not. Only rank 0 writes to the record: "
                    "bring the data there, as by self.mpi.comm.gather(...), and save them on rank 0."
                )


class Following:
    """Stands for the claim on a rank that does not have it: where the record is, and which attempt runs."""

    __slots__ = ("directory", "meta", "nonce", "number", "root")

    def __init__(self, root: str, directory: str, number: int, nonce: str) -> None:
        self.root = root
        self.directory = directory
        self.meta = os.path.join(directory, ".machinable")
        self.number = number
        self.nonce = nonce

    def check(self) -> None:
        """Nothing: rank 0 finds out whether another owner took over, and ends all ranks."""
