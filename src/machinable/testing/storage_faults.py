"""What a storage has to do when it can not be written: nothing is lost, and the next launch sends what is missing."""

from __future__ import annotations

import textwrap
from pathlib import Path

from machinable.testing.storage_suite import StorageSuite

__all__ = ["LAUNCH", "StorageFaults"]

#: Runs a component, unless it ran, and tells its ID, its numbers and whether they were there.
LAUNCH = """
with Storage(url):
    draw = get("subject:Draw", {"n": 3}).launch()
    tell([draw.id, draw.load_file("result.json"), draw.reused])
"""


class StorageFaults(StorageSuite):
    """The tests of faults, for storages that know how to be disturbed: see `outage`."""

    def test_results_survive_a_server_that_is_down(self, url: str, tmp_path: Path) -> None:
        self._survives("down", url, tmp_path)

    def test_results_survive_a_server_that_is_busy(self, url: str, tmp_path: Path) -> None:
        self._survives("busy", url, tmp_path)

    def test_results_survive_connections_that_break(self, url: str, tmp_path: Path) -> None:
        self._survives("cut", url, tmp_path)

    def test_results_survive_credentials_that_expire(self, url: str, tmp_path: Path) -> None:
        self._survives("refused", url, tmp_path)

    def _survives(self, how: str, url: str, root: Path) -> None:
        """Fails the upload of what ran; the next launch sends it, and runs nothing."""
        machines = self.machines(root, url)
        source = LAUNCH.replace('{"n": 3}', '{"n": 3, "how": "wait"}')
        step = machines.start(f"""
            try:
                {textwrap.indent(source.strip(), " " * 16).strip()}
            except MachinableError as error:
                tell(str(error))
        """)
        machines.until((machines.root / "waiting").exists, "a component that runs")
        heal = self.outage(url, how)
        assert heal is not None
        try:
            (machines.root / "hurry").touch()
            [message] = step.end()
            assert isinstance(message, str), "the launch says that all is well"
        finally:
            heal()
        [[_, numbers, _]] = machines.run(source)
        assert len((machines.root / "ran.txt").read_text().splitlines()) == 1
        [[_, found, reused]] = machines.run(source, "elsewhere")
        assert reused and found == numbers
