"""The commands that start the ranks of MPI: which one is there, how it is called, and what it says when a rank ends."""

from __future__ import annotations

import os
import re

from machinable.errors import ConfigurationError, DependencyMissing

__all__ = ["Death", "Launcher", "Messages", "explain", "find_launcher", "kind_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES = ("mpiexec", "mpirun")

#: What belongs to the process that was started by a launcher, and would make the ranks of another one its own.
_FOREIGN = ("PMI_", "PMIX_", "OMPI_COMM_WORLD_", "OMPI_UNIVERSE_", "HYDI_", "MPI_LOCAL")

_kinds: dict[str, str] = {}


class Launcher:
    """A command that starts ranks.

    Args:
        words: The command, with the options that it was given.
        kind: `openmpi`, `hydra` (MPICH, Intel MPI) or `srun`.
    """

    __slots__ = ("kind", "words")

    def __init__(self, words: Sequence[str], kind: str) -> None:
        self.words = list(words)
        self.kind = kind

    def command(
        self,
        ranks: int,
        program: Sequence[str],
        options: Sequence[str],
        *,
        oversubscribe: bool = False,
        shared: bool = False,
    ) -> list[str]:
        """What to execute so that `program` runs on so many ranks, and the end of one ends all.

        Args:
            oversubscribe: Whether there may be more ranks than cores.
            shared: Whether other groups of ranks use the same cores at the same time.
        """
        words = [*self.words, "-n", str(ranks)]
        if self.kind == "openmpi":
            words += ["--oversubscribe"] if oversubscribe else []
            if oversubscribe or shared:  # each group by itself would bind its ranks to the first cores
                words += ["--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]
            for name in sorted(os.environ):
                if name.startswith("MACHINABLE_"):  # on other hosts, Open MPI starts without variables
                    words += ["-x", name]
        elif self.kind == "srun":
            words += ["--kill-on-bad-exit=1", "--input=0"]
            words += ["--overcommit"] if oversubscribe else []
        return [*words, *options, *program]

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables for the command, given those of this process."""
        found = {name: value for name, value in variables.items() if not name.startswith(_FOREIGN)}
        if self.kind == "openmpi" and hasattr(os, "geteuid") and os.geteuid() == 0:
            # Open MPI wants to hear twice that this is meant. In a container, everybody is root.
            found |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return found


def find_launcher(wanted: Sequence[str] = ()) -> Launcher:
    """The command that was asked for, else the first of `mpiexec` and `mpirun` that is there.

    Raises:
        DependencyMissing: If there is none.
    """
    import shutil

    for name in wanted[:1] or _NAMES:
        path = shutil.which(name)
        if path is not None:
            return Launcher([path, *wanted[1:]], _kind_at(path))
    raise DependencyMissing(
        f"mpi needs {wanted[0] if wanted else 'mpiexec or mpirun'}, which is not among the commands here: install an "
        "MPI (apt install openmpi-bin, brew install open-mpi, or module load on a cluster)."
    )


def _kind_at(path: str) -> str:
    if path not in _kinds:
        import subprocess

        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigurationError(f"mpi: {path} --version gives no answer: {error}") from error
        _kinds[path] = kind_of(path, done.stdout + done.stderr)
    return _kinds[path]


def kind_of(path: str, version: str) -> str:
    """Which family a launcher belongs to, from its name and what it says to `--version`."""
    if os.path.basename(path) == "srun":
        return "srun"
    return "openmpi" if re.search(r"open ?mpi|openrte|prrte|prterun", version, re.IGNORECASE) else "hydra"


# --- what it says


class Messages:
    """Separates what a launcher says in its own name from what the ranks write to standard error."""

    def __init__(self) -> None:
        self._rest = b""
        self._frame: list[bytes] = []  # the lines since a rule
        self._own: list[bytes] = []

    @property
    def text(self) -> str:
        """What the launcher has said, in one line."""
        return " ".join(b" ".join(self._own).decode("utf-8", "replace").split())

    def feed(self, data: bytes) -> bytes:
        """Takes some output, and gives back the whole lines of it that are the ranks'."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(self._sort(line + b"\n") for line in lines)

    def close(self) -> bytes:
        """What is left: a frame that is not closed, and a last line without its end."""
        rest, self._rest = self._rest, b""
        frame, self._frame = self._frame, []
        return b"".join(frame) + (self._sort(rest) if rest else b"")

    def _sort(self, line: bytes) -> bytes:
        """What of the ranks' there is to pass on, now that there is this line."""
        rule = _RULE.fullmatch(line)
        if self._frame:
            self._frame.append(line)
            if rule is None and len(self._frame) < _LONGEST_FRAME:
                return b""
            frame, self._frame = self._frame, []
            if not _OF_LAUNCHER.search(b"".join(frame)):
                return b"".join(frame)
            self._own += frame[1:-1]
            return b""
        if rule is not None:
            before, line = rule[1], line[len(rule[1]) :]
            self._frame.append(line)
            return before + b"\n" if before else b""
        if _OWN.match(line):
            self._own.append(line)
            return b""
        return line


#: Open MPI puts its messages between rules of this length, perhaps behind a line that a rank did not end; MPICH
#: begins its lines with equal signs.
_RULE = re.compile(rb"(|.*[^-\n])-{74}\s*")
_LONGEST_FRAME = 60
_OF_LAUNCHER = re.compile(rb"MPI|mpi(exec|run)|prte(run)?\b|PRTE|ORTE|Primary job|slots|Slurm", re.IGNORECASE)
_OWN = re.compile(
    rb"={83}\s*$|=   [A-Z ]+|\[[\w.-]+:\d+\] |srun: |slurmstepd[\w-]*: |YOUR APPLICATION TERMINATED"
    rb"|application called MPI_Abort|\[mpiexec@|\[proxy:"
)


class Death:
    """How the first rank ended that took the others with it.

    Attributes:
        rank: Its number; `None` if the launcher does not tell.
        code: Its exit code, a signal being negative; `None`: unknown.
        words: In words, for the middle of a sentence.
    """

    __slots__ = ("code", "rank", "words")

    def __init__(self, rank: int | None, code: int | None, words: str) -> None:
        self.rank = rank
        self.code = code
        self.words = words


def explain(text: str, code: int | None, ranks: int) -> Death:
    """What became of the ranks, from the launcher's own words, in one line, and its exit code."""
    found = [(match, sign) for pattern, sign in _ENDS if (match := re.search(pattern, text)) is not None]
    if found:
        match, sign = min(found, key=lambda each: each[0].start())  # the one that came first
        rank, told = int(match["rank"]), match["number"]
        number = sign * (_SIGNALS[told] if told in _SIGNALS else int(told))
        who = f"rank {rank} of {ranks}"
        if sign > 0 and "abort" in match[0].lower():
            return Death(rank, number, f"{who} called MPI_Abort with {number}")
        return Death(rank, number, f"{who} {_ended(number)}")
    if "not enough slots" in text:
        room = f"there is no room for {ranks} ranks: the launcher counts cores. Ask for fewer, or set oversubscribe"
        return Death(None, code, room)
    if re.search(r"exiting improperly|without calling .?finalize", text):
        left = re.search(r"process rank (\d+)", text)
        who = f"rank {left[1]}" if left is not None else "a rank"
        return Death(int(left[1]) if left is not None else None, 0, f"{who} of {ranks} left before its end")
    code_of_one = re.search(r"EXIT CODE: (\d+)", text)
    if code_of_one is not None:
        number = int(code_of_one[1])
        number = -number if "(signal" in text and number < 65 else number
        return Death(None, number, f"one of {ranks} ranks {_ended(number)}")
    said = f": {text[:300]}" if text else ""
    if code is None:
        return Death(None, None, f"the ranks were lost{said}")
    return Death(None, code, f"the launcher of its {ranks} ranks {_ended(code)}{said}")


#: Rank and number, and whether the number is that of a signal (-1) or an exit code.
_ENDS = (
    (r"Process name: \[.*?,\s?(?P<rank>\d+)\] Exit code: (?P<number>\d+)", 1),
    (r"process rank (?P<rank>\d+) with PID \d+ on node \S+ exited on signal (?P<number>\d+)", -1),
    (r"MPI_ABORT was invoked on rank (?P<rank>\d+) .*?errorcode (?P<number>-?\d+)", 1),
    (r"application called MPI_Abort\(.*?, (?P<number>-?\d+)\) - process (?P<rank>\d+)", 1),
    (r"tasks? (?P<rank>\d+)[\d,-]*: Exited with exit code (?P<number>\d+)", 1),
    (r"tasks? (?P<rank>\d+)[\d,-]*: (?P<number>Killed|Segmentation fault|Aborted|Bus error|Terminated)", -1),
)

#: As Slurm calls them.
_SIGNALS = {"Killed": 9, "Segmentation fault": 11, "Aborted": 6, "Bus error": 7, "Terminated": 15}


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    import signal

    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"
