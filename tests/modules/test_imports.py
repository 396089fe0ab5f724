"""Which modules a text imports."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from machinable.modules.imports import Imported, imports_of, without_main_block
from machinable.modules.texts import normalised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a", {(0, "a", ())}),
        ("import a.b as c, d", {(0, "a.b", ()), (0, "d", ())}),
        ("from a import b as c", {(0, "a", ("b",))}),
        ("from . import a", {(1, "", ("a",))}),
        ("from ..a.b import c, d", {(2, "a.b", ("c", "d"))}),
        ("from a import *", {(0, "a", ("*",))}),
        ("from a import (\n    b,  # why (here)\n    c,\n)\nx = 1", {(0, "a", ("b", "c"))}),
        ("from a \\\n    import b, \\\n    c", {(0, "a", ("b", "c"))}),
        ("from a import(b)", {(0, "a", ("b",))}),
        ("def f():\n\timport a\n\tif a: import b; import c", {(0, "a", ()), (0, "b", ()), (0, "c", ())}),
        ("try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\nfinally:\n    import d",
         {(0, "a", ()), (0, "b", ()), (0, "c", ()), (0, "d", ())}),
        ("match x:\n    case 1:\n        import a", {(0, "a", ())}),
        ("class A:\n    async def f(self):\n        async with x: import a", {(0, "a", ())}),
        ("import a  # see (b", {(0, "a", ())}),
        ("x = 'é'; import a", {(0, "a", ())}),
        ('"""\nimport the data\nfrom here on\n"""\nimport a', {(0, "a", ())}),
        ("important = 1\nfrom_x = 2\n", set()),
        ("def f():\n    yield from g()\n    raise X from y", set()),
        ("import", set()),
        ("import a\nx = (", {(0, "a", ())}),
        ("", set()),
    ],
)  # fmt: skip
def test_imports_are_found_wherever_they_stand(text: str, expected: set[Imported]) -> None:
    assert imports_of(text.encode()) == expected


def by_the_whole_tree(source: bytes) -> set[Imported]:
    found: set[Imported] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return found


def test_no_import_of_the_standard_library_is_missed() -> None:
    files = sorted(Path(os.__file__).parent.glob("*.py"))[::2] + sorted(
        Path(os.__file__).parent.glob("asyncio/*.py")
    )
    assert len(files) > 80
    for file in files:
        source = normalised(file.read_bytes())
        # What a docstring shows as an example may be found besides.
        assert by_the_whole_tree(source) <= imports_of(source), file


GUARDED = """x = 1
if __name__ == "__main__":
    run(1)

# comment
    run(2)
y = 2
"""


@pytest.mark.parametrize(
    "test", ["__name__ == '__main__'", '"__main__" == __name__', '(__name__ == "__main__")']
)
def test_the_block_that_an_import_does_not_execute_is_left_out(test: str) -> None:
    text = GUARDED.replace('__name__ == "__main__"', test)
    assert without_main_block(text.encode()) == b"x = 1\ny = 2\n"


def test_the_else_of_the_main_guard_counts() -> None:
    text = b'if __name__ == "__main__":\n    a()\nelse:\n    b()\n'
    assert without_main_block(text) == b"else:\n    b()\n"
    assert without_main_block(b"if __name__ == 'other':\n    a()\n") == b"if __name__ == 'other':\n    a()\n"
