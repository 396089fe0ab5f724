"""What a process pays: importing machinable, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from measure import Place, Row, interleaved, milliseconds
from subject import ENVIRONMENT, make_project

COMMAND = "import sys; from machinable.cli import main; sys.exit(main())"


def rows(place: Place, quick: bool) -> Iterator[Row]:
    project = make_project(place.path)
    script = os.path.join(os.path.dirname(sys.executable), "machinable")
    machinable = [script] if os.path.exists(script) else [sys.executable, "-c", COMMAND]
    storage = os.path.join(place.path, "storage")
    again = [*machinable, "--storage", storage, "noop", "x=-1", "--launch"]
    seconds = interleaved(
        {
            "bare": command([sys.executable, "-c", "pass"], project),
            "import": command([sys.executable, "-c", "from machinable import Component, get"], project),
            "version": command([*machinable, "version"], project),
            "launch": command([*machinable, "--storage", storage, "noop", "x={}", "--launch"], project),
            "again": command(again, project),
        },
        7 if quick else 21,
    )
    limits = {
        "import": ("from machinable import Component, get", 60),
        "version": ("machinable version", 60),
        "launch": ("machinable noop x=… --launch", 150),
    }
    bare = seconds["bare"]
    yield Row("python -c pass", "", milliseconds(bare))
    for name, (what, limit) in limits.items():
        more = 1e3 * (seconds[name] - bare)
        yield Row(f"{what}, ms more", "", f"{more:.0f} ms", more, limit)
    yield Row("  launched again", "", f"{1e3 * (seconds['again'] - bare):.0f} ms")


def command(words: list[str], project: str) -> Callable[[int], float]:
    """The seconds of a command, in whose words `{}` is the number of the round."""

    def run(number: int) -> float:
        filled = [word.replace("{}", str(number)) for word in words]
        start = time.perf_counter()
        done = subprocess.run(filled, cwd=project, env=ENVIRONMENT, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{' '.join(filled)}: exit code {done.returncode}\n{done.stderr}")
        return seconds

    return run
