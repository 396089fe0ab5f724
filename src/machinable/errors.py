"""Every error a user can meet. Each carries one message, so it survives pickling between processes."""

from __future__ import annotations

__all__ = [
    "ComponentException",
    "ConfigurationError",
    "DamagedRecord",
    "DependencyMissing",
    "ExecutionFailed",
    "MachinableError",
    "ProjectError",
    "RemovedRecord",
    "SchedulerError",
    "StorageError",
    "Superseded",
]


class MachinableError(Exception):
    """The base of all errors of machinable. Its text is one clear line (and sometimes details below it)."""


class ConfigurationError(MachinableError):
    """A configuration, version, seed or engine is not what the component allows."""


class ProjectError(MachinableError):
    """A module of the project can not be found or imported, or does not hold what was asked for."""


class SchedulerError(MachinableError):
    """A scheduler, such as Slurm, refuses something or does not answer."""


class StorageError(MachinableError):
    """A storage can not be read or written, or a record in it is damaged."""


class ExecutionFailed(MachinableError):
    """An execution ended with components that failed, were blocked, or were never dispatched.

    `failures` lists them as `(module, component ID, reason)`; `__cause__` is the first component's own exception.
    """

    def __init__(self, message: str, failures: tuple[tuple[str, str, str], ...] = ()) -> None:
        super().__init__(message, failures)
        self.failures = failures

    def __str__(self) -> str:
        return str(self.args[0])


class ComponentException(MachinableError):
    """What a component raised in another process: its traceback as text."""


class RemovedRecord(StorageError):
    """The record was removed, and left its name behind because a newer one of the same request follows it."""


class Superseded(MachinableError):
    """Another owner took this component over while this process was silent. Nothing more may be published."""


class DependencyMissing(MachinableError):
    """An optional library or command is needed. The message names the extra to install."""


class DamagedRecord(StorageError):
    """Metadata of a record can not be read. `recoverable`: it was cut short, as a crash of the machine leaves it."""

    def __init__(self, message: str, recoverable: bool = False) -> None:
        super().__init__(message, recoverable)
        self.recoverable = recoverable

    def __str__(self) -> str:
        return str(self.args[0])
