"""What a component object knows of itself besides its configuration, in one place, away from users' attributes."""

from __future__ import annotations

import os

from machinable import context
from machinable.records.record import Record

__all__ = ["Core"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any

    from machinable.component.component import Component
    from machinable.component.launching import Ticket
    from machinable.component.ranks import Group
    from machinable.component.table import Table
    from machinable.component.trial import Trial
    from machinable.identity.request import Request
    from machinable.records.claim import Claim
    from machinable.types import Status


class Core:
    """The surroundings a component was asked for in, its identity, its record, and its run where there is one."""

    __slots__ = (
        "asked_at",
        "claim",
        "derived_from",
        "exception",
        "execution",
        "fresh",
        "global_seed",
        "group",
        "home",
        "logger",
        "looked",
        "name",
        "observed",
        "outcome",
        "pinned",
        "project",
        "record",
        "request",
        "resumed_from",
        "reused",
        "rng",
        "scope",
        "seed",
        "seed_in_force",
        "settings",
        "storage",
        "table",
        "ticket",
        "trial",
    )

    def __init__(self, surroundings: context.Context, seed: int | None) -> None:
        self.project, self.storage, self.settings = surroundings.resolved()
        self.home = self.storage  # the directory that its record lies in: the storage's, or an execution's
        self.scope: dict[str, Any] = surroundings.scope
        self.name: str = ""  # of the module, as `get` finds it
        self.seed = seed  # as asked for; None: derived from the identity
        self.seed_in_force: int | None = None  # once it is known
        self.trial: Trial | None = None  # of a planned component
        self.global_seed: int | None = None  # of the execution that it is planned in
        self.request: Request | None = None
        self.pinned = False  # whether the request's counter is meant as it stands, and not the newest
        self.fresh = False  # whether a record that appears under its name meanwhile is not meant
        self.record: Record | None = None
        self.looked = False  # whether a record was looked for, and none found
        self.asked_at: float = 0.0
        self.derived_from: str | None = None  # the ID of the component that it was derived from
        self.reused: bool | None = None
        # while it runs, or after it ran, in this process
        self.claim: Claim | None = None
        self.resumed_from: int | None = None
        self.exception: BaseException | None = None
        self.outcome: Status | None = None  # of the run in this process; until the next
        self.execution: Any = None
        self.ticket: Ticket | None = None
        self.observed: dict[str, None] = {}  # IDs, in order
        self.table: Table | None = None
        self.logger: logging.Logger | None = None
        self.rng: Any = None
        self.group: Group | None = None  # where several processes run it together

    def context(self) -> context.Context:
        """The surroundings to put in force while the component runs: these and nothing else."""
        return context.Context(self.project, self.storage, self.scope)

    def path_of(self, component_id: str) -> str:
        """Where the record of this ID lies, or would lie."""
        return self.home + os.sep + component_id

    def hand_over(self, ticket: Ticket) -> None:
        """Puts the component in the hands of an execution. What an earlier run in this process left is forgotten."""
        self.ticket, self.outcome, self.exception, self.reused = ticket, None, None, None

    def note_use_by(self, runner: Component) -> None:
        """Records that `runner`, which runs now, loaded or launched this component."""
        if self.record is not None and runner._core is not self:
            runner._core.observed[self.record.id] = None
