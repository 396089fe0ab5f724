"""The entry point: which command is meant, and which exit code what happens has."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from machinable.cli.commands import COMMANDS, load
from machinable.cli.options import Options, parse_options
from machinable.notices import front, here

__all__ = ["main"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from machinable.component.component import Component


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line `machinable <arguments>`; without arguments, that of this process.

    Returns:
        The exit code: 0, 1 if a component failed, 2 for bad input, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = Options(words)
    front.directory, front.rerun, front.all_frames = here(), _rerun, "--traceback" in words
    try:
        return _run(words, options)
    except SystemExit:
        raise
    except BaseException as error:  # a component may raise what is no Exception
        code: int = load("failures").report(error, options)
        return code
    finally:
        front.directory, front.rerun, front.all_frames = None, None, False


def _run(words: list[str], options: Options) -> int:
    rest = parse_options(words, options)
    command = rest[0] if rest else ""
    if options.version:
        command, rest = "version", []
    elif options.help or not rest:
        command, rest = "help", rest[:1]
    elif command in COMMANDS:
        asks = not {"--help", "-h"}.isdisjoint(rest)
        command, rest = ("help", [command]) if asks else (command, rest[1:])
    else:
        if command == "get":
            rest = parse_options(rest[1:], options)
        command = "run"
    if command in ("run", "execute"):
        _check_environment()
    code: int = load(command).run(rest, options)
    return code


def _rerun(component: Component) -> str:
    """The command that runs a finished component again."""
    command: str = load("failures").rerun(component)
    return command


def _check_environment() -> None:
    """Refuses variables that can not be read, before anything is written."""
    if "MACHINABLE_HEARTBEAT_SECONDS" in os.environ:
        import_module("machinable.component.heartbeat").interval_seconds()
    if "MACHINABLE_TAKEOVER_SECONDS" in os.environ:
        import_module("machinable.component.waiting").takeover_seconds({})
