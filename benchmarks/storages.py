"""The speed of storages elsewhere: a sweep that writes to S3, and the same sweep asked for again. See CONTRIBUTING.md.

    python benchmarks/storages.py [--quick]

Against SeaweedFS on loopback. 100 components of 5 small files each run under `native:4`, and beside it obstore itself
writes the same 500 objects: from four processes that stay (each sends the five of a component at the same time), from
four that are forked for each five, and from four threads, an object at a time. Each round runs in a new Python, whose
imports are not counted; obstore's client is made before any fork, as machinable does. Then requests are counted, by a
proxy, for a finished sweep of 1,000 that another machine asks for.
Exits with 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from measure import Row, against, interleaved, milliseconds, print_header, print_rows

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the servers are those of the tests

from tests.servers.proxy import proxy  # noqa: E402
from tests.servers.s3 import BUCKET, KEY, SECRET, S3Server, seaweed  # noqa: E402

COUNT, FILES, AT_ONCE, ASKED = 100, 5, 4, 1000
LIMIT, LIMIT_OF_REQUESTS = 1.5, 3.0

SUBJECT = f"""
from machinable import Component

class Small(Component):
    Config = {{"n": 0}}

    def __call__(self):
        for i in range({FILES}):
            self.save_file(f"{{i}}.json", {{"n": self.config.n, "i": i}})
"""

MACHINABLE = f"""
import sys, time
import machinable.executing
from machinable import Experiment, execute, get, grid

plan = Experiment().component("small", grid(n=list(range({COUNT}))))
began = time.perf_counter()
engine = get("native:{AT_ONCE}", {{"reuse_processes": sys.argv[2] == "workers"}})
execute(plan, storage=sys.argv[1], engine=engine, seed=1)
print(time.perf_counter() - began)
"""

OBSTORE = f"""
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor

prefix, how = sys.argv[1].split("/", 3)[3], sys.argv[2]
data = [json.dumps({{"n": n, "i": i}}).encode() for n in range({COUNT}) for i in range({FILES})]
names = [f"{{n:012d}}/{{i}}.json" for n in range({COUNT}) for i in range({FILES})]

def connect():
    global obstore, store
    import obstore
    from obstore.store import S3Store
    store = S3Store({BUCKET!r}, prefix=prefix, endpoint=os.environ["AWS_ENDPOINT_URL"], region="us-east-1",
                    access_key_id={KEY!r}, secret_access_key={SECRET!r}, client_options={{"allow_http": True}})

def put(index):
    obstore.put(store, names[index], data[index])

began = time.perf_counter()
if how == "threads":
    connect()
    with ThreadPoolExecutor({AT_ONCE}) as pool:
        list(pool.map(put, range(len(names))))
else:
    connect()  # sends nothing, so that it can be handed on by a fork

    def component(number, pool):
        list(pool.map(put, range(number * {FILES}, (number + 1) * {FILES})))

    def child(numbers):
        pid = os.fork()
        if pid == 0:
            with ThreadPoolExecutor({FILES}) as pool:
                for number in numbers:
                    component(number, pool)
            os._exit(0)

    waiting = [range(k, {COUNT}, {AT_ONCE}) for k in range({AT_ONCE})] if how == "processes" else [
        [number] for number in range({COUNT})
    ]
    alive = 0
    while waiting or alive:
        while waiting and alive < {AT_ONCE}:
            child(waiting.pop())
            alive += 1
        os.wait()
        alive -= 1
print(time.perf_counter() - began)
"""

ASK = f"""
import sys, time
import machinable.executing
from machinable import Experiment, Storage, execute, get, grid

began = time.perf_counter()
if sys.argv[2] == "execute":
    execute(Experiment().component("small", grid(n=list(range({ASKED})))), storage=sys.argv[1], seed=1)
else:
    with Storage(sys.argv[1]):
        for n in range({ASKED}):
            assert get("small", {{"n": n}}).launch().reused
print(time.perf_counter() - began)
"""

FILL = f"""
import sys
from machinable import Experiment, Storage, execute, get, grid
from machinable.copying.copying import copy_storage
from machinable.store.location import locate

execute(Experiment().component("small", grid(n=list(range({ASKED})))), storage="filled", seed=1)
with Storage("filled"):
    for n in range({ASKED}):
        get("small", {{"n": n}}).launch()
print(copy_storage(locate("filled"), locate(sys.argv[1])).copied)
"""


class Scripts:
    """A project, and processes that run in it."""

    def __init__(self, directory: str, server: S3Server) -> None:
        self._directory = Path(directory)
        self._server = server
        (self._directory / "pyproject.toml").write_text("[tool.machinable]\n")
        (self._directory / "small.py").write_text(SUBJECT)
        self._count = 0

    def seconds(self, source: str, *arguments: str, endpoint: str | None = None) -> float:
        """What a script prints last; each has a cache of its own, as another machine has."""
        self._count += 1
        script = self._directory / f"script{self._count}.py"
        script.write_text(textwrap.dedent(source))
        environment = {
            **os.environ,
            **self._server.environment(endpoint),
            "PYTHONPATH": str(ROOT / "src"),
            "MACHINABLE_CACHE": str(self._directory / f"cache{self._count}"),
        }
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            cwd=self._directory,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return float(done.stdout.split()[-1])


def writing(scripts: Scripts, quick: bool) -> Iterator[Row]:
    """A sweep of small components, against its files alone."""

    def url(number: int, name: str) -> str:
        return f"s3://{BUCKET}/{name}-{number}-{os.urandom(3).hex()}"

    rounds = 2 if quick else 5
    tasks = {
        **{
            f"machinable, {how}": lambda number, how=how: scripts.seconds(MACHINABLE, url(number, how), how)
            for how in ("processes", "workers")
        },
        **{
            f"obstore, {how}": lambda number, how=how: scripts.seconds(OBSTORE, url(number, f"o{how}"), how)
            for how in ("processes", "forks", "threads")
        },
    }
    medians = interleaved(tasks, rounds)  # type: ignore[arg-type]
    where = "SeaweedFS"
    for how, words in [
        ("processes", "4 processes"),
        ("forks", "a fork for each 5"),
        ("threads", "4 threads"),
    ]:
        yield Row(f"obstore, 500 objects, {words}", where, milliseconds(medians[f"obstore, {how}"]))
    # Each against obstore in as many processes, started as often.
    for how, floor, words in [
        ("processes", "forks", "a process for each"),
        ("workers", "processes", "workers that are kept"),
    ]:
        seconds, least = medians[f"machinable, {how}"], medians[f"obstore, {floor}"]
        yield Row(
            f"100 components of 5 files, native:4, {words}",
            where,
            against(seconds, least, milliseconds),
            seconds / least,
            LIMIT,
            counts=how == "processes",  # claims and ends are two requests more: 1.4 × the floor by themselves
        )


def asking(scripts: Scripts, server: S3Server) -> Iterator[Row]:
    """Requests for what is finished."""
    url = f"s3://{BUCKET}/asked-{os.urandom(3).hex()}"
    scripts.seconds(FILL, url)
    with proxy(server.endpoint) as between:
        for how in ("execute", "get"):
            between.heal()
            seconds = scripts.seconds(ASK, url, how, endpoint=between.endpoint)
            kinds = Counter(request.split()[0] for request in between.requests)
            per = len(between.requests) / ASKED
            yield Row(
                f"{ASKED} finished components asked again, {how}",
                "SeaweedFS",
                f"{per:.2f} requests each, {seconds:.1f} s",
                per,
                LIMIT_OF_REQUESTS,
            )
            print(f"    {json.dumps(kinds)}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few rounds only")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} CPUs; medians of interleaved rounds"
    )
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, seaweed() as server:
        scripts = Scripts(directory, server)
        print_header("storages")
        passed = print_rows(writing(scripts, options.quick))
        passed = print_rows(asking(scripts, server)) and passed
    print("\nall limits hold" if passed else "\nA LIMIT IS MISSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
