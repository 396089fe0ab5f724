"""What a `.gitignore` file means, byte for byte as Git reads it."""

from __future__ import annotations

import re

__all__ = ["Ignore"]

_CLASSES = {
    b"alpha": rb"A-Za-z",
    b"digit": rb"0-9",
    b"alnum": rb"A-Za-z0-9",
    b"upper": rb"A-Z",
    b"lower": rb"a-z",
    b"space": rb"\s",
    b"blank": rb" \t",
    b"punct": rb"!-/:-@\[-`{-~",
    b"xdigit": rb"0-9A-Fa-f",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"print": rb"\x20-\x7e",
    b"graph": rb"\x21-\x7e",
}
# Compiled where they are needed, which is seldom: compiling takes a millisecond.
_BRACKET = rb"(?s)\[([!^]?)(\]?(?:\[:\w+:\]|\\.|[^\]\\])*)\]"
_MEMBER = rb"(?s)\[:(\w+):\]|\\(.)|(-)|(.)"


class Ignore:
    """The patterns of one file, the last of which that matches a path decides.

    Source:
        gitignore(5). A library for it lets a pattern for a directory speak for all that is in it, which is wrong where
        the file above says otherwise about that.
    """

    __slots__ = ("_rules",)

    def __init__(self, text: bytes) -> None:
        lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        rules = [_rule(line.removesuffix(b"\r")) for line in lines]
        self._rules = [rule for rule in reversed(rules) if rule is not None]

    def verdict(self, path: bytes, is_directory: bool) -> bool | None:
        """Whether a path, relative to the file's directory, is ignored; None if no pattern matches it."""
        name = path.rpartition(b"/")[2]
        for ignored, directories_only, anchored, pattern in self._rules:
            if (is_directory or not directories_only) and pattern.fullmatch(path if anchored else name):
                return ignored
        return None


def _rule(line: bytes) -> tuple[bool, bool, bool, re.Pattern[bytes]] | None:
    """Whether it ignores, is for directories only, is for whole paths; and what it matches."""
    while line.endswith(b" ") and not line.endswith(b"\\ "):
        line = line[:-1]
    if not line or line.startswith(b"#"):
        return None
    ignored = not line.startswith(b"!")
    line = line if ignored else line[1:]
    directories_only = line.endswith(b"/")
    line = line[:-1] if directories_only else line
    anchored = b"/" in line
    text = _regular_expression(line.removeprefix(b"/"))
    if not line or text is None:
        return None
    try:
        return ignored, directories_only, anchored, re.compile(text, re.DOTALL)
    except re.error:
        return None  # such as [z-a]


def _regular_expression(pattern: bytes) -> bytes | None:
    result, at, end = b"", 0, len(pattern)
    while at < end:
        char = pattern[at : at + 1]
        after = at + 1
        if char == b"*":
            while pattern[after : after + 1] == b"*":
                after += 1
            starts = at == 0 or pattern[at - 1 : at] == b"/"
            if after - at > 1 and starts and after == end:
                result += rb".*"
            elif after - at > 1 and starts and pattern[after : after + 1] == b"/":
                result += rb"(?:.*/)?"
                after += 1
            else:
                result += rb"[^/]*"
        elif char == b"?":
            result += rb"[^/]"
        elif char == b"[":
            bracket = re.match(_BRACKET, pattern[at:])
            if bracket is None or not bracket[2]:
                return None
            result += rb"(?!/)[" + (b"^" if bracket[1] else b"") + _members(bracket[2]) + b"]"
            after = at + bracket.end()
        elif char == b"\\":
            if after == end:
                return None
            result += re.escape(pattern[after : after + 1])
            after += 1
        else:
            result += re.escape(char)
        at = after
    return result


def _members(text: bytes) -> bytes:
    result = b""
    for named, escaped, dash, char in re.findall(_MEMBER, text):
        result += _CLASSES.get(named, b"") or dash or re.escape(escaped or char)
    # A dash at an end is itself.
    if text.startswith(b"-"):
        result = b"\\" + result
    return (
        result[:-1] + rb"\-"
        if text.endswith(b"-") and len(text) > 1 and not text.endswith(b"\\-")
        else result
    )
