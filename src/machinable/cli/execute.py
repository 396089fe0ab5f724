"""`machinable execute`: plans an experiment from the command line, or takes it from a file, and runs it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, redirect_stdout
from math import prod

from machinable import context
from machinable.api import Execution, Interface, get
from machinable.cli.confirm import confirm
from machinable.cli.failures import FAILED, INPUT_ERRORS, again, show_exception
from machinable.cli.fields import inputs, layers
from machinable.cli.flags import Flags, parse_flags
from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.cli.parse import Target, Value, parse
from machinable.cli.plans import plan_of
from machinable.cli.run import CONTEXTS, class_of, enter_contexts, enter_options, tell_of_memory
from machinable.cli.stored import as_json, entry_row
from machinable.cli.sweep import alternatives, swept
from machinable.engines import BUILT_IN, engine_names
from machinable.errors import ConfigurationError, ExecutionFailed, ProjectError
from machinable.executing import execute
from machinable.execution.display import command
from machinable.execution.failures import log_of
from machinable.execution.stored import Entry
from machinable.experiment import LARGE, Experiment
from machinable.identity.seeds import parse_seed
from machinable.modules.importing import has_module
from machinable.wording import nearest

__all__ = ["HELP", "run"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HELP = """\
machinable execute TARGET… [@version]… [key=value]… [option]…
machinable execute FILE [option]…

Runs a plan: every component that is not finished. The six-character ID is printed first; the results lie in
STORAGE/ID. The same command with --seed ID runs only what is new, failed, interrupted or lost. Each target takes the
versions and values that follow it. A FILE is a Python file of the project; its only Experiment counts, or the one
named `plan`.

Options:
  --repeat N        N independent trials of each component
  --split K         each trial in K parts
  --grid            every combination of values such as lr=0.1,0.01 or lr=[0.1,0.01]
  --engine NAME     what runs them, for instance native:4 (four processes)
  --storage URL     where results are kept; ./storage, if nothing else is said
  --seed N|ID       the seed: a number, or the ID of an execution (id:123456 if it has digits alone)
  --max-failures N  start nothing more after N failures
  --detach          return at once, while it goes on without this shell; see: machinable help attach
  --dry             tell what would run, and why; of a scheduler also the scripts; run nothing
  --project DIR     the directory of the project
  --yes             run plans of more than 100,000 components without asking
  --json            print the outcome as JSON, instead of the ID; with --dry, what would run

Examples:
  machinable execute train lr=0.1 --repeat 3 --engine native:2 --seed 42
  machinable execute train lr=0.1,0.01 batch_size=16,32 --grid --dry
  machinable execute data train @small --storage ~/results
  machinable execute plan.py --max-failures 1

See also: machinable help status, machinable help logs, machinable help cancel
"""

_VALUED = {
    "--repeat": "3",
    "--split": "2",
    "--engine": "native:4",
    "--seed": "42",
    "--max-failures": "1",
}
_SWITCHES = ("--grid", "--detach", "--dry", "--yes", "--json")


def run(words: list[str], options: Options) -> int:
    """Plans and executes, and returns 1 if a component failed."""
    flags = parse_flags("execute", words, options, valued=_VALUED, switches=_SWITCHES)
    asked = parse(flags.words)
    if not asked.targets:
        raise ConfigurationError(
            "Nothing to execute is named. Give a module or a file with a plan: machinable execute train --repeat 3"
        )
    numbers = {option: flags.count(option) for option in ("--repeat", "--split", "--max-failures")}
    seed = _seed(flags.get("--seed"))
    with ExitStack() as surroundings:
        enter_options(surroundings, options)
        plans, components, contexts = _sorted(asked.targets)
        entered = enter_contexts(surroundings, contexts)
        tell_of_memory()
        execution = _engine(flags, entered)
        execution.adopt_seed(seed)
        size = _Size(numbers["--repeat"], numbers["--split"])
        try:
            planner = _plan(plans, components, "--grid" in flags)
            total = size.total(planner)
            if total > LARGE:
                question = f"The plan has {total:,} components. Execute them?"
                if not confirm(question, yes="--yes" in flags):
                    return 2
            return _execute(
                size.times(planner.make()), execution, flags, options, numbers["--max-failures"], seed
            )
        except ConfigurationError as error:
            raise _hinting_at_grid(error, components, "--grid" in flags) from error.__cause__


def _sorted(
    targets: list[Target],
) -> tuple[list[Experiment], list[tuple[Target, type[Interface]]], list[tuple[Target, type[Interface]]]]:
    """The plans among the targets, the components, and what surrounds them."""
    root = context.current().root()
    plans: list[Experiment] = []
    components: list[tuple[Target, type[Interface]]] = []
    contexts: list[tuple[Target, type[Interface]]] = []
    for target in targets:
        plan = plan_of(root, target.name)
        if plan is not None:
            given = [*map(str, target.version), *(f"uses.{name}=…" for name in target.uses)]
            if given:
                raise ConfigurationError(
                    f"{target.name} is a plan, which takes no versions and values, but {given[0]} was given. "
                    "Change it in the file, or name a component."
                )
            plans.append(plan)
            continue
        cls = class_of(target)
        (contexts if issubclass(cls, tuple(CONTEXTS)) else components).append((target, cls))
    if not plans and not components:
        raise ConfigurationError(
            f"{targets[0].name} is no component. Name one: machinable execute TARGET {targets[0].name}"
        )
    return plans, components, contexts


class _Size:
    """How often everything is repeated and split."""

    def __init__(self, repeats: int | None, splits: int | None) -> None:
        self.repeats = repeats
        self.splits = splits

    def times(self, plan: Experiment) -> Experiment:
        """The plan with its trials."""
        if len(plan) and self.repeats is not None:
            plan = plan.repeat(self.repeats)
        if len(plan) and self.splits is not None:
            plan = plan.split(self.splits)
        return plan

    def total(self, plan: _Planner) -> int:
        """The number of components in the end."""
        return len(plan) * (self.repeats or 1) * (self.splits or 1)


class _Planner:
    """A plan that is not made yet, since a grid may be larger than memory."""

    def __init__(self) -> None:
        self.plans: list[Experiment] = []
        self.entries: list[tuple[str, list[list[Any]], dict[str, Any] | None]] = []

    def __len__(self) -> int:
        points = (prod(map(len, axes)) for _, axes, _ in self.entries)
        return min(sum(map(len, self.plans)) + sum(points), sys.maxsize)

    def make(self) -> Experiment:
        """The plan itself."""
        plan = Experiment()
        for each in self.plans:
            plan = plan + each
        for name, axes, uses in self.entries:
            plan = plan.component(name, tuple(axis if len(axis) > 1 else axis[0] for axis in axes), uses=uses)
        return plan


def _plan(plans: list[Experiment], components: list[tuple[Target, type[Interface]]], grid: bool) -> _Planner:
    planner = _Planner()
    planner.plans = plans
    values = [entry for target, _ in components for entry in target.version if isinstance(entry, Value)]
    if grid and not values:
        raise ConfigurationError("--grid has nothing to sweep over. Give values, such as lr=0.1,0.01.")
    for target, cls in components:
        if grid:
            axes = swept(target, cls)
        else:
            axes = [[layer] for layer in layers(target.name, cls, target.version)]
        planner.entries.append((target.name, axes, inputs(target.name, target.uses)))
    return planner


def _seed(text: str | None) -> int | None:
    """The seed as typed: digits alone are a number, unless `id:` stands before them."""
    if text is None:
        return None
    number = text.lstrip("+-")
    typed: int | str = text
    if number.isascii() and number.isdecimal():
        if len(number) > 30:
            raise ConfigurationError(f"--seed has {len(number)} digits. {_SEEDS}")
        typed = int(text) if text.count("-") + text.count("+") < 2 else text
    try:
        return parse_seed(typed)
    except ConfigurationError:
        raise ConfigurationError(f"--seed is {text!r}, which is no seed. {_SEEDS}") from None


_SEEDS = (
    f"Use an integer from 0 to {62**6 - 1}, or the ID of an execution: 6 characters of 0-9A-Za-z, such as 00000g "
    "(id:123456 if it has digits alone)."
)


def _engine(flags: Flags, entered: Execution | None) -> Execution:
    name = flags.get("--engine")
    if name is not None and entered is not None:
        raise ConfigurationError(
            f"Both --engine {name} and {entered.name_engine()} say what runs the components. Leave one of them out."
        )
    execution = entered if name is None else _named_engine(name)
    if "--dry" in flags:
        engine, execution = execution, get("dry")
        execution.engine = engine
    return execution if execution is not None else _named_engine("native")


def _named_engine(name: str) -> Execution:
    short, colon, argument = name.partition(":")
    root = context.current().root()
    if (
        short not in BUILT_IN
        and "." not in short
        and not has_module(root, short)
        and short not in engine_names()
    ):
        near = nearest(short, engine_names())
        hint = (
            f"Did you mean {near + colon + argument!r}?"
            if near
            else f"There are {', '.join(engine_names())}."
        )
        raise ConfigurationError(f"There is no engine {name!r}. {hint}")
    try:
        execution = get(name)
    except ProjectError as error:
        raise ProjectError(f"--engine {name}: {error}") from error.__cause__
    if not isinstance(execution, Execution):
        raise ConfigurationError(
            f"--engine {name}: that is no engine. Give for instance --engine native:4, or an execution of the project."
        )
    return execution


def _execute(
    plan: Experiment,
    execution: Execution,
    flags: Flags,
    options: Options,
    max_failures: int | None,
    seed: int | None,
) -> int:
    dry, json = "--dry" in flags, "--json" in flags
    if seed is None and not dry:
        id_ = str(execution.id)
        # What is said to be pasted must go on with this execution, and not begin another.
        options.words = [*options.words, "--seed", f"id:{id_}" if id_.isdecimal() else id_]
    code = 0
    before = command.set(again(options))
    with _aside(silent=dry) if json else ExitStack():
        try:
            execute(
                plan,
                storage=context.current().directory(),
                engine=execution,
                max_failures=max_failures,
                allow_large=True,
                wait="--detach" not in flags or dry,
            )
        except ExecutionFailed as error:
            code = _tell(error, options)
        except (Exception, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # ends the run, whatever else is planned
            show_exception(error, options)
            raised = [each for each in execution.components if each._core.exception is error]
            log = log_of(raised[0]) if raised else None
            told = f" · log: {place(log)}" if log else ""
            note(f"machinable: the run ended at a {type(error).__name__}{told} · retry: {again(options)}")
            code = FAILED
        finally:
            command.reset(before)
    if "--detach" in flags and not dry:
        id_ = str(execution.id)
        note(f"machinable: it goes on without this shell · machinable attach {id_} · machinable cancel {id_}")
    if json:
        say(as_json(execution.rows() if hasattr(execution, "rows") and dry else _outcome(execution)))
    return code


def _tell(error: ExecutionFailed, options: Options) -> int:
    """Says how to go on; what failed, and where the logs are, was shown when the run ended."""
    cause = error.__cause__
    refused = error.failures and all(reason.startswith("not dispatched") for _, _, reason in error.failures)
    if isinstance(cause, INPUT_ERRORS) and refused:
        raise cause  # nothing ran: the storage, say, can not be written
    if options.traceback and cause is not None:
        show_exception(cause, options)
    count = len(error.failures)
    what = "1 component" if count == 1 else f"{count or 'some'} components"
    note(f"machinable: {what} did not finish · retry: {again(options)}")
    return FAILED


def _outcome(execution: Execution) -> dict[str, Any]:
    entries = (Entry(each.module, each.id, each._record) for each in execution.components)
    return {
        "id": execution.id,
        "seed": execution.seed,
        "nickname": execution.nickname,
        "directory": execution.directory,
        "components": [entry_row(entry) for entry in entries],
    }


@contextmanager
def _aside(*, silent: bool) -> Iterator[None]:
    """Whatever anybody prints to standard output goes to standard error, children's output too, or nowhere."""
    if silent:
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
    finally:
        os.close(kept)


def _hinting_at_grid(
    error: ConfigurationError, components: list[tuple[Target, type[Interface]]], grid: bool
) -> ConfigurationError:
    """The error with a hint, if a value was refused that may be meant as several."""
    if not grid:
        for target, _ in components:
            for entry in target.version:
                if isinstance(entry, Value) and f"command line: {entry}," in str(error):
                    if len(alternatives(entry.text)) > 1:
                        return ConfigurationError(
                            f"{error} To sweep over {len(alternatives(entry.text))} values, add --grid."
                        )
    return error
