"""The speed of the core: launching, asking again, growing, starting. See CONTRIBUTING.md.

    python benchmarks/core.py [--quick] [--only launch|ask|grow|start] [--disk DIR]

Prints a table, and exits with 1 if a limit is missed. Limits count on tmpfs, where figures are steady; those of the
disk stand beside them.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asking
import launching
import starting
from measure import Place, Row, print_header, print_rows

ROOT = Path(__file__).resolve().parent.parent
PARTS: dict[str, Callable[[Place, bool], Iterator[Row]]] = {
    "launch": launching.rows,
    "ask": asking.rows,
    "grow": asking.growth_rows,
    "start": starting.rows,
}


@contextmanager
def place(name: str, parent: Path, limited: bool) -> Iterator[Place]:
    """A new directory in `parent`, removed at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    path = tempfile.mkdtemp(prefix="benchmark-", dir=parent)
    try:
        yield Place(name, path, limited)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few rounds only")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument(
        "--disk", type=Path, default=ROOT / "storage", help="a directory on the disk to measure"
    )
    options = parser.parse_args()

    memory = Path("/dev/shm")
    has_memory = memory.is_dir() and os.access(memory, os.W_OK)
    print(
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs; medians of interleaved rounds"
    )
    passed = True
    for part in options.only or PARTS:
        print_header(part)
        for name, parent, limited in [("/dev/shm", memory, True), ("disk", options.disk, not has_memory)]:
            if (name == "/dev/shm" and not has_memory) or (name == "disk" and part == "start" and has_memory):
                continue
            with place(name, parent, limited) as where:
                passed = print_rows(PARTS[part](where, options.quick)) and passed
    print("\nall limits hold" if passed else "\nA LIMIT IS MISSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
