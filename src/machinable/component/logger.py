"""The logger of a component: a standard one, whose lines go where the component's output goes."""

from __future__ import annotations

import sys

__all__ = ["make_logger"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging


def make_logger(name: str) -> logging.Logger:
    """A logger of level INFO into standard error, which is captured in `output.log` while the component runs."""
    import logging

    class StandardError(logging.StreamHandler):  # type: ignore[type-arg]
        """Writes to what `sys.stderr` is at the time of the line."""

        def emit(self, record: logging.LogRecord) -> None:
            self.stream = sys.stderr
            super().emit(record)

    # Not from logging.getLogger, which keeps every logger for the life of the process.
    logger = logging.Logger(name, logging.INFO)
    handler = StandardError()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    return logger
