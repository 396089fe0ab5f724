"""Components of a plan: their seed and trial are given, and their records lie in the execution's directory."""

from __future__ import annotations

import time

from machinable import context
from machinable.component.core import Core
from machinable.modules.importing import name_of

__all__ = ["plan_component"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.component.trial import Trial
    from machinable.config.resolve import Resolution


def plan_component(
    cls: type[Component],
    resolution: Resolution,
    layers: list[Any],
    uses: dict[str, Component],
    seed: int,
    trial: Trial,
    home: str,
    global_seed: int,
) -> Component:
    """A component of a plan, in the present context, without looking for its record.

    Args:
        resolution: The resolved configuration; trials of one entry share it.
        seed: In [0, 2**32); part of the identity, like the trial's number.
        home: The execution's directory.
        global_seed: The execution's seed, from which `seed` derives.
    """
    component = cls.__new__(cls)
    core = component._core = Core(context.current(), seed)
    core.name, core.trial, core.home = name_of(core.project, cls), trial, home
    core.global_seed = global_seed
    core.asked_at = time.time()
    component._layers, component._resolution, component._view = layers, resolution, resolution.view
    component.uses = uses
    return component
