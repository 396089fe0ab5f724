"""`machinable preempt` on this machine: a component saves, is started again, and goes on in the same record."""

from __future__ import annotations

import time
from pathlib import Path

from machinable import execute, get
from tests.conftest import Workspace

LOOP = """
    import time
    from machinable import Component

    class Loop(Component):
        Config = {"saves": True}
        def on_create(self):
            self.resumed = False
        def on_execute_iteration(self, i):
            open("looping", "w").close()
            time.sleep(0.01)
            if self.resumed:
                self.save_file("from.json", i)
                raise StopIteration
        def on_save(self, directory):
            open(f"{directory}/at", "w").close()
        def on_restore(self, directory):
            self.resumed = True
"""


def test_native_starts_it_again_from_its_checkpoint(workspace: Workspace) -> None:
    workspace.write("loop.py", LOOP)
    execution = execute("loop", workspace.storage, "native:1", wait=False)
    end = time.monotonic() + 30
    while not Path("looping").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    done = workspace.command("preempt", str(execution.id))
    assert done.returncode == 0 and "preempted" in done.stdout, done.stderr
    assert execution.wait().is_finished()
    component = execution.components[0]
    assert [attempt["end"]["kind"] for attempt in component.executions] == ["interrupted", "finished"]
    assert component.load_file("from.json") > 0
    nothing = workspace.command("preempt", str(execution.id))
    assert nothing.returncode == 2 and "Nothing of" in nothing.stderr
    assert get("loop").status == "pending"
