"""Which components may start: each as soon as its inputs are finished, whatever else still runs."""

from __future__ import annotations

import time
from collections import deque

from machinable.component.launching import running
from machinable.notices import notice

__all__ = ["ONCE_MORE", "Schedule", "Wave"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component
    from machinable.execution.run import Run

#: The reason of `Run.settle` for a component that is to be dispatched once more.
ONCE_MORE = ""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 1.0
_SAY_AFTER_SECONDS = 3.0


class Schedule:
    """The components of a run in the order of their inputs, for an engine that conducts the whole run in one call.

    The engine asks `take` for what may start now, starts it, and says by `settle` that a process or job has ended;
    then users of it may be there to take. It goes on until `is_done`:

        while not schedule.is_done:
            start(schedule.take())
            for component in ended(within=schedule.wait_seconds):
                schedule.settle(component)

    Nothing is given out any more once the run stops. All methods are for one thread, the coordinator's.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._missing: dict[str, int] = {}  # how many inputs are not finished, by identity
        self._users: dict[
            str, list[tuple[str, str]]
        ] = {}  # (identity, name of the input) by the input's identity
        self._ready: deque[Component] = deque()
        self._taken: dict[str, Component] = {}
        self._elsewhere: dict[str, _Awaited] = {}  # taken, and found running under another launcher
        self._tried: set[str] = set()
        for identity, component in run.components.items():
            missing = 0
            for name, used in component.uses.items() if component.uses else ():
                needed = used._request.identity
                if needed in run.components:
                    self._users.setdefault(needed, []).append((identity, name))
                    missing += 1
            self._missing[identity] = missing
            if not missing:
                self._ready.append(component)

    def take(self) -> list[Component]:
        """The components whose inputs are finished and that were not taken yet; none as soon as the run stops."""
        self._look_elsewhere()
        if self._run.stopping:
            return []
        taken = list(self._ready)
        self._ready.clear()
        for component in taken:
            component._core.hand_over(self._run.ticket)
            self._taken[component._request.identity] = component
        return taken

    def take_all(self) -> list[Component]:
        """All components, inputs before their users: for an engine that sees to that order itself."""
        self._ready.clear()
        for identity, component in self._run.components.items():
            if identity in self._missing and identity not in self._taken:
                component._core.hand_over(self._run.ticket)
                self._taken[identity] = component
        return list(self._taken.values())

    def settle(self, component: Component) -> str | None:
        """Says that a process or job of the component has ended: what came of it is looked up in its record.

        Users of it can be taken from now on, or are blocked. A component that another launcher runs at the moment
        is looked at again by each `take`, and settled when that has ended.

        Returns:
            Why it failed; `None` if it finished, or if its outcome is still open.
        """
        identity = component._request.identity
        tried = identity in self._tried
        self._tried.add(identity)
        if identity in self._taken and self._run.runs_elsewhere(component):
            del self._taken[identity]
            self._elsewhere[identity] = _Awaited(component)
            return None
        return self._conclude(component, self._run.settle(component, tried, None))

    def again(self, component: Component) -> None:
        """Gives a component that was taken out once more, as for a retry. Not after `settle`."""
        self._taken.pop(component._request.identity, None)
        self._ready.append(component)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to take or to settle, or the run stops and nothing is left to settle."""
        if self._taken:
            return False
        return self._run.stopping or not (self._ready or self._elsewhere)

    @property
    def wait_seconds(self) -> float | None:
        """How soon `take` has to be asked again although nothing was settled, in seconds; `None`: it need not be."""
        if not self._elsewhere or self._run.stopping:
            return None
        now = time.monotonic()
        return max(min(each.look_at for each in self._elsewhere.values()) - now, 0.0)

    def taken(self) -> list[Component]:
        """What was given out and is not settled yet. May be called from any thread."""
        return list(self._taken.values())

    def left(self) -> list[str]:
        """The identities of those that never had their turn."""
        return list(self._missing)

    def close(self, problem: Exception | None) -> None:
        """Settles what the engine left behind when it returned, or raised `problem`."""
        while self._taken or self._elsewhere or (self._ready and not self._run.stopping):
            waiting = [each.component for each in self._elsewhere.values()]
            self._elsewhere.clear()
            ready = [] if self._run.stopping else list(self._ready)
            self._ready.clear()
            for component in (*self.taken(), *waiting, *ready):
                component._core.hand_over(self._run.ticket)
                self._conclude(component, self._run.settle(component, True, problem))

    def _conclude(self, component: Component, reason: str | None) -> str | None:
        identity = component._request.identity
        if reason == ONCE_MORE:
            self.again(component)
            return None
        component._core.ticket = None
        self._taken.pop(identity, None)
        self._missing.pop(identity, None)
        if reason is not None:
            self._run.failures[identity] = reason
        self._run.report_end(component, reason=reason)
        if reason is None:
            self._release(identity)
        else:
            self._block(identity)
        return reason

    def _release(self, identity: str) -> None:
        for user, _ in self._users.pop(identity, ()):
            if user in self._missing:
                self._missing[user] -= 1
                if not self._missing[user] and user not in self._taken:
                    self._ready.append(self._run.components[user])

    def _block(self, identity: str) -> None:
        """Gives up on the users of what failed, and on theirs."""
        failed = deque([identity])
        while failed:
            for user, name in self._users.pop(failed.popleft(), ()):
                if self._missing.pop(user, None) is not None:
                    self._taken.pop(user, None)
                    reason = self._run.failures[user] = f"blocked: its input {name!r} failed"
                    self._run.report_end(self._run.components[user], reason=reason)
                    failed.append(user)

    def _look_elsewhere(self) -> None:
        """Settles those that another launcher ran and whose attempts have ended by now."""
        if not self._elsewhere:
            return
        if running.get() and not self._taken and not self._ready and not self._run.stopping:
            # Within a component: the wait belongs into its record, by which circles of waiting are found.
            identity = next(iter(self._elsewhere))
            component = self._elsewhere.pop(identity).component
            self._conclude(component, self._run.settle(component, False, None))
        now = time.monotonic()
        for identity, awaited in list(self._elsewhere.items()):
            if awaited.look_at > now or self._run.stopping:
                continue
            if self._run.runs_elsewhere(awaited.component):
                awaited.postpone(now)
                continue
            del self._elsewhere[identity]
            self._conclude(awaited.component, self._run.settle(awaited.component, False, None, waited=True))


class Wave:
    """What an engine that conducts whole runs sees where it is given one wave, as when a subclass calls it so."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._left: list[Component] | None = None

    def take(self) -> list[Component]:
        """All components of the wave, once."""
        taken = list(self._run.ready()) if self._left is None else []
        self._left = []
        return taken

    def settle(self, component: Component) -> str | None:
        """Nothing: the run settles the wave when the engine returns."""
        return None

    @property
    def is_done(self) -> bool:
        """Whether the wave was taken."""
        return self._left is not None

    @property
    def wait_seconds(self) -> float | None:
        """Nothing is waited for."""
        return None


class _Awaited:
    """A component that another launcher runs."""

    __slots__ = ("began", "component", "look_at", "pause", "said")

    def __init__(self, component: Component) -> None:
        self.component = component
        self.began = self.look_at = time.monotonic()
        self.pause = _SHORTEST_PAUSE
        self.said = False

    def postpone(self, now: float) -> None:
        """It still runs: when to look again."""
        self.look_at = now + self.pause
        self.pause = min(self.pause * 1.5, _LONGEST_PAUSE)
        if not self.said and now - self.began > _SAY_AFTER_SECONDS:
            self.said = True
            state = self.component._state()
            notice(f"waiting for {self.component.module} {self.component.id}: {state.evidence}")
