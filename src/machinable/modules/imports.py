"""Which modules a source text imports, without executing it."""

from __future__ import annotations

import re
import warnings

__all__ = ["Imported", "imports_of", "without_main_block"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# (level, module, names): `from ..a import b, c` is (2, "a", ("b", "c")); `import a.b` is (0, "a.b", ()).
Imported = tuple[int, str, tuple[str, ...]]

_ONLY_PARSE = 0x400  # ast.PyCF_ONLY_AST: loading `ast` takes 14 ms, the parser is there anyway
_WORD = rb"(?m)(?:^|[:;])[ \t\f]*((?:from|import)(?![A-Za-z0-9_]))"
_STATEMENT = rb"(?:[^\n(\\]|\\\n)*(?:\([^)]*\)[^\n]*)?"
_MAIN_LINE = (
    rb"if\b[ \t(]*(?:__name__[ \t]*==[ \t]*(['\"])__main__\1|(['\"])__main__\2[ \t]*==[ \t]*__name__)"
)


def imports_of(source: bytes) -> set[Imported]:
    """All imports of a text with `\\n` line ends, at any depth; none for what is not valid Python."""
    found: set[Imported] = set()
    end = 0
    # Parsing a whole file takes milliseconds. An import begins a line or follows `:` or `;`: usually it is enough
    # to parse what stands there.
    whole_statement = re.compile(_STATEMENT)
    for match in re.finditer(_WORD, source):
        if match.start(1) < end:
            continue  # the continuation of the one before
        statement = whole_statement.match(source, match.start(1))
        assert statement is not None
        end = statement.end()
        try:
            found.update(_walk(_parse(statement[0])))
        except (SyntaxError, ValueError):
            return _imports_of_whole(source)  # a sentence of a docstring, or a bracket in a comment
    return found


def without_main_block(source: bytes) -> bytes:
    """The text without the block `if __name__ == "__main__":`, of which an import executes nothing."""
    if b"__main__" not in source:
        return source.rstrip() + b"\n"
    kept: list[bytes] = []
    inside = False
    for line in source.split(b"\n"):
        if line[:1] not in (b"", b" ", b"\t", b"\f", b"#"):
            inside = re.match(_MAIN_LINE, line) is not None
        if not inside:
            kept.append(line)
    return b"\n".join(kept).rstrip() + b"\n"  # empty lines before the block go with it


def _imports_of_whole(source: bytes) -> set[Imported]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warned of the text when it imported it
        try:
            return set(_walk(_parse(source)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return set()


def _parse(source: bytes) -> Any:
    return compile(source, "<imports>", "exec", _ONLY_PARSE, dont_inherit=True)


def _walk(node: Any) -> Iterator[Imported]:
    kind = type(node).__name__
    if kind == "Import":
        for alias in node.names:
            yield 0, alias.name, ()
    elif kind == "ImportFrom":
        yield node.level, node.module or "", tuple(alias.name for alias in node.names)
    else:
        # Only what holds statements: an import is never part of an expression.
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            children = getattr(node, field, None)
            if isinstance(children, list):
                for child in children:
                    yield from _walk(child)
