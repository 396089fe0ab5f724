"""What can stand where the cursor is in a command line that is being typed."""

from __future__ import annotations

import os
import re
import shlex

from machinable import context
from machinable.cli.commands import COMMANDS, load
from machinable.cli.methods import COMMON
from machinable.cli.options import SWITCHES, VALUED, Options
from machinable.engines import BUILT_IN, engine_names
from machinable.errors import MachinableError
from machinable.identity.ids import is_component_id
from machinable.modules.names import module_file, modules_of, split_target
from machinable.modules.outline import Outline, outline
from machinable.records.documents import load as load_document
from machinable.records.listing import is_execution_name, names_in
from machinable.records.record import META
from machinable.store.location import locate
from machinable.types import Status

__all__ = ["candidates"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Candidates = Iterable[tuple[str, str]]

_TAKES_IDS = ("status", "logs", "cancel", "code", "show", "diff", "rm")
_TAKES_MODULES = ("ls", "du", "rm", "execute", "help")
_CONTEXTS = ("scope", "storage", "project")
_VALUES = {"--status": [*map(str, Status)], "--engine": list(BUILT_IN), "--keep-best": []}
_WORDS = {"index": ("rebuild",), "completion": ("bash", "zsh", "fish")}
_NEWEST = 100
_OPTION = re.compile(r"^  (?:-\w, )?(--[a-z-]+)(?: \S+)*  +(.*)$", re.MULTILINE)


def candidates(line: str, word: str, options: Options) -> list[tuple[str, str]]:
    """The texts that may take the place of a word, each with what it is.

    Args:
        line: The command line up to the cursor.
        word: The last word as the shell sees it: for bash, what stands after the last `=` or `:`.
    """
    typed = _split(line)
    current = typed.pop() if typed else ""
    offset = len(current) - len(word) if current.endswith(word) else 0
    try:
        found = {
            name: told for name, told in _fitting(typed[1:], current, options) if name.startswith(current)
        }
    except (MachinableError, OSError, ValueError):
        return []  # nobody wants an error in the midst of typing
    return [(name[offset:], told) for name, told in found.items()]


def _split(line: str) -> list[str]:
    """The words of an unfinished line; the last one may be empty, or lack its closing quote."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return [*words, ""] if not closing and line[-1:].isspace() else words
    return line.split(" ")


def _fitting(before: list[str], current: str, options: Options) -> Iterator[tuple[str, str]]:
    before = _without_options(before, options)
    if before[-1:] and before[-1] in VALUED:
        return
    command = before[0] if before else None
    if command in COMMANDS:
        yield from _of_command(str(command), before[1:], current, options)
        return
    if command is None:
        if current.startswith("-"):
            yield from ((option, "") for option in (*VALUED, *SWITCHES))
            return
        yield from COMMANDS.items()
        yield "get", "run a module that has the name of a command"
    yield from _of_target(before[1:] if command == "get" else before, current, options)


def _without_options(before: list[str], options: Options) -> list[str]:
    """The words after the options of machinable itself, which are noted."""
    left = list(before)
    while left and left[0].startswith("-"):
        name, equals, value = left[0].partition("=")
        if name in VALUED:
            if not equals and len(left) == 1:
                return left
            value = value if equals else left[1]
            setattr(options, name[2:], value)
            del left[0]
            left = left if equals else left[1:]
        else:
            del left[0]
    return left


def _of_command(command: str, before: list[str], current: str, options: Options) -> Iterator[tuple[str, str]]:
    last = before[-1] if before else ""
    for name in VALUED:
        if name in before[:-1]:
            setattr(options, name[2:], before[before.index(name) + 1])
    if last in _VALUES:
        yield from ((value, "") for value in _VALUES[last])
        return
    if last in ("--sort", "--columns", "--where"):
        yield from _columns(before, current, options)
        return
    if last in VALUED or last == "--to":
        return  # a directory: the shell knows them
    if current.startswith("-"):
        yield from _OPTION.findall(load(command).HELP)
        return
    yield from ((word, "") for word in _WORDS.get(command, ()))
    if command == "help":
        yield from COMMANDS.items()
    if command in ("ls", "du", "rm"):
        yield from ((module, "module") for module in _stored_modules(_storage(options)))
    if command in ("execute", "help"):
        yield from _of_target(before, current, options)
    if command == "rm" and "--restore" in before:
        trash = names_in(os.path.join(_storage(options), META, "trash"))
        yield from ((name.partition(".")[0], "in the trash") for name in trash)
    elif command in _TAKES_IDS:
        yield from _ids(_storage(options), current)


def _of_target(before: list[str], current: str, options: Options) -> Iterator[tuple[str, str]]:
    """What can follow the targets typed so far: more of them, and what the last one takes."""
    root = _project(options)
    target = next((word for word in reversed(before) if _is_target(root, word)), None)
    found = outline(root, target) if target is not None else Outline()
    key, equals, _ = current.partition("=")
    if equals:
        yield from _values(root, key, found, options)
        return
    if current.startswith("--"):
        own = [*found.methods, *COMMON, "help"] if target is not None else ["launch", "help"]
        yield from ((f"--{name}", "method") for name in dict.fromkeys(own))
        return
    if current[:1] in ("@", "~"):
        yield from ((current[0] + name, "version") for name in found.versions)
        return
    for name, default in found.fields.items():
        yield f"{name}=", f"of {target}" if default is None else f"of {target}, {default!r} by default"
    yield from ((f"uses.{name}=", f"input of {target}") for name in found.uses)
    yield from ((f"@{name}", f"version of {target}") for name in found.versions)
    yield from ((name, "module") for name in modules_of(root))
    yield from ((name, "engine") for name in engine_names())
    yield from ((name, "context") for name in _CONTEXTS)


def _is_target(root: str, word: str) -> bool:
    if "=" in word or word[:1] in ("-", "@", "~", ""):
        return False
    name = split_target(word)[0].removesuffix(".py").replace("/", ".")
    return module_file(root, name) is not None


def _values(root: str, key: str, found: Outline, options: Options) -> Iterator[tuple[str, str]]:
    if key.startswith("uses."):
        yield from ((f"{key}={name}", "module") for name in modules_of(root))
        return
    default = found.fields.get(key)
    if isinstance(default, bool):
        yield from ((f"{key}={value}", "") for value in ("true", "false"))
    elif isinstance(default, (int, float, str)) and default not in ("", "???"):
        yield f"{key}={shlex.quote(str(default))}", "the default"


def _columns(before: list[str], current: str, options: Options) -> Iterator[tuple[str, str]]:
    """The configuration of a module that was named, and what is known of every component."""
    root = _project(options)
    for word in before:
        if _is_target(root, word):
            yield from ((name, f"configuration of {word}") for name in outline(root, word).fields)
    yield from (
        (name, "") for name in ("id", "module", "status", "seed", "trial", "started", "ended", "seconds")
    )


def _ids(root: str, current: str) -> Iterator[tuple[str, str]]:
    """Executions, then components: the newest of them as long as nothing is typed."""
    names = names_in(root)
    executions = [name for name in names if is_execution_name(name)]
    if "/" in current:
        home = current.partition("/")[0]
        inside = names_in(os.path.join(root, home)) if home in executions else []
        yield from ((f"{home}/{name}", "component") for name in inside if is_component_id(name))
        return
    components = [name for name in names if is_component_id(name) and name.startswith(current)]
    for few, kind in ((executions, "execution"), (components, "")):
        few = [name for name in few if name.startswith(current)]
        if len(few) > _NEWEST:
            few = sorted(few, key=lambda name: _modified(root, name), reverse=True)[:_NEWEST]
        yield from ((name, kind or _module(root, name)) for name in few)


def _modified(root: str, name: str) -> float:
    try:
        return os.stat(os.path.join(root, name)).st_mtime
    except OSError:
        return 0.0


def _module(root: str, name: str) -> str:
    try:
        return str(load_document(os.path.join(root, name, META, "component.json"))["request"]["module"])
    except (OSError, MachinableError, KeyError, TypeError):
        return "component"


def _stored_modules(root: str) -> list[str]:
    """The modules that have records, as the cache of shapes names them."""
    keys = names_in(os.path.join(root, META, "shapes"))
    return sorted({key.rpartition(".")[0] for key in keys if not key.startswith(".")})


def _project(options: Options) -> str:
    return (
        os.path.abspath(os.path.expanduser(options.project)) if options.project else context.current().root()
    )


def _storage(options: Options) -> str:
    if options.storage:
        return locate(options.storage)
    return context.current().directory()
