"""What the benchmarks run in processes of their own: `child.py VERB PROJECT STORAGE FIRST COUNT`.

launch   launches components FIRST to FIRST + COUNT - 1
ask      asks for them again and prints the seconds this took, without the import of machinable
opened   asks for FIRST + 1 after FIRST, and prints which of its files were opened
read     reads and parses the files named on standard input, and prints the seconds this took
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(verb: str, project: str, storage: str, first: int, count: int) -> None:
    if verb == "read":
        paths = sys.stdin.read().split()
        start = time.perf_counter()
        read(paths)
        print(time.perf_counter() - start)
        return

    from machinable import Project, Storage, get

    with Project(project), Storage(storage):
        start = time.perf_counter()
        if verb == "launch":
            for number in range(first, first + count):
                get("noop", {"x": number}).launch()
        elif verb == "ask":
            for number in range(first, first + count):
                get("noop", {"x": number}).load_file("result.json")
            print(time.perf_counter() - start)
        elif verb == "opened":
            get("noop", {"x": first}).load_file("result.json")
            opened: list[str] = []
            sys.addaudithook(
                lambda event, arguments: opened.append(arguments[0]) if event == "open" else None
            )
            found = get("noop", {"x": first + 1})
            found.load_file("result.json")
            record = os.path.abspath(found.local_directory())
            names = {
                os.path.relpath(name, record)
                for name in opened
                if isinstance(name, str) and os.path.isfile(name)
            }
            print(*sorted(name for name in names if not name.startswith("..")))


def read(paths: list[str]) -> None:
    """Parse every JSON document in these files."""
    for path in paths:
        with open(path, encoding="utf-8") as file:
            if path.endswith(".jsonl"):
                for text in file:
                    json.loads(text)
            else:
                json.load(file)


if __name__ == "__main__":
    verb, project, storage, first, count = sys.argv[1:]
    main(verb, project, storage, int(first), int(count))
