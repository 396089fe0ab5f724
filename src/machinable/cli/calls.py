"""Calling methods on components in turn, `launch` above all, and saying what came of it."""

from __future__ import annotations

from machinable.api import Component, Execution
from machinable.cli.failures import FAILED, INPUT_ERRORS, again, show, show_exception
from machinable.cli.options import Options
from machinable.cli.output import note, place, rendered, say
from machinable.cli.parse import Call
from machinable.cli.show import launched
from machinable.engines.dry import Dry
from machinable.errors import ExecutionFailed, MachinableError
from machinable.execution.failures import log_of
from machinable.execution.troubles import exception_of, kind_of_failure
from machinable.types import Status

__all__ = ["Calls"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

LISTED = 20  # failures of one execution that are shown, of possibly thousands


class Calls:
    """Calls one method after the other, each on those components that nothing has failed for yet."""

    def __init__(self, interfaces: Sequence[Any], execution: Execution | None, options: Options) -> None:
        self.interfaces = interfaces
        self.execution = execution
        self.options = options
        self.failed: set[int] = set()  # places in `interfaces`
        self._dispatched = False
        self.is_dry = isinstance(execution, Dry)  # nothing runs, so that nothing is there to be called

    def make(self, call: Call, methods: Sequence[Callable[..., Any]]) -> None:
        """Calls the given method of each interface."""
        if self.is_dry and self._dispatched:
            return None
        left = [number for number in range(len(methods)) if number not in self.failed]
        if call.name == "launch" and self.execution is not None:
            return self._launch_in(self.execution, {number: methods[number] for number in left})
        for number in left:
            if call.name == "launch":
                self._launch(number, methods[number])
            else:
                self._call(number, methods[number], call)
        return None

    def _launch(self, number: int, launch: Callable[[], Any]) -> None:
        try:
            launch()
        except ExecutionFailed as error:
            self.failed.add(number)
            self._tell(error)
        except (Exception, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.failed.add(number)
            self._tell_end(error, [self.interfaces[number]])
        else:
            note(launched(self.interfaces[number]))

    def _launch_in(self, execution: Execution, launches: dict[int, Callable[[], Any]]) -> None:
        failure: ExecutionFailed | None = None
        try:
            with execution:
                for launch in launches.values():
                    launch()
        except ExecutionFailed as error:
            failure = error
        except (Exception, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._tell_end(error, [self.interfaces[number] for number in launches])
        self._dispatched = True
        if self.is_dry:
            return
        for number in launches:
            component = self.interfaces[number]
            if component.cached():
                note(launched(component))
            else:
                self.failed.add(number)
        if failure is not None:
            self._tell(failure)

    def _tell(self, error: ExecutionFailed) -> None:
        """Shows the first exception, then where each failure and its log are, and how to go on."""
        refused = all(reason.startswith("not dispatched") for _, _, reason in error.failures)
        if isinstance(error.__cause__, INPUT_ERRORS) and refused:
            raise error.__cause__  # nothing ran: the storage, say, is a file
        retry = f"retry: {again(self.options)}"
        if not error.failures:
            if error.__cause__ is not None:
                show_exception(error.__cause__, self.options)
            note(f"machinable: {error} · {retry}")
            return
        members = self._components()
        groups: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
        for module, component_id, reason in error.failures[:LISTED]:
            component = members.get(component_id)
            kind = kind_of_failure(component, reason) if component is not None else (component_id,)
            groups.setdefault(kind, []).append((module, component_id, reason))
        tracebacks = [_traceback(members.get(group[0][1]), group[0][2]) for group in groups.values()]
        cause = error.__cause__
        if cause is not None and (self.options.traceback or not any(tracebacks)):
            shown = show_exception(cause, self.options)
            tracebacks = [shown, *[""] * (len(groups) - 1)]
        for traceback, group in zip(tracebacks, groups.values(), strict=True):
            if traceback:
                show(traceback, self.options)
            for module, component_id, reason in group:
                # What a single one raised stands right above.
                told = "failed" if len(error.failures) == 1 and reason in traceback else _first_line(reason)
                line = f"machinable: {module} {component_id}: {told}{self._log(members.get(component_id))}"
                note(f"{line} · {retry}" if len(error.failures) == 1 else line)
        if len(error.failures) > 1:
            more = (
                f", {len(error.failures) - LISTED} of them not listed" if len(error.failures) > LISTED else ""
            )
            note(f"machinable: {len(error.failures)} components failed{more} · {retry}")

    def _tell_end(self, error: BaseException, components: Sequence[Component]) -> None:
        """Shows what ended the whole run, being no `Exception`."""
        show_exception(error, self.options)
        raised = [each for each in components if each._core.exception is error] or list(components)
        for component in raised[:1]:
            line = f"machinable: {component.module} {component.id}: failed{self._log(component)}"
            note(f"{line} · retry: {again(self.options)}")

    def _components(self) -> dict[str, Component]:
        """The components and what they use, by ID."""
        found: dict[str, Component] = {}
        left = [each for each in self.interfaces if isinstance(each, Component)]
        while left:
            component = left.pop()
            if component._request.id not in found:
                found[component._request.id] = component
                left.extend(component.uses.values())
        return found

    def _log(self, component: Component | None) -> str:
        log = log_of(component) if component is not None else None
        return f" · log: {place(log)}" if log else ""

    def _call(self, number: int, method: Callable[..., Any], call: Call) -> None:
        interface = self.interfaces[number]
        try:
            value = method(*call.args, **call.kwargs)
        except MachinableError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, SystemExit) and error.code in (None, 0):
                return
            self.failed.add(number)
            show_exception(error, self.options)
            note(f"machinable: {call.token} of {_name(interface)} failed{_remedy(interface)}")
        else:
            if value is not None and value is not interface:
                say(rendered(value))
            elif call.name == "invalidate" and isinstance(interface, Component):
                note(_invalidated(interface))

    @property
    def code(self) -> int:
        """The exit code of what was called so far."""
        return FAILED if self.failed else 0


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "failed"


def _traceback(component: Component | None, reason: str) -> str:
    """What the record has of a failure of the user's code; nothing of an attempt that the reason is not about."""
    exception = exception_of(component) if component is not None else {}
    if reason != f"{exception.get('type')}: {exception.get('message')}":
        return ""
    return str(exception.get("traceback") or "")


def _invalidated(component: Component) -> str:
    if component.directory is None:
        return f"{_name(component)}: there is no result of it"
    return f"{_name(component)}: invalidated, the next --launch runs it again"


def _name(interface: Any) -> str:
    return f"{interface.module} {interface.id}" if isinstance(interface, Component) else str(interface.module)


def _remedy(interface: Any) -> str:
    if isinstance(interface, Component) and interface.status is not Status.FINISHED:
        return f". It is {interface.status}: put --launch in front, to run it first."
    return "."
