"""The user's modules: where the project is, which class a name means, and which code was imported."""

from machinable.modules.importing import find_class, has_module, load_module, refuse_while_importing
from machinable.modules.naming import name_of, travels_by_value
from machinable.modules.project import find_root, settings
from machinable.modules.residence import activated
from machinable.modules.source import fingerprint

__all__ = [
    "activated",
    "find_class",
    "find_root",
    "fingerprint",
    "has_module",
    "load_module",
    "name_of",
    "refuse_while_importing",
    "settings",
    "travels_by_value",
]
