"""Tables as text that can be copied, and as HTML for notebooks. Which columns: `execution/columns.py`."""

from __future__ import annotations

import os

from machinable.notices import here
from machinable.records.mirror.place import shown

__all__ = ["cell", "html_of", "one_line", "pairs_of", "place", "text_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_WIDEST_CELL = 40


def cell(value: Any, digits: int | None = None) -> str:
    """A value in a cell: on one line, not too long.

    Args:
        digits: To how many significant digits floats are rounded; by default they stand as they are.
    """
    if value is None:
        return ""
    if isinstance(value, float) and digits is not None:
        return f"{value:.{digits}g}"
    return one_line(value if isinstance(value, str) else repr(value), _WIDEST_CELL)


def one_line(text: str, longest: int = 200) -> str:
    """Text without what would move the cursor, cut to one line."""
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def text_of(
    header: Sequence[str], body: Sequence[Sequence[str]], *, indent: str = "", right: Sequence[str] = ()
) -> str:
    """Aligned columns; numbers to the right, and so the columns named by `right`."""
    if not body:
        return ""
    columns = list(zip(header, *body, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [column[0] in right or all(map(_is_number, filter(None, column[1:]))) for column in columns]
    # One format for all lines: of ten thousand, each takes a microsecond.
    form = indent + "  ".join(
        f"%{'' if is_right else '-'}{width}s" for width, is_right in zip(widths, numeric, strict=True)
    )
    return "\n".join([(form % tuple(line)).rstrip() for line in (header, *body)])


def pairs_of(rows: Sequence[tuple[str, object]], *, indent: str = "  ") -> list[str]:
    """A line for each name and value, with the values below each other."""
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{indent}{name:<{width}}  {value}" for name, value in rows]


def html_of(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The same for a notebook."""
    from html import escape

    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in line) + "</tr>" for line in body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def place(path: str) -> str:
    """A path as short as it can be typed here: relative below the working directory, else in full.

    What lies in a storage elsewhere is told by its URL.
    """
    start, path = here(), shown(path)
    if start is None or not path.startswith(start.rstrip(os.sep) + os.sep):
        return path
    return os.path.relpath(path, start)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
