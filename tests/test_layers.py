"""The layers of the package: each imports only from those before it, at the top of the file."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"

# From the first to the last. Those on one line may use those to the left of them.
LAYERS = [
    ["version", "blake", "errors", "types", "wording", "notices"],
    ["identity", "config"],
    ["store"],
    ["records"],
    ["index", "copying"],
    ["modules", "snapshot"],
    ["context"],
    ["interface"],
    ["component"],
    ["execution", "engines"],
    ["comparison", "upkeep"],
    ["experiment"],
    ["collection", "api", "executing"],
    ["cli", "notebook", "testing"],
]
ORDER = [name for layer in LAYERS for name in layer]

# Packages that cost too much to load for everybody, so that only a function which needs one imports it. What
# is not in the standard library is heavy besides; `tests/test_imports.py` checks what is loaded in the end.
HEAVY = {
    "argparse",
    "ast",
    "asyncio",
    "dataclasses",
    "datetime",
    "difflib",
    "importlib.metadata",
    "inspect",
    "logging",
    "multiprocessing",
    "pathlib",
    "sqlite3",
    "subprocess",
    "tempfile",
    "tomllib",
    "traceback",
    "typing",
    "unittest",
    "urllib.request",
    "uuid",
}
# These are asked for by name, so nobody else pays for what they load.
MAY_LOAD_HEAVY = {"notebook", "testing"}


@dataclass(frozen=True)
class Import:
    """One module that a file imports."""

    file: str  # relative to `src`
    line: int
    importer: str  # dotted name of the file
    target: str  # dotted name of the module
    in_function: bool
    for_types: bool  # below `if TYPE_CHECKING:`, never executed

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def own(self) -> bool:
        return self.target.split(".")[0] == "machinable"


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {dotted(path): path for path in sorted((SOURCE / "machinable").rglob("*.py"))}


def imports_of(name: str, path: Path) -> Iterator[Import]:
    """All imports of a file, at any depth."""
    file = path.relative_to(SOURCE).as_posix()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]

    def walk(node: ast.AST, in_function: bool, for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node):
                yield Import(file, node.lineno, name, target, in_function, for_types)
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for child in node.body:
                yield from walk(child, in_function, True)
            for child in node.orelse:
                yield from walk(child, in_function, for_types)
            return
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside, for_types)

    def targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        base = node.module or ""
        if node.level:
            parents = package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])
        for alias in node.names:
            full = f"{base}.{alias.name}"
            yield full if full in FILES or full in HEAVY else base

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False, False)


@cache
def imports() -> list[Import]:
    """All imports of the package."""
    return [found for name, path in FILES.items() for found in imports_of(name, path)]


def layer_of(module: str) -> str:
    """The layer of a module of machinable; the package itself is above all layers, as `""`."""
    return ".".join(module.split(".")[1:2])


def test_every_file_is_in_a_layer() -> None:
    unknown = {layer_of(name) for name in FILES} - set(ORDER) - {"", "__main__"}
    assert not unknown, f"give {sorted(unknown)} a place in LAYERS"


def test_each_layer_imports_only_from_those_before_it() -> None:
    wrong = [
        f"{found.where}: {layer_of(found.importer)} imports {found.target}"
        for found in imports()
        if found.own
        and layer_of(found.importer) in ORDER
        and layer_of(found.importer) != layer_of(found.target)
        and (
            layer_of(found.target) not in ORDER
            or ORDER.index(layer_of(found.target)) > ORDER.index(layer_of(found.importer))
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_no_files_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in FILES}
    for found in imports():
        # A package is there before its modules: that they belong to it is no circle.
        if found.own and not found.for_types and found.target != found.importer:
            graph[found.importer].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("circle of imports: " + " imports ".join(reversed(error.args[1])))


def test_machinables_own_modules_are_imported_at_the_top() -> None:
    wrong = [f"{found.where}: {found.target}" for found in imports() if found.own and found.in_function]
    assert not wrong, "imports inside of functions:\n" + "\n".join(wrong)


def test_heavy_packages_are_imported_only_by_the_functions_that_need_them() -> None:
    wrong = [
        f"{found.where}: {found.target}"
        for found in imports()
        if not (found.own or found.in_function or found.for_types)
        and layer_of(found.importer) not in MAY_LOAD_HEAVY
        and is_heavy(found.target)
    ]
    assert not wrong, "imports at the top of a file:\n" + "\n".join(wrong)


def is_heavy(target: str) -> bool:
    top = target.split(".")[0]
    return top not in sys.stdlib_module_names or top in HEAVY or target in HEAVY


def test_every_package_says_what_it_is_and_lists_its_names() -> None:
    for name, path in FILES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{name} has no docstring"
        if path.name == "__init__.py":
            listed = any(
                isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node).split("=")[0]
                for node in tree.body
            )
            assert listed, f"{name} has no __all__"
