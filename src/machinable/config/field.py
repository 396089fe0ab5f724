"""What a `Config` can say about one of its fields beyond type and default."""

from __future__ import annotations

from machinable.errors import ConfigurationError

__all__ = ["MISSING", "REQUIRED", "Field", "FieldInfo"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUIRED = "???"
"""The value of a field that must be given."""


class FieldInfo:
    """A default with what `Field` says of it. It stands in the place of the default until the `Config` is read.

    It compares and hashes by identity, so a dataclass takes it even where the default is a list or a dict.
    """

    __slots__ = ("default", "identifying", "was")

    def __init__(self, default: Any, identifying: bool, was: str | None) -> None:
        self.default = default
        self.identifying = identifying
        self.was = was

    def __repr__(self) -> str:
        options = ("" if self.identifying else ", identifying=False") + (
            f", was={self.was!r}" if self.was else ""
        )
        return f"Field({self.default!r}{options})"


MISSING = FieldInfo(None, True, None)
"""Stands for "there is none" where None is a value."""


def Field(default: Any = REQUIRED, *, identifying: bool = True, was: str | None = None) -> Any:
    """A field of a `Config`, in any of its forms: `Config = {"device": Field("cpu", identifying=False)}`.

    Args:
        default: The value if none is given; a list, dict or nested model is copied whenever it is used.
        identifying: Whether components that differ in this value are different components. A device or a number
            of workers is not: the value in force is the one asked for, and each attempt records its own.
        was: The name that this field had before, so that results under the old name are still found. A name
            without dots stands beside this one; else it is the whole dotted key.
    Raises:
        ConfigurationError: If `was` is no name.
    """
    if was is not None and (not isinstance(was, str) or not all(was.split("."))):
        raise ConfigurationError(
            f"Field(was={was!r}) is not the name of a field. Use a name such as 'learning_rate'."
        )
    return FieldInfo(default, bool(identifying), was)
