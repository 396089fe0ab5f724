"""What every engine has to do, as tests: through the public names, in processes as they run for users."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from machinable.testing.laboratory import Laboratory, attempts, records

__all__ = ["EngineConformance"]

_SLOW = """
plan = Experiment().component("subject:Draw", {"seconds": float(sys.argv[1])}).repeat(int(sys.argv[2]))
execution = execute(plan, "results", engine(), seed=42)
tell(len([component.load_file("result.json") for component in execution.components]))
"""

_TOGETHER = """
open(f"ready-{sys.argv[3]}", "w").close()
while not all(os.path.exists(f"ready-{name}") for name in "ab"):
    time.sleep(0.005)
"""


class EngineConformance:
    """The promises of an engine. Derive a test class from it, and say which engine is meant:

        class TestMine(EngineConformance):
            engine = "mine:4"
            version = {"queue": "short"}
            unsupported = {"test_a_worker_that_is_killed_fails_its_component_alone": "runs in one process"}

    pytest collects it like any other class. Each test makes a project of its own and runs scripts in it, so engine and
    version have to be what a script can give to `get`.
    """

    #: The engine's name, as for `get`.
    engine: str = "native:2"
    #: Its version, of values that can be written down in Python.
    version: dict[str, Any] = {}
    #: What to add to the version so that a component whose process dies is started again once.
    retrying: dict[str, Any] = {"retries": 1}
    #: Why a promise does not hold for this engine, by the name of the test, which is then skipped with this reason.
    unsupported: dict[str, str] = {}
    #: How many components the large plan has; an even number.
    many: int = 200
    #: How many components the plans have that are disturbed while they run.
    some: int = 12
    #: Files of the project besides, as sources by name: the module of the engine, for instance.
    modules: dict[str, str] = {}
    #: Variables for the scripts.
    environment: dict[str, str] = {}
    #: How long anything is waited for, in seconds.
    patience_seconds: float = 60.0

    def setup_method(self, method: Any) -> None:
        """Skips what the engine does not promise."""
        self._laboratories: list[Laboratory] = []
        reason = self.unsupported.get(method.__name__)
        if reason is not None:
            import pytest  # type: ignore[import-not-found,unused-ignore]

            pytest.skip(f"{self.engine}: {reason}")

    def teardown_method(self, method: Any) -> None:
        """Ends what a failed test left running."""
        for lab in self._laboratories:
            lab.close()

    def laboratory(self, root: Path) -> Laboratory:
        """A project in `root`, with the module `subject`."""
        root = root / "project"
        root.mkdir()
        lab = Laboratory(
            root, self.engine, self.version, self.modules, self.environment, self.patience_seconds
        )
        self._laboratories.append(lab)
        return lab

    # --- what comes out

    def test_records_are_those_of_native(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        [facts, first_line] = lab.run("""
            plan = (
                Experiment()
                .component("subject:Draw", name="part")
                .component("subject:Total", uses={"part": "part"})
                .repeat(2)
                .component("subject:Walk", {"steps": 4})
                .component("subject:Draw", {"n": 7, "how": "chatter"}, name="chatter", resources={"cpus": 1})
            )
            execute(plan, "expected", "native", seed=42)
            execution = execute(plan, "results", engine(), seed=42)
            tell([execution.is_finished(), execution.is_started(), execution.is_failed(), execution.is_active()])
            tell(execution.output(execution.components[0]).splitlines()[0])
        """).told
        assert facts == [True, True, False, False] and first_line == "drawing 0"
        expected, found = (records(lab.root / name / "00000g") for name in ("expected", "results"))
        assert list(found) == list(expected), "there are other files"
        for path, content in expected.items():
            assert found[path] == content, f"{path} differs: {found[path]!r:.500} is not {content!r:.500}"
        assert lab.leftovers() == []

    def test_what_is_finished_is_not_run_again(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        outcome = lab.run("""
            for number in (2, 3):
                plan = Experiment().component("subject:Draw").repeat(number)
                execution = execute(plan, "results", engine(), seed=42)
                tell([component.reused for component in execution.components])
        """)
        assert outcome.told == [[False, False], [True, True, False]] and "2 reused" in outcome.errors
        assert len(lab.ran()) == len(set(lab.ran())) == 3

    def test_it_is_a_context_whose_launches_run_at_its_end(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        before, after, same = lab.run("""
            with engine() as execution:
                draws = [get("subject:Draw", {"n": n}).launch() for n in range(2)]
                total = get("subject:Total", uses={"part": draws[0]}).launch()
                tell([draw.status for draw in draws])
            tell([component.status for component in execution.components])
            tell(sum(draws[0].load_file("result.json")["draws"]) == total.load_file("total.json")["sum"])
        """).told
        assert (before, after, same) == (["pending"] * 2, ["finished"] * 3, True)

    def test_classes_and_functions_of_a_script_travel_by_value(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        told = lab.run("""
            tell("the top level")
            factor = 3
            twice = lambda value: 2 * value

            class Here(Component):
                Config = {"n": 1}

                def __call__(self):
                    self.save_file("n.json", twice(self.config.n) * factor)

            def make():
                secret = 100

                class Local(Component):
                    def __call__(self):
                        self.save_file("n.json", (lambda: secret)())

                return Local

            with engine() as execution:
                for n in (1, 2):
                    get(Here, {"n": n}).launch()
                get(make()).launch()
            tell([component.load_file("n.json") for component in execution.components])
        """).told
        assert told == ["the top level", [6, 12, 100]]

    def test_many_components_with_inputs(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        outcome = lab.run(
            """
            plan = Experiment().component("subject:Draw", name="part")
            plan = plan.component("subject:Total", uses={"part": "part"}).repeat(int(sys.argv[1]))
            execution = execute(plan, "results", engine(), seed=42)
            parts, totals = ([c for c in execution.components if hasattr(c.config, "how") == is_part]
                             for is_part in (True, False))
            for part, total in zip(parts, totals, strict=True):
                saved = total.load_file("total.json")
                assert saved == {"sum": sum(part.load_file("result.json")["draws"]), "of": part.id}
            tell(len(execution.components))
            """,
            str(self.many // 2),
        )
        assert outcome.told == [self.many] and f"{self.many} finished" in outcome.errors
        assert len(lab.ran()) == len(set(lab.ran())) == self.many
        assert set(map(tuple, lab.states().values())) == {("finished",)}

    # --- what goes wrong

    def test_a_failure_is_told_with_exception_and_log_and_blocks_its_users_alone(
        self, tmp_path: Path
    ) -> None:
        lab = self.laboratory(tmp_path)
        outcome = lab.run("""
            plan = (
                Experiment()
                .component("subject:Draw", {"n": 1, "how": "fail"}, name="bad")
                .component("subject:Draw", {"n": 2, "how": "leave"})
                .component("subject:Draw", {"n": 3, "how": "fail_badly"})
                .component("subject:Draw", {"n": 4}, name="good")
                .component("subject:Total", {"n": 1}, uses={"part": "bad"})
                .component("subject:Total", {"n": 2}, uses={"part": "good"})
            )
            try:
                execute(plan, "results", engine(), seed=42)
            except ExecutionFailed as error:
                tell(sorted(reason for _, _, reason in error.failures))
                tell(repr(error.__cause__) + str(error.__cause__))
            with Storage("results"):
                tell(sorted(c.status for c in get.by_id("00000g").components))
        """)
        assert outcome.told[0] == [
            "NeverPickled: it can not travel",
            "SystemExit: 4",
            "ValueError: asked to fail at 1",
            "blocked: its input 'part' failed",
        ]
        assert outcome.told[1], "the error has no cause"
        assert outcome.told[2] == ["failed"] * 3 + ["finished"] * 2, outcome.told[2]
        assert "2 finished, 3 failed, 1 blocked" in outcome.errors, outcome.errors
        ends = [attempts(path)[0][-1] for path in (lab.root / "results/00000g").glob("[!.]*")]
        told = {end["exception"]["type"] for end in ends if end["kind"] == "failed"}
        assert told == {"ValueError", "SystemExit", "NeverPickled"}
        logs = [path.read_text() for path in (lab.root / "results/00000g").glob("*/output.log")]
        [log] = [text for text in logs if "asked to fail at 1" in text]
        assert log.startswith("drawing 1\na warning\nTraceback"), log
        assert log.endswith("ValueError: asked to fail at 1\n"), log

    def test_what_failed_is_resumed_from_its_checkpoint_in_the_same_record(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        outcome = lab.run("""
            plan = (
                Experiment()
                .component("subject:Walk", {"fail_at": 3})
                .component("subject:Draw", {"how": "fail_once"}, name="part")
                .component("subject:Total", uses={"part": "part"})
                .component("subject:Draw", {"n": 5})
            )
            for _ in range(2):
                execution = execute(plan, "results", engine(), seed=42, raise_on_failure=False)
                tell([component.seed for component in execution.components])
                tell([[attempt["end"]["kind"] for attempt in c.executions] for c in execution.components])
                walk = execution.components[0]
                tell(walk.load_file("walk.json", default=None))
                tell([row["step"] for row in walk.record])
        """)
        seeds, kinds = outcome.told[:2]
        assert kinds == [["failed"], ["failed"], [], ["finished"]]
        assert "2 resumed" in outcome.errors
        assert outcome.told[4:] == [
            seeds,
            [["failed", "finished"], ["failed", "finished"], ["finished"], ["finished"]],
            {"path": [i * i + seeds[0] for i in range(6)], "resumed_at": 3},
            list(range(6)),
        ]

    def test_a_worker_that_is_killed_fails_its_component_alone(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        states, counts, first_line = lab.run("""
            plan = Experiment().component("subject:Draw", [{"n": 1}, {"n": 2, "how": "die"}, {"n": 3}, {"n": 4}])
            execution = execute(plan, "results", engine(), seed=42, raise_on_failure=False)
            tell([component.status for component in execution.components])
            tell([len(component.executions) for component in execution.components])
            tell(execution.components[1].output().splitlines()[0])
        """).told
        assert states.pop(1) in ("lost", "failed") and states == ["finished"] * 3
        assert counts == [1, 1, 1, 1], "nothing is tried again unasked"
        assert first_line == "drawing 2"

    def test_with_retries_what_was_killed_runs_again_and_what_raised_does_not(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        told = lab.run(
            """
            plan = Experiment().component("subject:Draw", [{"n": 1, "how": "die_once"}, {"n": 2, "how": "fail"}])
            more = json.loads(sys.argv[1])
            execution = execute(plan, "results", engine(**more), seed=42, raise_on_failure=False)
            tell([component.status for component in execution.components])
            tell([len(component.executions) for component in execution.components])
            """,
            json.dumps(self.retrying),
        ).told
        assert told == [["finished", "failed"], [2, 1]]

    # --- interruptions

    def test_ctrl_c_interrupts_what_runs_and_the_next_call_goes_on(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        process = lab.start(_SLOW, "50", "3")
        lab.until(lab.ran, "a component runs")
        os.kill(process.pid, signal.SIGINT)
        outcome = lab.end(process)
        assert outcome.code in (-signal.SIGINT, 130), str(outcome)
        self._go_on(lab)

    def test_cancel_from_another_process_interrupts_what_runs(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        process = lab.start(_SLOW, "50", "3")
        lab.until(lab.ran, "a component runs")
        code, output, errors = lab.command("cancel", "00000g", "--yes", "--storage", "results")
        assert code == 0, f"{output}\n{errors}"
        assert lab.end(process).code != 0
        lab.until(lambda: ["open"] not in lab.states().values(), "all that ran is interrupted")
        self._go_on(lab)

    def _go_on(self, lab: Laboratory) -> None:
        """Executes again, and checks that what was interrupted is resumed in the same records."""
        states = lab.states()
        begun = set(states)  # one that was interrupted before its first line is among them
        assert (
            begun and set(lab.ran()) <= begun and all(kinds == ["interrupted"] for kinds in states.values())
        ), states
        lab.hurry()
        assert lab.run(_SLOW, "50", "3").told == [3]
        for id_, kinds in lab.states().items():
            assert kinds == (["interrupted", "finished"] if id_ in begun else ["finished"]), lab.states()

    def test_a_coordinator_that_is_killed_and_started_again_runs_nothing_twice(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        process = lab.start(_SLOW, "0.05", str(self.some))
        few = max(2, self.some // 4)
        lab.until(lambda: _finished(lab) >= few or process.poll() is not None, "some components are finished")
        process.kill()
        lab.end(process)
        before = {id_ for id_, kinds in lab.states().items() if "finished" in kinds}
        assert before
        outcome = lab.run(_SLOW, "0.05", str(self.some))
        assert outcome.told == [self.some]
        assert all(lab.ran().count(id_) == 1 for id_ in before), "something finished ran again"
        assert all(kinds.count("finished") == 1 for kinds in lab.states().values()), lab.states()

    def test_two_coordinators_share_the_plan_and_both_have_all_results(self, tmp_path: Path) -> None:
        lab = self.laboratory(tmp_path)
        processes = [lab.start(_TOGETHER + _SLOW, "0.02", str(self.some), name) for name in "ab"]
        for process in processes:
            outcome = lab.end(process)
            assert outcome.code == 0 and outcome.told == [self.some], str(outcome)
        assert len(lab.ran()) == len(set(lab.ran())) == self.some
        assert set(map(tuple, lab.states().values())) == {("finished",)}


def _finished(lab: Laboratory) -> int:
    return sum("finished" in kinds for kinds in lab.states().values())
