"""A component as a notebook shows it: what it is, how it went, its configuration and what it measured last."""

from __future__ import annotations

from machinable.errors import MachinableError
from machinable.wording import duration

__all__ = ["html_of_component"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.component.component import Component

_DIGITS = 4
_LONGEST = 80


def html_of_component(component: Component) -> str:
    """The component as HTML. A record that can not be read is no error here: what is wrong is shown."""
    from html import escape

    try:
        state = component._state()
        said = f"{state.status} ({state.evidence})"
        seconds = state.end.get("seconds")
        if isinstance(seconds, (int, float)):
            said += f", took {duration(seconds)}"
        latest = component.record.latest or {}
    except (MachinableError, OSError) as error:
        said, latest = str(error), {}
    title = f"<b>{escape(component.module)}</b> <code>{component.id}</code> {escape(component.nickname)}"
    parts = [f"<p>{title} · {escape(said)}</p>"]
    if len(component.config):
        parts.append(component.config._repr_html_())
    if latest:
        names = "".join(f"<th>{escape(name)}</th>" for name in latest)
        cells = "".join(f"<td>{escape(_text(value))}</td>" for value in latest.values())
        table = f"<table><thead><tr>{names}</tr></thead><tbody><tr>{cells}</tr></tbody></table>"
        parts.append(f"<p>last row of its record:</p>{table}")
    return "".join(parts)


def _text(value: object) -> str:
    text = f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
