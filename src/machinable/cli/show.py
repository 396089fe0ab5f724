"""What `machinable TARGET` shows without any method: what would be launched, or what there is."""

from __future__ import annotations

import time

from machinable.cli.output import note, place, say
from machinable.config.dotted import flat
from machinable.execution.tables import pairs_of
from machinable.types import Status
from machinable.wording import age, duration

__all__ = ["launched", "settings", "show_component", "show_interface"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.interface import Interface

HINTS = {
    Status.PENDING: "add --launch to run it",
    Status.FAILED: "add --launch to resume it",
    Status.INTERRUPTED: "add --launch to resume it",
    Status.LOST: "add --launch to resume it",
    Status.BLOCKED: "add --launch to run it, and what it uses, again",
}


def show_component(component: Component) -> None:
    """Shows the configuration, the state and how it is known, and where the results are."""
    say(repr(component))
    status = component.status
    rows = [
        ("module", component.module),
        ("ID", f"{component.id} ({component.nickname})"),
        ("seed", str(component.seed)),
        ("status", f"{status}: {component.status_evidence}"),
    ]
    if status is Status.FINISHED:
        rows.append(("finished", finished(component)))
    rows.append(("directory", place(component.directory) if component.directory else "none yet"))
    rows += [
        (f"uses.{name}", f"{used.module} {used.id}: {used.status}") for name, used in component.uses.items()
    ]
    _say([*rows, *settings("config", component.config.to_dict())])
    if status in HINTS:
        note(HINTS[status])


def show_interface(interface: Interface) -> None:
    """Shows the configuration of what is no component."""
    say(repr(interface))
    _say(settings("config", interface.config.to_dict()))


def launched(component: Component) -> str:
    """One line on a component that was launched: what came of it, and where it is."""
    where = place(component.directory or "")
    if component.reused:
        return f"{component.module} {component.id}: reused, {finished(component)}, in {where}"
    return f"{component.module} {component.id}: finished in {duration(component.duration_seconds or 0.0)} · {where}"


def finished(component: Component) -> str:
    """`finished 2 min ago (took 12 s)`."""
    ago = age(time.time() - (component.finished_at or 0.0))
    return f"finished {ago} ago (took {duration(component.duration_seconds or 0.0)})"


def settings(name: str, values: dict[str, Any]) -> list[tuple[str, str]]:
    """The leaves of a configuration or a scope, under dotted names as they can be typed."""
    return [(f"{name}.{key}", repr(value)) for key, value in flat(values).items()]


def _say(rows: list[tuple[str, str]]) -> None:
    for line in pairs_of(rows):
        say(line)
