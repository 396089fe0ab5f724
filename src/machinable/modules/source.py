"""The fingerprint of the code behind a component, by which a result from older code is known."""

from __future__ import annotations

import os
import sys
from weakref import WeakKeyDictionary

from machinable.blake import blake2b
from machinable.modules.imports import Imported, imports_of, without_main_block
from machinable.modules.names import file_in, module_file, name_of_file, real
from machinable.modules.naming import MAIN, SESSION, definition_file, name_of
from machinable.modules.texts import generation, imported_text, normalised

__all__ = ["fingerprint", "project_modules"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp = tuple[str, int, int]

# By root and module: the number of imports when it was made, the files not yet imported, and the fingerprint.
_known: dict[tuple[str, str], tuple[int, list[Stamp], str | None]] = {}
_sessions: WeakKeyDictionary[type, str | None] = WeakKeyDictionary()


def fingerprint(root: str, what: str | type) -> str | None:
    """The hash of a module's text and of the project's modules that it imports, directly or not.

    It is that of the text as imported by this process, whatever the files say by now. Line ends and the body of
    `if __name__ == "__main__":` do not count. A class of a notebook or an interpreter has the text of the class alone.

    Args:
        root: The root of the project.
        what: The name of a module, or a class.
    Returns:
        32 hexadecimal digits; None if there is no text (typed into `python`, or not written in Python).
    Source:
        BLAKE2b-128, RFC 7693.
    """
    name = what if isinstance(what, str) else name_of(root, what)
    if name == SESSION:
        return None if isinstance(what, str) else _session_fingerprint(what)
    key = root, name
    known = _known.get(key)
    if (
        known is not None
        and known[0] == generation()
        and all(_stamp(stamp[0]) == stamp for stamp in known[1])
    ):
        return known[2]
    now = generation()
    files, texts = _closure(real(root), name)
    result = _hash(sorted(texts.items())) if texts else None
    _known[key] = now, [stamp for stamp in files if imported_text(stamp[0]) is None], result
    return result


def project_modules(root: str, name: str) -> list[str]:
    """The names of a module and of the project's modules that it imports, at any distance."""
    return sorted(_closure(real(root), name)[1])


def _closure(root: str, name: str) -> tuple[list[Stamp], dict[str, bytes]]:
    """The files of a module and of what it imports of the project, and their texts by name."""
    file = module_file(root, name)
    if file is None:
        # Installed: its own text alone.
        file = getattr(sys.modules.get(name), "__file__", None)
        is_source = isinstance(file, str) and file.endswith(".py")
        return ([_stamp(file)], {name: _text(file)}) if file is not None and is_source else ([], {})
    stamps: list[Stamp] = []
    texts: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        file = waiting.pop()
        module = name_of_file(root, file)
        if module is None or module in texts:
            continue
        stamps.append(_stamp(file))
        texts[module] = _text(file)
        for imported in imports_of(texts[module]):
            waiting.extend(_files(root, file, imported))
    return stamps, texts


def _files(root: str, importer: str, imported: Imported) -> Iterator[str]:
    """The files of the project that one import executes, `__init__.py` of packages included."""
    level, module, names = imported
    parts = module.split(".") if module else []
    if level:
        base = importer
        for _ in range(level):
            base = os.path.dirname(base)
        bases: Iterable[str] = (base,)
        if not parts:
            yield from _existing(os.path.join(base, "__init__.py"))
    elif parts[0] in sys.stdlib_module_names:
        return
    else:
        # From the root, from a `src` folder, and beside the file, as for `python folder/script.py`.
        bases = (root, os.path.join(root, "src"), os.path.dirname(importer))
    for base in bases:
        if level or not parts or file_in(base, parts[0]) or os.path.isdir(os.path.join(base, parts[0])):
            yield from _along(base, parts, names)
            return


def _along(base: str, parts: list[str], names: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        file = file_in(base, part)
        if file is not None:
            yield file
        base = os.path.join(base, part)
    for name in names:
        file = file_in(base, name)
        if file is not None:
            yield file


def _existing(file: str) -> Iterator[str]:
    if os.path.isfile(file):
        yield file


def _text(file: str) -> bytes:
    text = imported_text(file)
    if text is None:
        try:
            with open(file, "rb") as stream:
                text = normalised(stream.read())
        except OSError:
            text = b""
    return without_main_block(text)


def _stamp(file: str) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return file, 0, 0
    return file, status.st_mtime_ns, status.st_size


def _session_fingerprint(cls: type) -> str | None:
    """That of the class's own lines, and of the classes of the same session that it derives from."""
    if cls not in _sessions:
        texts = ((part.__qualname__, _class_text(part)) for part in cls.__mro__ if part.__module__ in MAIN)
        # A class without methods does not say where it stands; what it inherits is what runs.
        known = [(name, text) for name, text in texts if text is not None]
        _sessions[cls] = _hash(known) if known else None
    return _sessions[cls]


def _class_text(cls: type) -> bytes | None:
    import ast
    import linecache

    file = definition_file(cls)
    lines = linecache.getlines(file) if file else []
    if not lines:
        return None
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return None  # a cell with a magic command
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return "".join(lines[node.lineno - 1 : node.end_lineno]).encode()
    return None


def _hash(texts: Iterable[tuple[str, bytes]]) -> str:
    digest = blake2b(digest_size=16)
    for name, text in texts:
        digest.update(f"{name}:{len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()
