"""The subcommands, in the order in which the help lists them.

Each is a file of its own with a text `HELP` and a function `run(words: list[str], options: Options) -> int`,
which gets the words after the name and returns the exit code. Files are imported by name, when asked for:
`machinable version` must not wait for what the others need.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["COMMANDS", "load"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

COMMANDS = {
    "execute": "run a plan: a grid, trials, a file; in parallel, resumed where it stopped",
    "status": "tell the state of an execution or a component, and how it is known",
    "logs": "print what components have printed; -f follows",
    "cancel": "interrupt what runs of an execution",
    "code": "restore the code that an execution ran",
    "ls": "list what is in the storage",
    "show": "show all that is known of one execution or component",
    "rm": "move executions and components to the trash",
    "init": "set up a project in this directory, with an example",
    "version": "print the version of machinable",
    "help": "explain a topic, a command or a component",
}


#: The files that have another name than their command.
FILES = {"show": "show_record"}


def load(name: str) -> ModuleType:
    """The module of a command, or another one of `machinable.cli`."""
    return import_module(f"machinable.cli.{FILES.get(name, name)}")
