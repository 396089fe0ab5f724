"""`machinable init`."""

from __future__ import annotations

import os

from machinable.cli.options import Options
from machinable.cli.output import note, place, say
from machinable.errors import ConfigurationError, ProjectError

__all__ = ["HELP", "run"]

HELP = """\
machinable init [DIRECTORY]

Makes a project of this directory (or the one named): adds [tool.machinable] to its pyproject.toml, and a small
example component. What is there already stays as it is.

Examples:
  machinable init
  machinable init my-project
"""

MODULE = "estimate_pi"

SETTINGS = """\
[tool.machinable]
# storage = "storage"         # where results are kept
# code_changed = "warn"       # what if a result was computed by older code: warn, error or off
"""

EXAMPLE = '''\
"""Estimates pi: the share of random points in a square that lies in its circle is pi/4."""

import random

from machinable import Component


class EstimatePi(Component):
    """Throws points at a square. `random` is seeded, so the same configuration gives the same estimate."""

    Config = {"samples": 100_000}

    def version_quick(self):
        return {"samples": 1_000}

    def __call__(self):
        hits = sum(random.random() ** 2 + random.random() ** 2 <= 1 for _ in range(self.config.samples))
        self.save_file("pi.json", {"estimate": 4 * hits / self.config.samples})

    def summary(self):
        print(f"pi is about {self.load_file('pi.json')['estimate']} ({self.config.samples} samples)")
'''


def run(words: list[str], options: Options) -> int:
    """Writes what a project needs, and nothing over what is there."""
    if len(words) > 1 or any(word.startswith("-") or "=" in word for word in words):
        raise ConfigurationError(
            f"machinable init takes the name of one directory at most, not {' '.join(words)!r}. "
            "Example: machinable init my-project"
        )
    directory = os.path.abspath(os.path.expanduser((words or [options.project or os.curdir])[0]))
    try:
        os.makedirs(directory, exist_ok=True)
        _write_settings(os.path.join(directory, "pyproject.toml"))
        example = os.path.join(directory, f"{MODULE}.py")
        _tell(example, "wrote" if _create(example, EXAMPLE) else "is there already, left as it is")
    except OSError as error:
        raise ProjectError(f"{error.filename or directory} can not be written: {error.strerror}.") from error
    note("Now run the example:")
    where = (
        ""
        if os.path.realpath(directory) == os.path.realpath(os.getcwd())
        else f"--project {place(directory)} "
    )
    note(f"  machinable {where}{MODULE} samples=10000 --launch --summary")
    return 0


def _write_settings(path: str) -> None:
    """Adds the table to a pyproject.toml, or makes one."""
    if _create(path, SETTINGS):
        return _tell(path, "wrote")
    import tomllib

    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    try:
        tools = tomllib.loads(text).get("tool", {})
        if "machinable" in tools:
            return _tell(path, "has [tool.machinable] already, left as it is")
        lines = "\r\n" if "\r\n" in text else "\n"
        addition = (lines * 2 if text and not text.endswith("\n") else lines) + SETTINGS.replace("\n", lines)
        tomllib.loads(text + addition)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(
            f"{path} can not be read as TOML ({error}), so it was left as it is. "
            "Mend it, or add [tool.machinable] by hand."
        ) from error
    with open(path, "a", encoding="utf-8", newline="") as file:
        file.write(addition)
    return _tell(path, "added [tool.machinable] to")


def _create(path: str, text: str) -> bool:
    """Writes a new file; False if there is one."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _tell(path: str, what: str) -> None:
    verb = what in ("wrote", "added [tool.machinable] to")
    say(f"{what} {place(path)}" if verb else f"{place(path)} {what}")
