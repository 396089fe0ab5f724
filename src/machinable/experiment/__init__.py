"""The plan of an experiment, and its expansion into the components that it describes."""

from __future__ import annotations

from machinable.experiment.expand import LARGE, expand
from machinable.experiment.grid import grid
from machinable.experiment.plan import Entry, Experiment
from machinable.experiment.planned import Planned

__all__ = ["LARGE", "Entry", "Experiment", "Planned", "expand", "grid"]
