"""Plans in files: `machinable execute plan.py` runs the Experiment that the file defines."""

from __future__ import annotations

from machinable.api import Interface
from machinable.errors import ProjectError
from machinable.experiment import Experiment
from machinable.modules.importing import has_module, load_module
from machinable.modules.names import split_target

__all__ = ["plan_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_NAME = "plan"


def plan_of(root: str, target: str) -> Experiment | None:
    """The plan that a target means: `plan.py`, `plan.py:NAME`; `None` if it means a component or a context.

    The module's only Experiment counts, or the one named `plan`. A module that holds a component as well is a plan
    where it is named as a file.

    Raises:
        ProjectError: If the file can not be imported, holds several, or neither a plan nor a component.
    """
    if not has_module(root, target):
        return None
    module_name, attribute = split_target(target)
    module = load_module(root, module_name)
    if attribute is not None:
        named = getattr(module, attribute, None)
        return named if isinstance(named, Experiment) else None
    is_file = module_name.endswith(".py") or "/" in module_name
    if not is_file and _holds_interface(module):
        return None
    plans = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Experiment) and not name.startswith("_")
    }
    if _NAME in plans:
        return plans[_NAME]
    if len({id(plan) for plan in plans.values()}) > 1:
        raise ProjectError(
            f"{target} defines {len(plans)} experiments: {', '.join(plans)}. Call one of them `{_NAME}`, or ask for "
            f"{module_name}:{next(iter(plans))}."
        )
    if not plans and is_file and not _holds_interface(module):
        raise ProjectError(
            f"{target} defines neither an Experiment nor a component. Write for instance "
            f"`{_NAME} = Experiment().component('train')` in it."
        )
    return next(iter(plans.values()), None)


def _holds_interface(module: ModuleType) -> bool:
    return any(
        isinstance(value, type) and issubclass(value, Interface) and value.__module__ == module.__name__
        for value in vars(module).values()
    )
