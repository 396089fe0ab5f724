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
    "attach": "watch an execution that goes on elsewhere, to its end",
    "cancel": "interrupt what runs of an execution",
    "preempt": "interrupt what runs as a cluster does, so that it goes on from its checkpoint",
    "code": "restore the code that an execution ran",
    "ls": "list what is in the storage",
    "show": "show all that is known of one execution or component",
    "diff": "tell what two components, or two executions, differ in",
    "rm": "move executions and components to the trash",
    "du": "tell how many bytes the storage holds, and for what",
    "sync": "copy what one storage holds to another; resumes where it stopped",
    "doctor": "check the storage, say what is wrong, and mend it",
    "index": "tell where the index is; make it anew",
    "engines": "tell what can run components here, and what the others lack",
    "init": "set up a project in this directory, with an example",
    "completion": "print a script by which a shell completes commands, modules, parameters, IDs",
    "version": "print the version of machinable",
    "help": "explain a topic, a command or a component",
}


#: The files that have another name than their command.
FILES = {"show": "show_record"}


def load(name: str) -> ModuleType:
    """The module of a command, or another one of `machinable.cli`."""
    return import_module(f"machinable.cli.{FILES.get(name, name)}")
