"""From a plan to the components that it describes, validated as a whole before any of them runs."""

from __future__ import annotations

import gc

from machinable import context
from machinable.component.component import Component
from machinable.component.core import Core
from machinable.config.resolve import resolve
from machinable.config.schema import schema_of
from machinable.config.versions import Sourced
from machinable.errors import ConfigurationError, ProjectError
from machinable.experiment.inputs import connect, key_of, wanted_inputs
from machinable.experiment.plan import version_text
from machinable.experiment.planned import Planned, Spec
from machinable.identity.canonical import encode_text
from machinable.identity.seeds import parse_seed
from machinable.modules.importing import find_class, name_of
from machinable.notices import notice

__all__ = ["LARGE", "expand"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from machinable.config.resolve import Resolution
    from machinable.experiment.plan import Entry, Experiment

LARGE = 100_000
"""Plans of more components than this are expanded only after the user was asked."""


def expand(plan: Experiment, global_seed: int | str, *, allow_large: bool = False) -> list[Planned]:
    """The components of a plan, in its order, in the present project, scope and storage. Writes nothing.

    Equal entries are one component. The seed of each depends on the global seed, its module, class, configuration and
    trial alone, so that editing a plan leaves the others as they were.

    Args:
        global_seed: Seed of the execution: an integer in [0, 62**6) or an ID.
        allow_large: Whether plans of more than `LARGE` components are expanded.
    Raises:
        ConfigurationError: If the plan is empty or too large, a version does not fit, or an input can not be had.
        ProjectError: If a module can not be found or imported, or holds no component.
    """
    seed = parse_seed(global_seed)
    size = len(plan)
    if not size:
        raise ConfigurationError("The plan is empty. Add components, as in Experiment().component('train').")
    if size > LARGE and not allow_large:
        raise ConfigurationError(
            f"The plan has {size:,} components, more than {LARGE:,}. Confirm that this is meant, or plan fewer."
        )
    collects = gc.isenabled()
    gc.disable()  # all that is made here stays: looking through it again and again would take a third of the time
    try:
        return _expanded(plan, seed)
    finally:
        if collects:
            gc.enable()


def _expanded(plan: Experiment, seed: int) -> list[Planned]:
    specs = _Specs(seed)
    for entry in plan.entries:
        specs.include(entry)
    specs.tell_equal()
    expanded: list[Planned] = []
    for spec in specs.all:
        spec.trials = tuple([Planned(spec, number) for number in range(spec.total)])
        expanded += spec.trials
    connect(specs.all, specs.called, specs.core)
    return expanded


class _Specs:
    """The components of a plan while it is expanded, each once."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.core = Core(context.current(), None)
        self.all: list[Spec] = []
        self.called: dict[str, dict[Spec, None]] = {}  # by what the plan calls them
        self.equal: list[Spec] = []  # planned more than once
        self._kinds: dict[str | type, _Kind] = {}
        self._known: dict[Hashable, dict[Hashable, Spec]] = {}

    def include(self, entry: Entry) -> None:
        kind = self._kinds.get(entry.target)
        if kind is None:
            kind = self._kinds[entry.target] = _Kind(self.core.project, entry.target)
        cls, core, flat = kind.cls, kind.core, kind.flat
        wanted, asked = kind.declared, kind.asked
        if entry.uses is not None:
            wanted = wanted_inputs(core.name, cls, entry.uses)
            asked = key_of(wanted)
        label = entry.name or core.name
        calls = [self.called.setdefault(call, {}) for call in ((entry.name,) if entry.name else kind.calls)]
        known = self._known.setdefault((cls, entry.splits, asked), {})
        for position, layers in enumerate(entry.versions):
            resolution = _resolve(cls, core, layers, entry, position)
            config = resolution.identifying
            # Fields that hold scalars of one type each are equal where their text is, which costs more.
            key = tuple(config.values()) if flat else encode_text(config)
            spec = known.get(key)
            if spec is None:
                spec = known[key] = Spec(
                    cls,
                    core.name,
                    label,
                    layers,
                    resolution,
                    wanted,
                    entry.resources,
                    entry.repeats,
                    entry.splits,
                    self.seed,
                )
                self.all.append(spec)
            else:
                spec.repeats = max(spec.repeats, entry.repeats)
                self.equal.append(spec)
            for called in calls:
                called[spec] = None

    def tell_equal(self) -> None:
        """Says which entries were taken for one."""
        if self.equal:
            number, first = len(self.equal), self.equal[0]
            entries = "1 entry of the plan is" if number == 1 else f"{number:,} entries of the plan are"
            text = (
                f"{entries} equal to an earlier one ({first}), and equal entries are one component. "
                "Use .repeat(n) for independent trials."
            )
            notice(text, once=text)


class _Kind:
    """What entries of the same target share."""

    __slots__ = ("asked", "calls", "cls", "core", "declared", "flat")

    def __init__(self, root: str, target: str | type) -> None:
        cls = self.cls = _class(root, target)
        self.core = Core(context.current(), None)
        name = self.core.name = name_of(root, cls)
        # What a component without a name of its own may be called.
        calls = [name, f"{name}:{cls.__qualname__}", *([target] if isinstance(target, str) else [])]
        self.calls = tuple(dict.fromkeys(calls))
        self.declared = wanted_inputs(name, cls, None)
        self.asked = key_of(self.declared)
        self.flat = schema_of(cls).flat


def _class(root: str, target: str | type) -> type[Component]:
    if isinstance(target, str):
        return find_class(root, target, Component)
    if not issubclass(target, Component):
        raise ProjectError(f"{target.__name__} is not a component; derive it from machinable.Component.")
    return target


def _resolve(cls: type[Component], core: Core, layers: list[Any], entry: Entry, position: int) -> Resolution:
    # Its `version_*` and `config_*` methods need an object that knows its configuration so far, and no more.
    owner = cls.__new__(cls)
    owner._core = core
    owner._layers = layers
    try:
        return resolve(owner, layers, owner._assign)
    except ConfigurationError as error:
        raise _explained(error, owner, layers, entry, position) from error.__cause__


def _explained(
    error: ConfigurationError, owner: Component, layers: list[Any], entry: Entry, position: int
) -> ConfigurationError:
    """The error in terms of the plan: whose version it was, and which."""
    try:
        resolve(
            owner,
            [Sourced(layer, "the plan") if type(layer) is dict else layer for layer in layers],
            owner._assign,
        )
    except ConfigurationError as better:
        error = better
    which = f"version {position + 1} of {len(entry.versions)}" if len(entry.versions) > 1 else "version"
    version = version_text(layers)
    title = entry.title
    return ConfigurationError(f"{error} (In the plan: {title}{f', {which}: {version}' if version else ''}.)")
