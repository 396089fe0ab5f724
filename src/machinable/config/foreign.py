"""Types that msgspec knows and machinable leaves to it: constraints by `msgspec.Meta`, typed dicts, named tuples."""

from __future__ import annotations

from machinable.config.kinds import Kind

__all__ = ["Foreign"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from machinable.config.kinds import Reading
    from machinable.config.messages import Place


class Foreign(Kind):
    """A type that msgspec converts to, strictly: an int may become a float, text is never a number."""

    __slots__ = ("type",)

    def __init__(self, type: Any) -> None:
        self.type = type

    @staticmethod
    def knows(cls: type) -> bool:
        """Whether msgspec has this type's own rules, rather than an `isinstance`."""
        names = ("__struct_fields__", "__total__", "__attrs_attrs__")
        return any(hasattr(cls, name) for name in names) or (
            issubclass(cls, tuple) and hasattr(cls, "_fields")
        )

    def expected(self) -> str:
        name = str(getattr(getattr(self.type, "__origin__", self.type), "__name__", self.type))
        return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"

    def convert(self, value: Any, where: str, place: Place) -> Any:
        import msgspec

        try:
            typed = msgspec.convert(value, self.type, strict=True)
        except msgspec.ValidationError as error:
            raise place.wrong(where, value, f"{self.expected()} ({_sentence(error)})") from None
        kept = place.plain(msgspec.to_builtins(typed), where)
        lost = _lost(value, kept)
        if lost is not None:
            raise place.error(f"{where} has no key {lost!r}. It has: {', '.join(kept)}.")
        return kept

    def python(self, value: Any, reading: Reading) -> Any:
        import msgspec

        return msgspec.convert(value, self.type, strict=True)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def _lost(given: Any, kept: Any) -> str | None:
    """The first key that was given and not kept, since msgspec ignores what it does not know."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key not in kept:
                return str(key)
            lost = _lost(value, kept[key])
            if lost is not None:
                return f"{key}.{lost}"
    if isinstance(given, list) and isinstance(kept, list):
        for value, other in zip(given, kept, strict=False):
            lost = _lost(value, other)
            if lost is not None:
                return lost
    return None
