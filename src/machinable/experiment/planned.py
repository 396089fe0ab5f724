"""What a plan expands into: light descriptions of the components, which are made when they are needed."""

from __future__ import annotations

from machinable.component.planned import plan_component
from machinable.component.trial import Split, Trial
from machinable.experiment.plan import version_text
from machinable.identity.seeds import plan_identity, split_identity, trial_seed

__all__ = ["Planned", "Spec"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.config.resolve import Resolution


class Spec:
    """What the trials of one planned component have in common."""

    __slots__ = (
        "_identity",
        "cls",
        "global_seed",
        "inputs",
        "label",
        "layers",
        "name",
        "repeats",
        "resolution",
        "resources",
        "splits",
        "trials",
        "wanted",
    )

    def __init__(
        self,
        cls: type[Component],
        name: str,
        label: str,
        layers: list[Any],
        resolution: Resolution,
        wanted: dict[str, Any],
        resources: dict[str, Any] | None,
        repeats: int,
        splits: int,
        global_seed: int,
    ) -> None:
        self.cls = cls
        self.name = name  # of the module
        self.label = label  # what the plan calls it
        self.layers = layers
        self.resolution = resolution
        self.wanted = wanted  # the inputs by name, as they were asked for
        self.inputs: dict[str, Spec | Component] = {}  # as they were found
        self.resources = resources
        self.repeats = repeats
        self.splits = splits
        self.global_seed = global_seed
        self.trials: tuple[Planned, ...] = ()
        self._identity: str | None = None

    @property
    def total(self) -> int:
        """The number of trials, parts of splits included."""
        return self.repeats * self.splits

    @property
    def identity(self) -> str:
        """What the seeds derive from besides the global seed: never the position in the plan."""
        if self._identity is None:
            self._identity = plan_identity(self.name, self.cls.__qualname__, self.resolution.identifying)
        return self._identity

    def seed(self, number: int) -> int:
        """The seed of a trial, in [0, 2**32)."""
        return trial_seed(self.global_seed, split_identity(self.identity, self.splits), number)

    def trial(self, number: int) -> Trial:
        """The trial of this number: parts of one split follow each other."""
        repeat, part = divmod(number, self.splits)
        seed = trial_seed(self.global_seed, f"{self.identity}:split", repeat)
        return Trial(number, self.total, Split(part, self.splits, seed))

    def input(self, name: str, number: int) -> Planned | Component:
        """What a trial uses under a name: trial k trial k of it, or the only one."""
        found = self.inputs[name]
        if not isinstance(found, Spec):
            return found
        return found.trials[number if found.total > 1 else 0]

    def __str__(self) -> str:
        version = version_text(self.layers)
        return f"{self.label}({version})" if version else self.label


class Planned:
    """One component of a plan that was expanded. It costs little; `make` gives the component itself."""

    __slots__ = ("_component", "_spec", "number")

    def __init__(self, spec: Spec, number: int) -> None:
        self._spec = spec
        self._component: Component | None = None
        self.number = number  # of the trial, counted from 0

    @property
    def cls(self) -> type[Component]:
        """The class."""
        return self._spec.cls

    @property
    def name(self) -> str:
        """The name of its module, as `get` finds it."""
        return self._spec.name

    @property
    def label(self) -> str:
        """What the plan calls it."""
        return self._spec.label

    @property
    def layers(self) -> list[Any]:
        """The version, as a list of layers."""
        return self._spec.layers

    @property
    def resolution(self) -> Resolution:
        """The resolved configuration, which all its trials share."""
        return self._spec.resolution

    @property
    def resources(self) -> dict[str, Any] | None:
        """What it needs, in the engine's terms, if the plan says so."""
        return self._spec.resources

    @property
    def uses(self) -> dict[str, Planned | Component]:
        """Its inputs by name: of the plan, or asked for as by `get`."""
        return {name: self._spec.input(name, self.number) for name in self._spec.inputs}

    @property
    def trial(self) -> Trial:
        """Which of the repetitions, and which part of a split, this is."""
        return self._spec.trial(self.number)

    @property
    def seed(self) -> int:
        """Its random seed, in [0, 2**32)."""
        return self._spec.seed(self.number)

    def make(self, home: str) -> Component:
        """The component itself, always the same object. `home`: the directory of the execution."""
        if self._component is None:
            uses = {
                name: used.make(home) if isinstance(used, Planned) else used
                for name, used in self.uses.items()
            }
            self._component = plan_component(
                self.cls,
                self.resolution,
                self.layers,
                uses,
                self.seed,
                self.trial,
                home,
                self._spec.global_seed,
            )
        return self._component

    def __repr__(self) -> str:
        return f"<Planned {self._spec}, trial {self.number} of {self._spec.total}>"
