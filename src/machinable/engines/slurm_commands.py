"""Slurm's own commands: called with a time limit, and what they print, read."""

from __future__ import annotations

import os
import re
import shlex

from machinable.errors import SchedulerError

__all__ = [
    "Cluster",
    "Job",
    "Limits",
    "cluster",
    "limits",
    "list_jobs",
    "run_command",
    "state_of_own_job",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: A controller that is busy may take long to answer; one that is down makes commands wait for some ten seconds.
_TIMEOUT_SECONDS = 60.0

_DEFAULT_ARRAY_SIZE = 1001

_PREFIX = re.compile(r"^\w+: (?:error: |fatal: )?")


def run_command(words: Sequence[str], text: str | None = None) -> str:
    """What a command prints on standard output.

    Args:
        text: What it reads from standard input.
    Raises:
        SchedulerError: If it fails, with what it said, or takes too long.
    """
    import subprocess

    try:
        done = subprocess.run(
            words,
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            # What is printed must not depend on the user's settings.
            env={key: value for key, value in os.environ.items() if not _is_format(key)},
        )
    except subprocess.TimeoutExpired:
        raise SchedulerError(
            f"Slurm does not answer: {words[0]} took longer than {_TIMEOUT_SECONDS:g} s. Try again later."
        ) from None
    except OSError as error:
        raise SchedulerError(
            f"{words[0]} can not be run: {error.strerror}. Is this a machine of the cluster?"
        ) from error
    if done.returncode:
        # The first lines of several say what went wrong below; the last one what came of it.
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise SchedulerError(f"{words[0]}: {_PREFIX.sub('', said)}")
    return done.stdout


def _is_format(variable: str) -> bool:
    return (
        variable.startswith(("SQUEUE_", "SACCT_", "SINFO_", "SLURM_TIME_FORMAT"))
        or variable == "SBATCH_ARRAY_INX"
    )


class Cluster:
    """What the configuration of Slurm says that matters here."""

    __slots__ = ("array_size", "name")

    def __init__(self, name: str, array_size: int) -> None:
        self.name = name
        self.array_size = array_size  # array indices are below it, and so is the number of tasks


def cluster() -> Cluster:
    """The cluster that commands talk to. Raises SchedulerError."""
    text = run_command(["scontrol", "show", "config"])
    name = re.search(r"(?m)^ClusterName\s*=\s*(\S+)", text)
    sizes = re.findall(r"(?m)^MaxArraySize\s*=\s*(\d+)|max_array_tasks=(\d+)", text)
    numbers = [int(first or second) for first, second in sizes]
    # 0 switches arrays off; then there is a job for each.
    return Cluster(name[1] if name else "", max(min(numbers, default=_DEFAULT_ARRAY_SIZE), 1))


class Limits:
    """The most that a node of a partition has, and a job there may take."""

    __slots__ = ("cpus", "gpus", "is_default", "memory_mib", "minutes", "nodes")

    def __init__(self) -> None:
        self.cpus = self.memory_mib = self.nodes = 0
        self.gpus: int | None = None
        self.minutes: float | None = None  # `None`: as long as it takes
        self.is_default = False


def limits() -> dict[str, Limits]:
    """The partitions, by name. Raises SchedulerError."""
    found: dict[str, Limits] = {}
    for line in run_command(["sinfo", "-h", "-N", "-o", "%P|%c|%m|%G|%l|%N"]).splitlines():
        name, cpus, memory, gres, minutes, _ = line.split("|", 5)
        each = found.setdefault(name.rstrip("*"), Limits())
        each.is_default = name.endswith("*")
        each.cpus = max(each.cpus, _whole(cpus))
        each.memory_mib = max(each.memory_mib, _whole(memory))
        gpus = sum(int(number or 1) for number in re.findall(r"\bgpu(?::[A-Za-z][^:,()]*)?(?::(\d+))?", gres))
        each.gpus = max(each.gpus or 0, gpus)
        each.minutes = minutes_of(minutes)
        each.nodes += 1
    return found


def _whole(text: str) -> int:
    return int(text.rstrip("+")) if text.rstrip("+").isdecimal() else 0


def minutes_of(text: str) -> float | None:
    """A time as Slurm writes it (`2-03:00:00`, `30:00`), in minutes; `None` for `infinite`."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + minutes + seconds / 60


class Job:
    """A task of a job as Slurm lists it.

    Attributes:
        id: `<job>_<index>`, or `<job>`.
        name: The job's name.
        state: In Slurm's words, such as `PENDING`.
        reason: Why it is in that state, in Slurm's words; may be empty.
    """

    __slots__ = ("id", "name", "reason", "state")

    def __init__(self, id: str, name: str, state: str, reason: str) -> None:
        self.id = id
        self.name = name
        self.state = state
        self.reason = reason


def list_jobs(jobs: Sequence[str], accounting: bool) -> dict[str, Job]:
    """What is known of the tasks of jobs, by their IDs, in one call.

    Args:
        accounting: Ask for those that are long over (`sacct`, which many clusters have and some have not), instead
            of those that the controller still knows (`squeue`).
    Raises:
        SchedulerError: If Slurm does not answer.
    """
    ids = ",".join(jobs)
    if accounting:
        words = ["sacct", "-n", "-P", "-X", "-j", ids, "-o", "JobID,JobName,State,Reason"]
    else:
        words = ["squeue", "-h", "-r", "-t", "all", "-j", ids, "-o", "%i|%j|%T|%r"]
    try:
        text = run_command(words)
    except SchedulerError as error:
        if "Invalid job id" in str(error):
            return {}  # the only one that was asked about is forgotten
        raise
    found: dict[str, Job] = {}
    for line in text.splitlines():
        id_, name, state, reason = (*line.split("|"), "", "", "")[:4]
        # sacct says who cancelled a job: `CANCELLED by 1000`.
        found[id_] = Job(
            id_, name, state.partition(" ")[0].rstrip("+"), "" if reason in ("None", "(null)") else reason
        )
    return found


def state_of_own_job(job: str) -> str:
    """The state of the job that this process belongs to; empty if Slurm does not answer."""
    try:
        found = re.search(r"JobState=(\S+)", run_command(["scontrol", "show", "job", "-o", job]))
    except SchedulerError:
        return ""
    return found[1] if found else ""


def quoted(words: Sequence[str]) -> str:
    """Words as a shell takes them."""
    return " ".join(map(shlex.quote, words))
