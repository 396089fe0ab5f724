"""Every fenced `python` and `sh` block of README.md and docs/*.md runs, page by page, in order.

The Python blocks of a page share one namespace, as the cells of a notebook do, and all run in a temporary
project that holds a copy of `examples/`. HTML comments directly above a block say what else it is:

    <!-- file: train.py -->     written to that file, whatever its language, instead of being run
    <!-- output -->             what the block before it prints, on both streams; see `matches`
    <!-- exit: 2 -->            a shell block that ends with this code
    <!-- raises: ValueError --> a Python block that ends with this exception
    <!-- skip: reason -->       not run
"""

from __future__ import annotations

import json
import linecache
import os
import re
import shutil
import subprocess
import sys
import textwrap
import traceback
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
DIRECTIVES = {"file", "output", "exit", "raises", "skip"}
RUN = {"python", "sh"}
MASKS = [
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), ""),
    (re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?"), "<time>"),
    (re.compile(r"<?\b\d+(\.\d+)? ?(µs|us|ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)\b"), "<duration>"),
]


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int  # of its first line of content, from 1
    language: str
    text: str
    directives: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> list[Block]:
    """The fenced blocks of a page, with the directives above each."""
    blocks: list[Block] = []
    directives: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        comment = re.fullmatch(r"\s*<!--\s*([a-z]+)\s*(?::\s*(.*?))?\s*-->\s*", line)
        fence = re.fullmatch(r"(\s*)(```+|~~~+)\s*([\w+-]*).*", line)
        if comment and comment[1] in DIRECTIVES:
            directives[comment[1]] = comment[2] or ""
        elif fence:
            content: list[str] = []
            for _, inner in lines:
                if inner.strip().startswith(fence[2]) and not inner.strip().strip(fence[2][0]):
                    break
                content.append(inner[len(fence[1]) :] if inner.startswith(fence[1]) else inner.lstrip())
            else:
                raise ValueError(f"{page}:{number}: this block has no end")
            blocks.append(Block(page, number + 1, fence[3], "\n".join(content) + "\n", directives))
            directives = {}
        elif line.strip() and directives:
            raise ValueError(f"{page}:{number}: the comment above is not followed by a fenced block")
    return blocks


def matches(expected: str, actual: str) -> bool:
    """Whether a block of output is what was printed.

    `...` stands for any text within a line and, alone on a line, for any number of lines. Times and durations
    count as equal, and so do trailing spaces.
    """
    pattern = ""
    for line in masked(expected):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in masked(actual))) is not None


def masked(text: str) -> list[str]:
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return [line.rstrip() for line in text.strip("\n").splitlines()]


class Runner:
    """Runs the blocks of one page in the working directory, in a process of its own."""

    def __init__(self) -> None:
        # A main module without a file: what a notebook and an interactive session have.
        self.main = types.ModuleType("__main__")
        sys.modules["__main__"] = self.main
        sys.path[0] = ""  # theirs is the working directory, not that of this file
        self.printed = ""

    def run(self, block: Block) -> str | None:
        """What is wrong with the block, if anything."""
        if "skip" in block.directives:
            return None if block.directives["skip"] else "a skipped block needs its reason"
        if "file" in block.directives:
            path = Path(block.directives["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif "output" in block.directives:
            if not matches(block.text, self.printed):
                return (
                    f"the page shows\n{indented(block.text)}\nbut this was printed:\n{indented(self.printed)}"
                )
        elif block.language in RUN:
            with open("../printed", "w+b") as file:
                problem = self.captured(block, file.fileno())
                file.seek(0)
                self.printed = file.read().decode("utf-8", "replace")
            return problem and f"{problem}\nIt printed:\n{indented(self.printed)}"
        return None

    def captured(self, block: Block, target: int) -> str | None:
        """Runs a block with its output, also that of child processes, in the file `target`."""
        saved = os.dup(1), os.dup(2)
        os.dup2(target, 1)
        os.dup2(target, 2)
        try:
            return self.python(block) if block.language == "python" else self.shell(block)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(saved, 1):
                os.dup2(copy, number)
                os.close(copy)

    def python(self, block: Block) -> str | None:
        expected = block.directives.get("raises")
        # The empty lines in front make line numbers in tracebacks those of the page.
        source = "\n" * (block.line - 1) + block.text
        name = f"<{block.page}, line {block.line}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            exec(compile(source, name, "exec"), self.main.__dict__)
        except BaseException as error:
            if expected and expected in {kind.__name__ for kind in type(error).__mro__}:
                print(f"{type(error).__name__}: {error}")
                return None
            return f"it raised\n{indented(traceback.format_exc())}"
        return f"it should have raised {expected}" if expected else None

    def shell(self, block: Block) -> str | None:
        expected = int(block.directives.get("exit", "0"))
        code = subprocess.run(
            ["sh", "-e", "-c", block.text], stdin=subprocess.DEVNULL, timeout=300
        ).returncode
        return None if code == expected else f"exit code {code}, expected {expected}"


def indented(text: str) -> str:
    return textwrap.indent(text.rstrip("\n"), "    ")


def run_page(page: str, path: str) -> None:
    """Run the blocks of a page in the working directory, and exit with 1 at the first that is wrong."""
    runner = Runner()
    for block in blocks_of(page, Path(path).read_text(encoding="utf-8")):
        if problem := runner.run(block):
            print(f"{block.where}: {problem}", file=sys.stderr)
            sys.exit(1)


def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has activated the virtual environment in which the tests run."""
    commands = tmp_path / "bin"
    commands.mkdir()
    call = "from machinable.cli import main; import sys; sys.argv[0] = 'machinable'; sys.exit(main())"
    for name, arguments in {"machinable": f' -c "{call}"', "python": "", "pytest": " -m pytest"}.items():
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec {json.dumps(sys.executable)}{arguments} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if not key.startswith("MACHINABLE_")}
    search = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **variables,
        "HOME": str(tmp_path),
        "NO_COLOR": "1",
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(search),
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_the_page_runs(page: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copytree(
        ROOT / "examples", project / "examples", ignore=shutil.ignore_patterns("storage", "__pycache__", ".*")
    )
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), page, str(ROOT / page)],
        cwd=project,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr or done.stdout


def test_directives_belong_to_the_block_below_them() -> None:
    page = "<!-- file: a.py -->\n```python\nx = 1\n```\n\n```sh\nls\n```\n<!-- output -->\n\n```\na.py\n```\n"
    blocks = blocks_of("page.md", page)
    assert [(block.language, block.line, block.directives) for block in blocks] == [
        ("python", 3, {"file": "a.py"}),
        ("sh", 7, {}),
        ("", 12, {"output": ""}),
    ]


def test_a_directive_without_a_block_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"page\.md:2"):
        blocks_of("page.md", "<!-- output -->\nSome text.\n")


def test_a_block_in_a_list_loses_its_indentation() -> None:
    (block,) = blocks_of("page.md", "- item\n  ```python\n  if x:\n      y\n  ```\n")
    assert block.text == "if x:\n    y\n"


def test_output_may_differ_in_times_and_where_dots_stand() -> None:
    assert matches("done in 3 s, id ...\n", "done in 0.02 s, id abc\n\n")
    assert matches("first\n...\nlast\n", "first\nmiddle\nlast\n")
    assert matches("at 2026-01-01 10:00\n", "at 2027-02-03 11:12\n")
    assert not matches("accuracy 0.95\n", "accuracy 0.96\n")
    assert not matches("one\n", "one\ntwo\n")


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


if __name__ == "__main__":
    run_page(*sys.argv[1:])
