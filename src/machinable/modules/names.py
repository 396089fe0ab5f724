"""What a module is called: from what the user typed to a name, from a name to a file, and back."""

from __future__ import annotations

import os
import sys

from machinable.errors import ProjectError

__all__ = [
    "FOREIGN",
    "file_in",
    "module_file",
    "module_name",
    "modules_of",
    "name_of_file",
    "real",
    "similar",
    "split_target",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Installed packages below the root (a virtual environment in the project) are not modules of the project.
FOREIGN = ("site-packages", "dist-packages")
IGNORES_CASE = sys.platform in ("darwin", "win32")
LISTED_MODULES = 2000
VISITED_FOLDERS = 1000

_real: dict[str, str] = {}


def real(root: str) -> str:
    """The root without symbolic links, so that a project is one project however it is reached."""
    known = _real.get(root)
    if known is None:
        known = _real[root] = os.path.realpath(root)
    return known


def split_target(target: str) -> tuple[str, str | None]:
    """`pkg.mod:Class` as module and class; a class of None where none is named.

    Raises:
        ProjectError: If the target is no text, is empty, or what follows the colon can not be a class.
    """
    if not isinstance(target, str):
        raise ProjectError(
            f"A module is named by a text such as 'pkg.mod' or 'pkg.mod:Class', not by {target!r}."
        )
    text = target.strip()
    if not text:
        raise ProjectError(
            f"The name of a module is empty: {target!r}. Write the name of a file of the project."
        )
    drive, rest = os.path.splitdrive(text)
    name, colon, class_name = rest.rpartition(":")
    if not colon:
        return text, None
    if not name or not all(part.isidentifier() for part in class_name.split(".")):
        raise ProjectError(f"{target!r}: {class_name!r} is not the name of a class. Write module:Class.")
    return drive + name, class_name


def module_name(root: str, text: str) -> str:
    """The dotted name of what was asked for as `pkg.mod`, `pkg/mod.py`, `./mod.py` or an absolute path.

    Raises:
        ProjectError: If it is relative (`..`), outside of the project or malformed.
    """
    path = text.replace("\\", "/") if os.sep == "\\" else text
    if "/" in path:
        return _name_of_path(root, text, path)
    name = path.removesuffix(".py")
    if name.startswith(".") or not name:
        raise ProjectError(
            f"{text!r} is a relative name. Modules are named from the root of the project, {root}."
        )
    if any(not part or part != part.strip() for part in name.split(".")):
        raise ProjectError(f"{text!r} is not the name of a module. Write it like 'pkg.mod' or 'pkg/mod.py'.")
    return name


def module_file(root: str, name: str) -> str | None:
    """The source of a module of the project, or None where there is no such module."""
    *packages, last = name.split(".")
    return file_in(os.path.join(root, *packages), last)


def file_in(directory: str, name: str) -> str | None:
    """The file that `import name` finds in the directory: a package comes before a module."""
    for file in (os.path.join(directory, name, "__init__.py"), os.path.join(directory, name + ".py")):
        if os.path.isfile(file) and (not IGNORES_CASE or _is_spelt(directory, name)):
            return file
    return None


def name_of_file(root: str, file: str) -> str | None:
    """The name of a source file relative to the root; None for what is outside or installed."""
    if not file.endswith(".py"):
        return None
    prefix = root if root.endswith(os.sep) else root + os.sep
    if not file.startswith(prefix):
        file = os.path.realpath(file)
        if not file.startswith(prefix):
            return None
    parts = file[len(prefix) : -3].split(os.sep)
    if any("." in part or part in FOREIGN for part in parts):
        return None
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def similar(root: str, name: str) -> tuple[list[str], list[str]]:
    """The modules of the project with names like this one (at most three), and all of them."""
    import difflib

    known = modules_of(root)
    # A name may be right but for its package, or in another case.
    keys = {key: module for module in known for key in (module.rpartition(".")[2].lower(), module.lower())}
    near = difflib.get_close_matches(name.lower(), list(keys), n=3)
    near += difflib.get_close_matches(name.rpartition(".")[2].lower(), list(keys), n=3)
    return list(dict.fromkeys(keys[key] for key in near))[:3], known


def modules_of(root: str) -> list[str]:
    """The names of the modules of a project, sorted; of a very large one, of the first thousands."""
    return sorted(set(_modules(root)))


def _name_of_path(root: str, text: str, path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ProjectError(
            f"{text!r} is a relative name. Modules are named from the root of the project, {root}."
        )
    expanded = os.path.expanduser(path)
    if os.path.isabs(expanded):
        name = name_of_file(
            root, os.path.normpath(expanded if expanded.endswith(".py") else expanded + ".py")
        )
        if name is None:
            raise ProjectError(
                f"{text!r} is not in the project {root}. Set another with --project or Project(path)."
            )
        return name
    if not parts:
        raise ProjectError(f"{text!r} is not the name of a module. Write it like 'pkg.mod' or 'pkg/mod.py'.")
    parts[-1] = parts[-1].removesuffix(".py")
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if any("." in part or not part.strip() for part in parts):
        raise ProjectError(
            f"{text!r} is not the name of a module: folders and files have no dots in their names."
        )
    name = ".".join(parts)
    # A shell completes paths from the working directory, which may be below the root.
    here = os.path.normpath(os.path.join(_working_directory(root), *parts)) + ".py"
    if (path.startswith("./") or module_file(root, name) is None) and os.path.isfile(here):
        return name_of_file(root, here) or name
    return name


def _working_directory(root: str) -> str:
    try:
        return os.getcwd()
    except OSError:
        return root  # it was removed


def _is_spelt(directory: str, name: str) -> bool:
    # Otherwise `get("Train")` and `get("train")` would be two components of one file.
    return not {name, name + ".py"}.isdisjoint(os.listdir(directory))


def _modules(root: str) -> Iterator[str]:
    found = 0
    for visited, (directory, folders, files) in enumerate(os.walk(root)):
        folders[:] = sorted(
            folder
            for folder in folders
            if folder.isidentifier()
            and not folder.startswith("__")
            and folder not in ("node_modules", *FOREIGN)
            and not os.path.exists(os.path.join(directory, folder, "pyvenv.cfg"))
        )
        for file in sorted(files):
            name = name_of_file(root, os.path.join(directory, file))
            if name is not None:
                found += 1
                yield name
        # A folder that is no project may be the whole disk.
        if found > LISTED_MODULES or visited > VISITED_FOLDERS:
            return
