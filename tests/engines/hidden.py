"""What holds on nodes that see neither the project nor the storage, whichever library they are of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from machinable import Experiment, Project, Storage, execute, get
from machinable.testing.laboratory import records
from machinable.types import Status
from tests.conftest import Workspace

WALK = """
    import os, time
    from machinable import Component, get
    from helpers.words import word

    class Walk(Component):
        Config = {"steps": 3, "fail_at": -1, "how": ""}
        checkpoint_seconds = 0

        def on_create(self):
            self.path = []

        def on_restore(self, directory):
            self.path = [int(x) for x in open(os.path.join(directory, "path")).read().split()]

        def on_save(self, directory):
            with open(os.path.join(directory, "path"), "w") as file:
                file.write(" ".join(map(str, self.path)))

        def on_execute_iteration(self, i):
            if i == self.config.steps:
                self.save_file("walk.json", {"path": self.path, "word": word})
                self.save_file("deep/er.txt", "text")
                return StopIteration
            print("step", i)
            if i == self.config.fail_at and len(self.executions) == 1:
                if self.config.how == "leave":
                    os._exit(3)
                raise ValueError("asked to fail")
            self.path.append(i)
            self.record["step"] = i

    class Total(Component):
        uses = {"walk": "walk:Walk"}

        def __call__(self):
            inner = get("walk:Walk", {"steps": 1}).launch()
            sums = [sum(walk.load_file("walk.json")["path"]) for walk in (self.uses["walk"], inner)]
            self.save_file("total.json", sums)
"""

SCRIPT = """
    import sys, time
    from machinable import Component, execute, get
    from helpers.words import word

    class Here(Component):
        def __call__(self):
            print(word, flush=True)
            self.save_file("begun.txt", "yes")
            open(sys.argv[1], "w").close()
            time.sleep(60)

    execute(get(Here), "storage", get({engine!r}, {version!r}), seed=42)
"""


def hiding(*directories: Path) -> list[str]:
    """What stands before a command whose process is not to see some directories: something empty lies over them."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("a mount namespace can not be made here: this needs root")
    mounts = " && ".join(f"mount -t tmpfs none '{path}'" for path in directories)
    return ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


def left_on_nodes(directory: str) -> list[str]:
    """What runs have left in the directory that the nodes of a cluster take for temporary files."""
    return [name for name in os.listdir(directory) if name.startswith("machinable-node-")]


class HiddenTests:
    """Derive it, with the fixtures `nodes` (engine, version and where the nodes have their temporary files) and
    `hidden` (a directory that nodes do not see)."""

    @pytest.fixture(autouse=True)
    def project(
        self,
        nodes: tuple[str, dict[str, Any], str],
        hidden: Path,
        request: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Any:
        self.engine, self.version, self.temporary = nodes
        root = hidden / request.node.name
        root.mkdir()
        self.project = Workspace(root)
        self.project.write("pyproject.toml", "[tool.machinable]\n")
        self.project.write("walk.py", WALK)
        self.project.write("helpers/words.py", "word = 'hello'")
        monkeypatch.chdir(root)
        with Project(root), Storage(root / "storage"):
            yield

    def run(self, plan: Experiment, **more: Any) -> Any:
        engine = get(self.engine, {**self.version, **more})
        return execute(plan, "results", engine, seed=42, raise_on_failure=False)

    def test_records_are_those_of_native(self) -> None:
        plan = (
            Experiment()
            .component("walk:Walk", [{"steps": 2}, {"steps": 3}])
            .component("walk:Total", uses={"walk": ["walk:Walk", {"steps": 4}]})
        )
        execute(plan, "expected", "native", seed=42)
        assert self.run(plan).is_finished()
        for part in ("00000g", "."):
            expected, found = (
                {path: content for path, content in records(root / part).items() if "00000g" not in path}
                for root in (self.project.root / "expected", self.project.root / "results")
            )
            assert list(found) == list(expected)
            for path, content in expected.items():
                assert found[path] == content, path
        assert left_on_nodes(self.temporary) == []

    def test_what_failed_there_goes_on_from_its_checkpoint(self) -> None:
        plan = Experiment().component("walk:Walk", {"fail_at": 2})
        [walk] = self.run(plan).components
        assert walk.status is Status.FAILED and "ValueError: asked to fail" in walk.output()
        (walk.local_directory() / "mine.txt").write_text("kept")
        [walk] = self.run(plan).components
        assert [attempt["end"]["kind"] for attempt in walk.executions] == ["failed", "finished"]
        assert walk.load_file("walk.json")["path"] == [0, 1, 2]
        assert walk.output().splitlines() == ["step 2"]
        assert [row["step"] for row in walk.record] == [0, 1, 2]
        assert walk.load_file("mine.txt") == "kept"

    def test_a_process_that_dies_there_costs_one_attempt(self) -> None:
        execution = self.run(
            Experiment().component("walk:Walk", [{"fail_at": 1, "how": "leave"}, {"steps": 2}])
        )
        assert [component.status for component in execution.components] == [Status.LOST, Status.FINISHED]
        assert "its " in execution.components[0].status_evidence
        execution = self.run(Experiment().component("walk:Walk", {"fail_at": 2, "how": "leave"}), retries=1)
        assert execution.is_finished()
        kinds = [attempt["end"]["kind"] for attempt in execution.components[0].executions]
        assert kinds == ["lost", "finished"]

    def test_classes_of_a_script_go_there_and_ctrl_c_brings_back_what_there_is(self, tmp_path: Path) -> None:
        begun = tmp_path / "begun"
        self.project.write("script.py", SCRIPT.format(engine=self.engine, version=self.version))
        process = subprocess.Popen(
            [sys.executable, "script.py", str(begun)],
            cwd=self.project.root,
            env=self.project.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        [directory] = (self.project.root / "storage").glob("[!.]???????????")
        component = get.from_directory(directory)
        assert component.status is Status.INTERRUPTED, errors
        assert component.output().startswith("hello\n") and component.load_file("begun.txt") == "yes"
        assert left_on_nodes(self.temporary) == []
