"""The command line: translates words into calls of the api, shows what comes back, decides nothing."""

from __future__ import annotations

from machinable.cli.main import main

__all__ = ["main"]
