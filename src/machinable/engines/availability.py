"""Which engines can be used on this machine, and what the others lack."""

from __future__ import annotations

from machinable.engines import BUILT_IN
from machinable.engines.plugins import load_plugin, plugin_names
from machinable.errors import ConfigurationError, DependencyMissing

__all__ = ["Availability", "availabilities", "require"]


class Availability:
    """Whether an engine can be used here.

    Attributes:
        name: The engine's.
        missing: The libraries and commands that it needs and that are not there; empty if it can be used.
        install: How to get them, in words.
        about: What it does, in a line.
    """

    __slots__ = ("about", "install", "missing", "name")

    def __init__(self, name: str, about: str, missing: list[str], install: str) -> None:
        self.name = name
        self.about = about
        self.missing = missing
        self.install = install

    def row(self) -> dict[str, object]:
        """As plain data."""
        return {
            "engine": self.name,
            "available": not self.missing,
            "missing": self.missing,
            "install": self.install if self.missing else None,
            "about": self.about,
        }


class _Needs:
    __slots__ = ("about", "commands", "install", "libraries")

    def __init__(
        self, about: str, libraries: tuple[str, ...] = (), commands: tuple[str, ...] = (), install: str = ""
    ) -> None:
        self.about = about
        self.libraries = libraries
        self.commands = commands
        self.install = install


_NEEDS = {
    "native": _Needs("this process, or with native:N processes of this machine"),
    "multiprocess": _Needs("processes of this machine"),
    "dry": _Needs("runs nothing, and tells what would run"),
    "ray": _Needs("tasks on a Ray cluster", ("ray",), (), "pip install 'machinable[ray]'"),
    "dask": _Needs("tasks on a Dask cluster", ("distributed",), (), "pip install 'machinable[dask]'"),
    "mpi": _Needs(
        "each component on several ranks of MPI",
        ("mpi4py",),
        ("mpiexec",),
        "pip install 'machinable[mpi]', and an MPI such as Open MPI (openmpi-bin, or the cluster's module)",
    ),
    "slurm": _Needs(
        "jobs of a Slurm cluster",
        (),
        ("sbatch", "squeue", "scancel", "scontrol"),
        "run it where Slurm's commands are, such as a login node of the cluster",
    ),
}


def availabilities() -> list[Availability]:
    """All engines, those of other packages last. Imports none of the libraries that machinable's own need."""
    found = [_of(name) for name in BUILT_IN]
    for name in plugin_names():
        if name not in BUILT_IN:
            problem = []
            about = "of another package"
            try:
                cls = load_plugin(name)
                about = ((cls.__doc__ if cls is not None else None) or about).strip().partition("\n")[0]
            except ConfigurationError as error:
                problem = [str(error)]
            found.append(Availability(name, about, problem, "see the package that brings it"))
    return found


def require(name: str) -> None:
    """Raises DependencyMissing, with what to do, if a built-in engine can not be used here."""
    found = _of(name)
    if found.missing:
        raise DependencyMissing(f"The engine {name!r} needs {', '.join(found.missing)}: {found.install}.")


def _of(name: str) -> Availability:
    from importlib.util import find_spec
    from shutil import which

    needs = _NEEDS.get(name) or _Needs("")
    missing = [library for library in needs.libraries if find_spec(library) is None]
    missing += [f"the command {command}" for command in needs.commands if which(command) is None]
    return Availability(name, needs.about, missing, needs.install)
