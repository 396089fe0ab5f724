"""Runs components: `machinable TARGET… [@version] [key=value]… [--method]…`."""

from __future__ import annotations

import shlex
from contextlib import ExitStack

from machinable import context
from machinable.api import Component, Execution, Interface, Project, Scope, Storage, get
from machinable.cli.calls import Calls
from machinable.cli.commands import COMMANDS
from machinable.cli.describe import describe_class
from machinable.cli.failures import commands, program
from machinable.cli.fields import inputs, layers
from machinable.cli.methods import method_of
from machinable.cli.options import VALUED, Options
from machinable.cli.output import note, say
from machinable.cli.parse import Target, parse
from machinable.cli.show import show_component, show_interface
from machinable.errors import ConfigurationError, ProjectError
from machinable.store.memory import is_memory
from machinable.wording import nearest

__all__ = [
    "CONTEXTS",
    "class_of",
    "configured",
    "describe",
    "enter_contexts",
    "enter_options",
    "run",
    "tell_of_memory",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# What surrounds components, in the order in which it is entered: a project and a storage decide what is found.
CONTEXTS = {Project: "the project", Storage: "the storage", Scope: "", Execution: "what runs the components"}


def run(words: Sequence[str], options: Options) -> int:
    """Configures the targets, calls the methods on each component in turn, and shows what they return.

    Raises:
        MachinableError: For bad input, before anything is launched.
    """
    asked = parse(words)
    if not asked.targets:
        example = shlex.join(["machinable", "TARGET", *words]) if words else "machinable TARGET --launch"
        raise ConfigurationError(f"No target is given. Name the module to run: {example}")
    with ExitStack() as surroundings:
        enter_options(surroundings, options)
        classes = [class_of(target, is_first=not number) for number, target in enumerate(asked.targets)]
        if asked.help:
            say(
                "\n\n".join(
                    describe_class(target.name, cls)
                    for target, cls in zip(asked.targets, classes, strict=True)
                )
            )
            return 0
        found = list(zip(asked.targets, classes, strict=True))
        contexts = [(target, cls) for target, cls in found if issubclass(cls, tuple(CONTEXTS))]
        execution = enter_contexts(surroundings, contexts)
        tell_of_memory()
        components = [(target, cls) for target, cls in found if not issubclass(cls, tuple(CONTEXTS))]
        interfaces = [configured(target, cls) for target, cls in components]
        for (target, _), interface in zip(components, interfaces, strict=True):
            if isinstance(interface, Component):
                commands[interface._request.identity] = _rerun(options, target, contexts)
        if not interfaces and asked.calls:
            raise ConfigurationError(
                f"{asked.calls[0].token} needs a component to be called on, and {asked.targets[0].name} is none. "
                f"Name one: {shlex.join(['machinable', 'TARGET', *words])}"
            )
        # All of them are looked up before the first is called: a typo must not show after an hour of training.
        calls = [(call, [method_of(interface, call) for interface in interfaces]) for call in asked.calls]
        if not calls:
            _show(interfaces or [configured(target, cls) for target, cls in contexts])
        made = Calls(interfaces, execution, options)
        for call, methods in calls:
            made.make(call, methods)
        return made.code


def describe(name: str, options: Options) -> str:
    """The help on one target."""
    with ExitStack() as surroundings:
        enter_options(surroundings, options)
        return describe_class(name, class_of(Target(name), is_first=True))


def enter_options(surroundings: ExitStack, options: Options) -> None:
    """Puts `--project` and `--storage` in force."""
    if options.project is not None:
        surroundings.enter_context(Project(options.project))
    if options.storage is not None:
        surroundings.enter_context(Storage(options.storage))


def class_of(target: Target, *, is_first: bool = False) -> type[Interface]:
    """The class that a target means.

    Args:
        is_first: Whether it stands where a command could.

    Raises:
        ProjectError: If there is none, or it can not be imported.
    """
    try:
        return get.class_of(target.name)
    except ProjectError as error:
        if not str(error).startswith("There is no module"):
            raise
        if target.after is None:
            near = nearest(target.name, [*COMMANDS, "get"])
            if near is None or not is_first:
                raise
            raise ProjectError(f"{error} If a command is meant: did you mean 'machinable {near}'?") from error
        joined = shlex.quote(f"{target.after} {target.name}")
        raise ProjectError(
            f"{error} If {target.name!r} belongs to the value before it, quote both: {joined}"
        ) from error


def configured(target: Target, cls: type[Interface]) -> Any:
    """What the target and its version ask for, in the present context."""
    return get(target.name, layers(target.name, cls, target.version), uses=inputs(target.name, target.uses))


def enter_contexts(
    surroundings: ExitStack, contexts: Sequence[tuple[Target, type[Interface]]]
) -> Execution | None:
    """Enters projects, storages and scopes; returns the execution, which is entered around launches only."""
    execution: Execution | None = None
    for kind, role in CONTEXTS.items():
        given = [(target, cls) for target, cls in contexts if issubclass(cls, kind)]
        if len(given) > 1 and role:
            names = " and ".join(target.name for target, _ in given)
            raise ConfigurationError(f"Each of {names} says {role}. Leave all but one of them out.")
        for target, cls in given:
            context = configured(target, cls)
            if isinstance(context, Execution):
                execution = context
            else:
                surroundings.enter_context(context)
    return execution


def tell_of_memory() -> None:
    """Says that nothing of what is saved outlives the command, where that is so."""
    if is_memory(context.current().directory()):
        note(
            "machinable: the storage mem:// is in memory: what is saved there is gone when this command ends"
        )


def _rerun(options: Options, target: Target, contexts: Sequence[tuple[Target, type[Interface]]]) -> str:
    """The command that runs a component of several again."""
    words = program()
    for option in VALUED:
        value = getattr(options, option[2:])
        words += [option, value] if value is not None else []
    words += target.words()
    for context_, cls in contexts:
        words += context_.words() if not issubclass(cls, Execution) else []
    return shlex.join([*words, "--invalidate", "--launch"])


def _show(interfaces: Sequence[Any]) -> None:
    for number, interface in enumerate(interfaces):
        if number:
            say("")
        if isinstance(interface, Component):
            show_component(interface)
        else:
            show_interface(interface)
