"""What an execution says of the needs of its components, and what it makes of those that were not met."""

from __future__ import annotations

from machinable.execution.resources import merged

__all__ = ["Needs"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from machinable.component.component import Component
    from machinable.execution.retries import Reason


class Needs:
    """The part of an execution that is about resources: what is said of them, checked, and asked for again."""

    _resources: dict[str, Any]  # what the execution was given
    _planned_resources: dict[str, dict[str, Any]]  # what the plan says, by identity

    def plan_resources(self, component: Component, resources: dict[str, Any]) -> None:
        """Says what one component needs; see `resources_for`."""
        self._planned_resources[component._request.identity] = resources

    def on_compute_default_resources(self, component: Component) -> dict[str, Any]:
        """What a component needs if nothing else is said. Override it to compute this from its configuration."""
        return {}

    def resources_for(self, component: Component) -> dict[str, Any]:
        """What a component needs: the defaults, over them what the execution was given, over that the plan's."""
        return merged(
            self.on_compute_default_resources(component), self._resources, self.planned_resources(component)
        )

    def planned_resources(self, component: Component) -> dict[str, Any]:
        """What the plan says that one component needs, and `on_retry` said since."""
        return self._planned_resources.get(component._request.identity, {})

    def has_resources(self) -> bool:
        """Whether anything is said of what components need."""
        computes = type(self).on_compute_default_resources is not Needs.on_compute_default_resources
        return computes or bool(self._resources or self._planned_resources)

    def check(self, components: Sequence[Component]) -> None:
        """Called with the components of a run before anything is written. Override it to refuse what can not run.

        Raises:
            ConfigurationError: If it can not, such as for want of resources.
        """

    def on_retry(self, attempt: int, reason: Reason) -> dict[str, Any] | bool | None:
        """Whether a component is started again that did not finish, on engines with `retries`. Override it.

            def on_retry(self, attempt, reason):
                if reason == "out_of_memory":
                    return {"memory_gib": 2 * reason.resources["memory_gib"]}

        Args:
            attempt: How often the component was started by this run.
            reason: `out_of_memory`, `time_limit`, `node_failure`, `preempted`, `crash` or `exception`, as a string
                with `component`, `text` and `resources`.
        Returns:
            Changed resources to start it again with; True: again with the same; False: not again. By default `None`: as
            the engine does otherwise, which is again, but not after an exception.
        """
        return None
