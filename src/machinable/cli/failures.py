"""What is shown when something goes wrong: one clear line, the user's own frames, never ours unless asked for."""

from __future__ import annotations

import os
import shlex
import sys

from machinable.cli.output import note
from machinable.component.tracebacks import user_traceback
from machinable.errors import (
    ComponentException,
    ConfigurationError,
    DependencyMissing,
    MachinableError,
    ProjectError,
    StorageError,
)

__all__ = [
    "FAILED",
    "INPUT_ERRORS",
    "again",
    "commands",
    "program",
    "report",
    "rerun",
    "show",
    "show_exception",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.cli.options import Options
    from machinable.component.component import Component

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
INPUT_ERRORS = (ConfigurationError, ProjectError, StorageError, DependencyMissing)


def report(error: BaseException, options: Options) -> int:
    """Shows what ended the command, and returns its exit code."""
    if isinstance(error, KeyboardInterrupt):
        if options.traceback:
            show_exception(error, options)
        note(f"machinable: interrupted. To go on, run the same again: {again(options)}")
        return INTERRUPTED
    if isinstance(error, MachinableError):
        if options.traceback:
            show_exception(error, options)
        note(f"machinable: {error}")
        return BAD_INPUT if isinstance(error, INPUT_ERRORS) else FAILED
    if "  File " not in show_exception(error, options):
        note("machinable: this looks like a defect of machinable. With --traceback in front, it shows where.")
    return FAILED


def show_exception(error: BaseException, options: Options) -> str:
    """Shows an exception with the user's own frames, or with `--traceback` all of them. The same text only once."""
    if options.traceback:
        import traceback

        text = "".join(traceback.format_exception(error))
    elif isinstance(error, ComponentException):  # what another process has told, traceback and all
        text = str(error)
    else:
        text = user_traceback(error)
    show(text, options)
    return text


def show(text: str, options: Options) -> None:
    """Shows a traceback, unless it was shown already."""
    if text not in options.shown:
        options.shown.add(text)
        note(text.rstrip())


def again(options: Options) -> str:
    """The command, to be pasted into a shell."""
    return shlex.join([*program(), *options.words])


def program() -> list[str]:
    """How machinable was called."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return [os.path.basename(sys.executable) or "python", "-m", "machinable"]
    return ["machinable"]


def rerun(component: Component) -> str:
    """The command that runs a finished component again: as typed, or with its parameters to be filled in."""
    typed = commands.get(component._request.identity)
    if typed is not None:
        return typed
    parameters = " key=value…" if component._resolution.update else ""
    return f"{shlex.join([*program(), component.module])}{parameters} --invalidate --launch"


#: The commands that run again what was named on the command line, by identity.
commands: dict[str, str] = {}
