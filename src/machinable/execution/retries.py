"""Whether a component is started again after its process or job ended badly, and with which resources."""

from __future__ import annotations

from machinable.errors import ConfigurationError

__all__ = ["KINDS", "Reason", "decide"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.execution.execution import Execution

#: How a process or job may end, other than well.
KINDS = ("out_of_memory", "time_limit", "node_failure", "preempted", "crash", "exception")


class Reason(str):
    """Why a component did not finish: one of `KINDS`, to be compared with, and what is known besides.

    Attributes:
        component: The component.
        text: The reason in words.
        resources: What it was given, as `Execution.resources_for` says.
    """

    component: Component
    text: str
    resources: dict[str, Any]


def decide(
    execution: Execution, component: Component, attempt: int, kind: str, text: str, *, default: bool
) -> bool:
    """Whether a component is to be started again: as the execution's `on_retry` says, else `default`.

    Resources that `on_retry` returns are in force from then on.

    Args:
        attempt: How often it was started by this run.
        kind: One of `KINDS`.
        text: The reason in words.
    Raises:
        ConfigurationError: If `on_retry` returns anything but a dict, True, False or None.
    """
    reason = Reason(kind)
    reason.component, reason.text, reason.resources = component, text, execution.resources_for(component)
    answer = execution.on_retry(attempt, reason)
    if answer is None or isinstance(answer, bool):
        return default if answer is None else answer
    if not isinstance(answer, dict):
        raise ConfigurationError(
            f"on_retry returned {answer!r}; give changed resources, such as {{'memory_gib': 8}}, True, False or None."
        )
    execution.plan_resources(component, {**execution.planned_resources(component), **answer})
    return True
