"""Seeds of executions and of planned components."""

from __future__ import annotations

from machinable.blake import blake2b
from machinable.errors import ConfigurationError
from machinable.identity import base62, canonical
from machinable.identity.ids import EXECUTION_DIGITS, is_execution_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from machinable.identity.canonical import Plain

__all__ = ["SEEDS", "execution_id", "parse_seed", "plan_identity", "split_identity", "trial_seed"]

SEEDS = 62**EXECUTION_DIGITS
"""The number of global seeds: as many as there are execution IDs."""


def execution_id(seed: int) -> str:
    """The ID of the execution with this global seed: its 6 base62 digits.

    Raises:
        ValueError: If the seed is not in [0, 62**6).
    """
    return base62.encode(seed, EXECUTION_DIGITS)


def parse_seed(seed: int | str) -> int:
    """The global seed that a user gave as a number, as an execution ID or as `id:` and an execution ID.

    A string is always an ID, also one of digits alone: whoever means the number passes an int.

    Raises:
        ConfigurationError: If it is neither.
    """
    if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < SEEDS:
        return int(seed)
    if isinstance(seed, str):
        text = seed.removeprefix("id:")
        if is_execution_id(text):
            return base62.decode(text)
    raise ConfigurationError(
        f"{canonical.shown(seed)} ({type(seed).__name__}) is not a seed. "
        f"Use an integer from 0 to {SEEDS - 1}, or the ID of an execution: "
        "6 characters of 0-9A-Za-z, such as '00000g' or 'id:00000g'."
    )


def plan_identity(module: str, class_name: str, config: Mapping[str, Plain]) -> str:
    """What the trials of a planned component have in common, as 64 hexadecimal digits.

    Args:
        config: The resolved configuration without non-identifying fields, plain.
    """
    document = {"class": class_name, "config": config, "module": module, "v": 1}
    return blake2b(canonical.encode(document), digest_size=32).hexdigest()


def split_identity(identity: str, splits: int) -> str:
    """What stands for the `plan_identity` in the seeds of trials that are split into so many parts.

    Half of the data is not a third of it: the parts of unlike splits are unlike components.
    """
    return identity if splits == 1 else f"{identity}:split:{splits}"


def trial_seed(global_seed: int, identity: str, trial: int) -> int:
    """The seed of one trial of a planned component.

    It never depends on a position in the plan: editing a plan leaves other seeds as they were.

    Args:
        global_seed: Seed of the execution, 0 <= global_seed < 62**6.
        identity: The `plan_identity` of the component, in hexadecimal.
        trial: Number of the trial, counted from 0.
    Returns:
        An integer in [0, 2**32), the range NumPy accepts.
    Raises:
        ValueError: If `global_seed` or `trial` is out of range.
    Source:
        BLAKE2b, RFC 7693.
    """
    if not 0 <= global_seed < SEEDS:
        raise ValueError(f"global seed must be in [0, 62**6), got {global_seed}")
    if trial < 0:
        raise ValueError(f"trials are counted from 0, got {trial}")
    text = f"{global_seed}:{identity}:{trial}".encode("ascii")
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "big")
