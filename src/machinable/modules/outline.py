"""What can be typed after the name of a module, read from its source text: nothing of it is executed."""

from __future__ import annotations

import os
import warnings

from machinable.modules.names import module_file, split_target

__all__ = ["Outline", "outline"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ONLY_PARSE = 0x400  # ast.PyCF_ONLY_AST: loading `ast` takes 14 ms, the parser is there anyway
_DEEPEST = 8
_HOOKS = ("_", "on_", "version_", "config_")


class Outline:
    """What a class says of itself.

    Attributes:
        fields: The dotted names of the configuration, with their defaults where these are literals, else `None`.
        versions, methods, uses: Names.
    """

    __slots__ = ("fields", "methods", "uses", "versions")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.versions: dict[str, None] = {}
        self.methods: dict[str, None] = {}
        self.uses: dict[str, None] = {}


def outline(root: str, target: str) -> Outline:
    """The outline of the class that a target means: empty where there is no such module, or it can not be parsed."""
    found = Outline()
    try:
        name, class_name = split_target(target)
        tree = _tree(root, name.removesuffix(".py").replace("/", "."))
        if tree is not None:
            _add(found, root, tree, _class(tree, name, class_name), 0)
    except Exception:  # what can not be understood has no outline; it is only asked for to save typing
        return Outline()
    return found


def _tree(root: str, name: str) -> Any:
    file = module_file(root, name)
    if file is None:
        return None
    with open(file, "rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(stream.read(), os.path.basename(file), "exec", _ONLY_PARSE, dont_inherit=True)


def _classes(tree: Any) -> dict[str, Any]:
    return {node.name: node for node in tree.body if type(node).__name__ == "ClassDef"}


def _class(tree: Any, module: str, class_name: str | None) -> Any:
    classes = _classes(tree)
    if class_name is not None:
        return classes.get(class_name)
    last = module.rpartition(".")[2].replace("_", "").lower()
    named = [node for name, node in classes.items() if name.lower() == last]
    derived = [node for name, node in classes.items() if node.bases and not name.startswith("_")]
    return next(iter(named or derived[-1:]), None)


def _add(found: Outline, root: str, tree: Any, node: Any, depth: int) -> None:
    if node is None or depth > _DEEPEST:
        return
    for statement in node.body:
        kind = type(statement).__name__
        if kind == "ClassDef" and statement.name == "Config":
            _fields(found, tree, statement, "", depth)
        elif kind in ("FunctionDef", "AsyncFunctionDef"):
            _method(found, statement)
        elif kind in ("Assign", "AnnAssign"):
            target = statement.targets[0] if kind == "Assign" else statement.target
            if getattr(target, "id", None) == "Config" and statement.value is not None:
                _mapping(found, statement.value, "")
            elif getattr(target, "id", None) == "uses" and type(statement.value).__name__ == "Dict":
                found.uses.update(dict.fromkeys(filter(None, map(_text, statement.value.keys))))
    for base in node.bases:
        _add_base(found, root, tree, getattr(base, "id", None), depth)


def _add_base(found: Outline, root: str, tree: Any, name: str | None, depth: int) -> None:
    """Goes on with a base class, in this module or in the one of the project that it is imported from."""
    if name is None:
        return
    here = _classes(tree).get(name)
    if here is not None:
        _add(found, root, tree, here, depth + 1)
        return
    for statement in tree.body:
        if type(statement).__name__ == "ImportFrom" and not statement.level and statement.module:
            original = next(
                (each.name for each in statement.names if (each.asname or each.name) == name), None
            )
            other = _tree(root, statement.module) if original is not None else None
            if other is not None:
                _add(found, root, other, _classes(other).get(str(original)), depth + 1)


def _method(found: Outline, statement: Any) -> None:
    name = statement.name
    if name.startswith("version_"):
        found.versions.setdefault(name.removeprefix("version_"))
    elif not name.startswith(_HOOKS) and not any(
        getattr(each, "id", getattr(each, "attr", "")) in ("property", "cached_property", "setter")
        for each in statement.decorator_list
    ):
        found.methods.setdefault(name)


def _mapping(found: Outline, node: Any, prefix: str) -> None:
    """The keys of a dict, `{"lr": 0.1}` or `dict(lr=0.1)`."""
    kind = type(node).__name__
    if kind == "Dict":
        pairs = [(_text(key), value) for key, value in zip(node.keys, node.values, strict=True)]
    elif kind == "Call" and getattr(node.func, "id", "") == "dict":
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
    else:
        return
    for key, value in pairs:
        if key is None:
            continue
        inner = type(value).__name__ == "Dict" and value.keys
        if inner or (type(value).__name__ == "Call" and getattr(value.func, "id", "") == "dict"):
            _mapping(found, value, f"{prefix}{key}.")
        else:
            found.fields.setdefault(prefix + key, _default(value))


def _fields(found: Outline, tree: Any, node: Any, prefix: str, depth: int) -> None:
    """The fields of a class `Config`; those whose type is a class of the same module have fields of their own."""
    if depth > _DEEPEST:
        return
    classes = _classes(tree) | {each.name: each for each in node.body if type(each).__name__ == "ClassDef"}
    for statement in node.body:
        kind = type(statement).__name__
        if kind == "AnnAssign":
            name, of = getattr(statement.target, "id", None), getattr(statement.annotation, "id", None)
        elif kind == "Assign":
            name, of = getattr(statement.targets[0], "id", None), None
        else:
            continue
        if name is None or name.startswith("_"):
            continue
        if of in classes and of != node.name:
            _fields(found, tree, classes[of], f"{prefix}{name}.", depth + 1)
        elif type(statement.value).__name__ == "Dict" and statement.value.keys:
            _mapping(found, statement.value, f"{prefix}{name}.")
        else:
            found.fields.setdefault(prefix + name, _default(statement.value))
    for base in node.bases:
        inherited = _classes(tree).get(getattr(base, "id", ""))
        if inherited is not None:
            _fields(found, tree, inherited, prefix, depth + 1)


def _default(node: Any) -> Any:
    """A literal default, also that of `Field(0.1, …)`; `None` for anything else."""
    if type(node).__name__ == "Call" and node.args:
        node = node.args[0]
    return node.value if type(node).__name__ == "Constant" else None


def _text(node: Any) -> str | None:
    value = getattr(node, "value", None)
    return value if isinstance(value, str) else None
