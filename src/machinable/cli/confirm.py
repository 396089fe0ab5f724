"""Asking before what can not be taken back, or takes long."""

from __future__ import annotations

import sys

from machinable.cli.output import note
from machinable.errors import ConfigurationError

__all__ = ["confirm"]


def confirm(question: str, *, yes: bool) -> bool:
    """Whether the user wants it; without asking if `--yes` was given.

    Raises:
        ConfigurationError: If there is nobody to answer.
    """
    if yes:
        return True
    note(f"machinable: {question} [y/N]")
    try:
        answer = sys.stdin.readline() if sys.stdin is not None else ""
    except (OSError, ValueError):
        answer = ""
    if not answer:
        raise ConfigurationError("Nobody answered, so nothing was done. Add --yes to answer beforehand.")
    if answer.strip().lower() in ("y", "yes"):
        return True
    note("machinable: nothing was done.")
    return False
