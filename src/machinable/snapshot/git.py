"""What Git says about a project: the files that belong to it, and the commit that it stands on."""

from __future__ import annotations

import os

from machinable.notices import notice
from machinable.snapshot.rules import Storages

__all__ = ["Tree", "ask"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Answer = Callable[[], bytes | None]

_SUBMODULE = b"160000"

# Set while Git runs a hook, where they name the repository of the hook.
_OTHER_REPOSITORY = {
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
}


class Tree:
    """The files of a project as paths with `/`, relative to its root, and the state of its repository."""

    __slots__ = ("branch", "changed", "commit", "tracked", "untracked")

    def __init__(self) -> None:
        self.tracked: set[bytes] = set()
        self.untracked: set[bytes] = set()
        self.commit: str | None = None  # None before the first one
        self.branch: str | None = None  # None at a detached head
        self.changed = False  # a tracked file differs from the commit


def ask(root: str, storages: Storages) -> Tree | None:
    """The project's part of the repository that it is in; None without Git, or where Git knows nothing of it.

    Repositories inside of it, submodules or not, are a part of it where they are checked out.
    """
    top = _repository(root)
    if top is None:
        return None
    tree = Tree()
    # A storage can hold more files than all code. This pattern, unlike a path, keeps Git from looking into it.
    inside = os.fsencode(os.path.relpath(root, top)).replace(os.fsencode(os.sep), b"/")
    paths = [path if inside == b"." else inside + b"/" + path for path in sorted(storages.given)]
    skipped = [
        "--exclude=/" + "".join(f"\\{c}" if c in "\\*?[ " else c for c in os.fsdecode(path)) for path in paths
    ]
    if not _add(tree, root, b"", storages, skipped) or not (tree.tracked or tree.untracked):
        return None  # also a project in a directory that the repository around it ignores
    return tree


def _repository(root: str) -> str | None:
    """The directory of the repository that `root` is in. Projects without Git do not pay for a process."""
    directory = root
    while not os.path.lexists(os.path.join(directory, ".git")):
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent
    return directory


def _add(tree: Tree, root: str, prefix: bytes, storages: Storages, skipped: Sequence[str] = ()) -> bool:
    """Adds the repository at `prefix`; whether Git could be asked."""
    others = [b":(exclude,literal)" + path for path in sorted(storages.given)] if not prefix else []
    directory = os.path.join(root, os.fsdecode(prefix))
    try:
        # Side by side: each takes some milliseconds.
        files = _start(
            directory, "ls-files", "-t", "-s", "-z", "--cached", "--others", "--exclude-standard", *skipped
        )
        state = _start(
            directory,
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=dirty",  # they are asked themselves
            "--no-renames",
            "--",
            ".",
            *map(os.fsdecode, others),
        )
    except OSError:
        return False  # no such command
    listed, told = files(), state()
    if listed is None:
        if not prefix:
            notice(
                f"Git can not read the repository of {root}; `git status` there says why.", once=f"git {root}"
            )
        return False
    inner = _read_files(tree, prefix, listed)
    if told is not None:
        _read_state(tree, told, outermost=not prefix)
    for path in sorted(inner):
        # A submodule that is not checked out is an empty directory of the outer repository.
        if not storages.are(path) and os.path.lexists(os.path.join(root, os.fsdecode(path), ".git")):
            _add(tree, root, path + b"/", storages)
    return True


def _start(directory: str, *arguments: str) -> Answer:
    """Starts Git. The answer is its output, or None if it failed. Raises OSError if there is no such command."""
    environment = {name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORY}
    # Without the lock that `git status` takes to refresh the index: nothing is written, and no commit is in its way.
    environment.update(GIT_OPTIONAL_LOCKS="0", LC_ALL="C")
    # Nor is a program run that the repository names, or a daemon started.
    command = ["git", "-c", "core.fsmonitor=false", "-C", directory, *arguments]
    return (_start_lightly if hasattr(os, "posix_spawnp") else _start_elsewhere)(command, environment)


def _start_lightly(command: list[str], environment: dict[str, str]) -> Answer:
    # Loading `subprocess` takes as long as all the rest of an unchanged project's snapshot.
    ours, theirs = os.pipe()
    try:
        actions = [
            (os.POSIX_SPAWN_DUP2, theirs, 1),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        process = os.posix_spawnp(command[0], command, environment, file_actions=actions)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)

    def answer() -> bytes | None:
        with open(ours, "rb", buffering=0) as stream:
            output = stream.readall()
        try:
            return None if os.waitpid(process, 0)[1] else output
        except ChildProcessError:
            return output  # whoever ignores SIGCHLD has the system collect it

    return answer


def _start_elsewhere(command: list[str], environment: dict[str, str]) -> Answer:
    import subprocess

    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet)

    def answer() -> bytes | None:
        output, _ = process.communicate()
        return None if process.returncode else output

    return answer


def _read_files(tree: Tree, prefix: bytes, listed: bytes) -> set[bytes]:
    """Adds the files that `git ls-files -t -s -z` lists; returns the repositories among them."""
    inner = set()
    for line in listed.split(b"\0"):
        if line.startswith(b"? "):
            path = prefix + line[2:]
            if path.endswith(b"/"):
                inner.add(path[:-1])
            else:
                tree.untracked.add(path)
        elif line:
            head, _, path = line.partition(b"\t")
            if head.split(b" ", 2)[1] == _SUBMODULE:
                inner.add(prefix + path)
            else:
                tree.tracked.add(prefix + path)
    return inner


def _read_state(tree: Tree, told: bytes, *, outermost: bool) -> None:
    """Reads `git status --porcelain=v2 --branch -z`."""
    for line in told.split(b"\0"):
        if line.startswith(b"# "):
            _, key, value = line.split(b" ", 2)
            if outermost and key == b"branch.oid" and value != b"(initial)":
                tree.commit = value.decode("ascii")
            elif outermost and key == b"branch.head" and value != b"(detached)":
                tree.branch = value.decode("utf-8", "backslashreplace")
        elif line:
            tree.changed = True
