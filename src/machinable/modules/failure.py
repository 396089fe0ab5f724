"""What the user is told when a module can not be found or imported."""

from __future__ import annotations

import os
import sys

from machinable.errors import ProjectError
from machinable.modules.names import name_of_file, similar

__all__ = ["import_failed", "not_found"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_MODULES = 8
MANY_MODULES = 100
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def not_found(root: str, name: str, *, also_installed: bool) -> ProjectError:
    """The error for a module that does not exist: where it was searched, and what is named like it."""
    place = os.path.join(root, *name.split("."))
    near, known = similar(root, name)
    if os.path.isdir(place):
        inside = [module for module in known if module.startswith(name + ".")]
        hint = f"Name a module in it: {_some(inside)}." if inside else "There are no modules in it."
        return ProjectError(f"{name!r} is a folder of the project {root}, and no module. {hint}")
    searched = f"looked for {os.path.relpath(place, root)}.py in {root}"
    if also_installed:
        searched += ", and among the installed packages"
    if near:
        hint = f"Did you mean {' or '.join(map(repr, near))}?"
    elif len(known) > MANY_MODULES and not os.path.exists(os.path.join(root, "pyproject.toml")):
        hint = "This folder is no project: change to that of yours, or name it with --project."
    elif known:
        hint = f"The project has: {_some(known)}."
    else:
        hint = (
            "There are no modules in this folder: change to that of your project, or name it with --project."
        )
    return ProjectError(f"There is no module {name!r} ({searched}). {hint}")


def import_failed(root: str, name: str, error: BaseException) -> ProjectError:
    """The error for a module that raised while it was imported: the exception and the user's own frames."""
    if isinstance(error, SyntaxError) and error.filename:
        return ProjectError(_syntax(root, name, error))
    kind = type(error).__name__
    text = f"{kind}: {error}" if str(error) else kind
    if isinstance(error, SystemExit):
        text = f"it ends Python (SystemExit: {error}). Put what should not run on import under a main guard"
    lines = [
        f"{name} can not be imported: {text}{'' if text.endswith(('.', '?', '!')) else '.'}{_hint(root, error)}"
    ]
    frames = _frames(error)
    own = [frame for frame in frames if name_of_file(root, frame[0]) is not None]
    lines += [_frame(root, *frame) for frame in own or frames]
    return ProjectError("\n".join(lines))


def _syntax(root: str, name: str, error: SyntaxError) -> str:
    where = f"{_relative(root, error.filename or '')}:{error.lineno}"
    lines = [f"{name} can not be imported: {type(error).__name__} at {where}: {error.msg}"]
    if error.text:
        text = error.text.rstrip("\n")
        indent = len(text) - len(text.lstrip())
        lines.append(f"    {text.strip()}")
        if error.offset and error.offset > indent:
            lines.append(" " * (4 + error.offset - 1 - indent) + "^")
    return "\n".join(lines)


def _hint(root: str, error: BaseException) -> str:
    missing = error.name if isinstance(error, ImportError) else None
    if not missing:
        return ""
    top = missing.partition(".")[0]
    if top in sys.stdlib_module_names and any(
        os.path.exists(os.path.join(root, file)) for file in (top, top + ".py")
    ):
        return f" The project's own {top!r} has the name of a module of Python: rename it to import from it."
    if not isinstance(error, ModuleNotFoundError):
        return ""
    near, _ = similar(root, missing)
    return f" Did you mean {near[0]!r}?" if near else f" Is {top!r} installed?"


def _frames(error: BaseException) -> list[tuple[str, int, str]]:
    """File, line and function of each frame that is neither Python's import system nor ours."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(("<frozen importlib", _PACKAGE)):
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return [frame for frame in frames if os.path.basename(os.path.dirname(frame[0])) != "importlib"]


def _frame(root: str, file: str, line: int, function: str) -> str:
    import linecache

    text = linecache.getline(file, line).strip()
    inside = "" if function == "<module>" else f" in {function}"
    return f"  {_relative(root, file)}:{line}{inside}" + (f": {text}" if text else "")


def _relative(root: str, file: str) -> str:
    return os.path.relpath(file, root) if file.startswith(root + os.sep) else file


def _some(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN_MODULES
    return ", ".join(names[:SHOWN_MODULES]) + (f" and {rest} more" if rest > 0 else "")
