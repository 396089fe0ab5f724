"""The life cycle on the ranks that have no claim: the same hooks, while the record is left to rank 0."""

from __future__ import annotations

from machinable import context
from machinable.component.capture import capture
from machinable.component.launching import running
from machinable.component.lifecycle import live
from machinable.component.signals import interruptible
from machinable.modules.residence import activated
from machinable.records.claim import rank_log_name
from machinable.store.files import open_appending, remove_file

__all__ = ["follow"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.component.component import Component
    from machinable.component.ranks import Group


def follow(component: Component, group: Group) -> None:
    """Runs the component together with rank 0, if that claims it. What is printed goes to a log of this rank.

    Raises:
        Exception: What the component raised here.
    """
    core = component._core
    core.group = group
    following = group.follow(core)
    if following is None:
        return
    stand_in: Any = following
    core.claim, core.table, core.rng, core.observed = stand_in, None, None, {}
    path = component.local_directory(rank_log_name(following.number, group.ranks.rank))
    before = context.replace(core.context())
    token = running.set((component,))
    try:
        with activated(core.project), interruptible(lambda: None):
            log = capture(
                lambda: open_appending(str(path)),
                process_owned=True,
                discard_log=lambda: remove_file(str(path)),
            )
            with log:
                live(component, stand_in, restore=False)
    finally:
        core.claim = None
        running.reset(token)
        context.replace(before)
