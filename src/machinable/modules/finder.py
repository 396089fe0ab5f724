"""How plain `import` statements find the modules of the project in force."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

from machinable.modules.names import FOREIGN, file_in
from machinable.modules.texts import remember

__all__ = ["ALIAS", "ProjectFinder", "find_elsewhere"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

# A project's own `random.py` is imported as `random@project`, so that `import random` stays what it was.
ALIAS = "@project"


class ProjectLoader(SourceFileLoader):
    """Imports a source file and remembers the text that was executed."""

    def get_code(self, fullname: str) -> CodeType | None:
        from importlib.util import cache_from_source

        source = self.get_data(self.path)
        remember(self.path, source)
        # Python takes bytecode for current if the second and the size fit: an edit made within the second in which
        # the bytecode was written would be missed.
        try:
            written = os.stat(cache_from_source(self.path)).st_mtime
            stale = written - os.stat(self.path).st_mtime < 2
        except (OSError, NotImplementedError):
            stale = False
        if stale:
            return self.source_to_code(source, self.path)
        return super().get_code(fullname)


class ProjectFinder:
    """Stands before Python's own search of `sys.path`: the project wins over what is installed, never over the
    standard library.

    It is one object for the whole process; `root` is the project in force.
    """

    def __init__(self) -> None:
        self.root: str | None = None
        self.yields: set[tuple[str, str]] = set()  # root and name of what is left to an installed package

    def install(self) -> None:
        """Takes its place, unless it has it."""
        if self not in sys.meta_path:
            places = [place for place, finder in enumerate(sys.meta_path) if finder is PathFinder]
            sys.meta_path.insert(places[0] if places else len(sys.meta_path), self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of the project; None leaves the search to Python."""
        if self.root is None:
            return None
        last = name.rpartition(".")[2].removesuffix(ALIAS)
        if path is not None:
            for directory in path:
                if directory.startswith(self.root) and (file := file_in(directory, last)):
                    return _spec(name, file)
            return None
        if name in sys.stdlib_module_names or (self.root, name) in self.yields:
            return None
        if file := file_in(self.root, last):
            return _spec(name, file)
        folder = os.path.join(self.root, last)
        return self._folder(name, folder) if os.path.isdir(folder) else None

    def _folder(self, name: str, folder: str) -> ModuleSpec | None:
        """A folder without `__init__.py` gives way to an installed package, and hides folders of other projects."""
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [folder]
        if name.endswith(ALIAS):
            return spec
        found = PathFinder.find_spec(name)
        if found is not None:
            if found.loader is not None:
                return None
            portions = found.submodule_search_locations or ()
            spec.submodule_search_locations += [portion for portion in portions if _is_installed(portion)]
        return spec


def find_elsewhere(name: str, root: str) -> bool:
    """Whether a top-level module or package of this name is installed outside of the root."""
    elsewhere = [entry for entry in sys.path if os.path.abspath(entry) != root]
    spec = PathFinder.find_spec(name, elsewhere)
    return spec is not None and spec.loader is not None


def _spec(name: str, file: str) -> ModuleSpec | None:
    from importlib.util import spec_from_file_location

    package = [os.path.dirname(file)] if os.path.basename(file) == "__init__.py" else None
    return spec_from_file_location(
        name, file, loader=ProjectLoader(name, file), submodule_search_locations=package
    )


def _is_installed(directory: str) -> bool:
    return any(os.sep + folder in directory for folder in FOREIGN)
