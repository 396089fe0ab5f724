"""machinable: run an experiment once, keep what it produced, and get it back whenever you ask again."""

from __future__ import annotations

from importlib import import_module

from machinable.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable import engines, errors
    from machinable.api import Component, Execution, Index, Interface, Project, Scope, Storage, get
    from machinable.collection import Collection
    from machinable.config.field import Field
    from machinable.executing import execute
    from machinable.experiment.grid import grid
    from machinable.experiment.plan import Experiment
    from machinable.types import Status

__all__ = [
    "Collection",
    "Component",
    "Execution",
    "Experiment",
    "Field",
    "Index",
    "Interface",
    "Project",
    "Scope",
    "Status",
    "Storage",
    "__version__",
    "engines",
    "errors",
    "execute",
    "get",
    "grid",
]

# Everything is loaded when it is asked for: `machinable version` and tab completion stay instant.
_HOMES = {
    "Collection": "machinable.collection",
    "Experiment": "machinable.experiment",
    "Field": "machinable.config.field",
    "Status": "machinable.types",
    "execute": "machinable.executing",
    "grid": "machinable.experiment",
}


def __getattr__(name: str) -> object:
    if name in ("engines", "errors"):
        return import_module(f"machinable.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'machinable' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "machinable.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
