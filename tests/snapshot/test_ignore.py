"""The patterns of `.gitignore`, beside what Git makes of them."""

from __future__ import annotations

import subprocess

import pytest

from machinable.snapshot.ignore import Ignore

from .conftest import Repository

PATTERNS = """\
# comment|\\#hash|\\!bang|!bang|trailing   |kept\\ |/top|dir/|a/b
a/**|**/b|a/**/c|*.py|*.p[yc]|[!a]x|[^a]x|[]x]y|[a-c]1|[c-a]1
[[:digit:]]z|[[:alpha:][:digit:]]w|[-a]q|[a-]q|[a\\]]r
[ab|\\[ab|a\\|b**c|***|?|??|/*|/**|**/|a?b|a[/]b|sp ace|é|[é]|foo.|(x)|a+b|^a|$b
"""
NAMES = [
    "#hash",
    "!bang",
    "trailing",
    "kept ",
    "top",
    "d/top",
    "dir",
    "a/b",
    "b",
    "a/x/c",
    "a/c",
    "x.py",
    "x.pc",
    "ax",
    "bx",
]
NAMES += [
    "xy",
    "]y",
    "b1",
    "1z",
    "zz",
    "1w",
    "-q",
    "aq",
    "]r",
    "ar",
    "[ab",
    "b/c",
    "bxc",
    "é",
    "foo.",
    "fooo",
    "(x)",
    "a+b",
]
NAMES += ["aab", "^a", "$b", "sp ace", "a", "ab"]


@pytest.mark.parametrize("pattern", PATTERNS.replace("\n", "|").split("|"))
def test_a_pattern_means_what_git_says(project: Repository, pattern: str) -> None:
    project.git("init", "-q")
    project.write({".gitignore": f"*\n!*/\n{pattern}\n" if pattern.startswith("!") else f"{pattern}\n"})
    text = (project.root / ".gitignore").read_bytes()
    asked = subprocess.run(
        ["git", "check-ignore", "-z", "--stdin", "--verbose", "--non-matching"],
        cwd=project.root,
        input="\0".join(NAMES).encode(),
        capture_output=True,
    )
    fields = asked.stdout.split(b"\0")
    ignored = {
        path
        for rule, path in zip(fields[2::4], fields[3::4], strict=False)
        if rule and not rule.startswith(b"!")
    }
    ours = set()
    for name in map(str.encode, NAMES):
        parts = name.split(b"/")
        ways = [(b"/".join(parts[:n]), n < len(parts)) for n in range(1, len(parts) + 1)]
        if any(Ignore(text).verdict(*way) for way in ways):
            ours.add(name)
    assert ours == ignored
