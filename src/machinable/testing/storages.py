"""What every storage has to do, as tests: through the public names, on machines that share nothing but the storage."""

from __future__ import annotations

import shutil
from pathlib import Path

from machinable.testing.storage_faults import LAUNCH, StorageFaults

__all__ = ["StorageConformance"]


class StorageConformance(StorageFaults):
    """The promises of a storage. Derive a test class from it, and say which storage is meant by a fixture `url`:

        class TestMine(StorageConformance):
            @pytest.fixture
            def url(self, tmp_path):
                return f"mine://{tmp_path}"

    pytest collects it like any other class. Each test needs a storage that is empty, and makes a project of its own in
    which it runs pieces of Python on two "machines": processes with caches of their own (`MACHINABLE_CACHE`), that
    know of each other only by what is in the storage.
    """

    # --- found again

    def test_what_ran_is_found_from_elsewhere_and_not_run_again(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        [[first, numbers, reused]] = machines.run(LAUNCH)
        assert not reused
        for machine in ("here", "elsewhere"):
            assert machines.run(LAUNCH, machine) == [[first, numbers, True]]
        assert len((machines.root / "ran.txt").read_text().splitlines()) == 1

    def test_files_of_each_format_are_loaded_elsewhere(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        source = """
            import hashlib
            with Storage(url):
                files = get("subject:Files").launch()
                load = files.load_file
                tell([load("a.json"), load("a.jsonl"), load("a.csv"), load("a.txt"), list(load("a.p")["x"])])
                tell([hashlib.sha256(load(name)).hexdigest() for name in ("a.bin", "large.bin")])
                tell([load("deep/er/ü name #1 %20+&.txt"), len(load("empty.bin")), load("absent.json", default=7)])
                with open(files.local_directory("figures", "plot.svg")) as file:
                    tell(file.read())
                tell(sorted(os.listdir(files.local_directory("figures"))))
                try:
                    load("absent.json")
                except FileNotFoundError:
                    tell("absent")
        """
        told = machines.run(source)
        assert told[0] == [
            {"x": [1, 2.5, None, "ü"]},
            [{"x": 1}, {"x": 2}],
            [{"x": 1}, {"x": 2}],
            "text\n",
            [1, 2],
        ]
        assert told[2:] == [["odd", 0, 7], "<svg/>", ["plot.svg"], "absent"]
        assert machines.run(source, "elsewhere") == told

    def test_output_table_and_state_are_seen_elsewhere(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        (machines.root / "mended").touch()
        source = """
            with Storage(url):
                steps = get("subject:Steps").launch()
                draw = get("subject:Draw").launch()
                tell([steps.status, [row["total"] for row in steps.record], steps.load_file("total.json")])
                tell([draw.output(), draw.finished_at, draw.duration_seconds, draw.nickname, draw.seed])
        """
        told = machines.run(source)
        assert told[0] == ["finished", [0, 1, 3, 6, 10, 15], 15]
        assert told[1][0] == "drawing 0\n"
        assert machines.run(source, "elsewhere") == told

    def test_everything_is_listed_from_elsewhere(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run("""
            with Storage(url):
                for n in range(3):
                    get("subject:Draw", {"n": n}).launch()
                get("subject:Draw", {"n": 0, "how": "fail"})  # asked for, never launched
        """)
        source = """
            with Storage(url):
                found = get.all("subject:Draw")
                tell(sorted([each.config.n, each.status, each.id] for each in found))
                tell([each.id for each in get.all("subject:Draw", {"n": 1})])
                tell(get.by_id(found[0].id).id == found[0].id)
                tell(get.by_id("zzzzzzzzzzzz") is None)
        """
        told = machines.run(source)
        assert [row[:2] for row in told[0]] == [[n, "finished"] for n in range(3)]
        assert told[1] == [told[0][1][2]] and told[2:] == [True, True]
        assert machines.run(source, "elsewhere") == told

    def test_a_plan_is_found_and_extended_elsewhere(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        engine = '"native:2"' if self.between_processes else "None"
        source = f"""
            plan = Experiment().component("subject:Draw", grid(n=list(range(NUMBER))), name="draws").repeat(2)
            execution = execute(plan, storage=url, engine={engine}, seed=42)
            tell([execution.id, execution.is_finished(), sum(each.reused for each in execution.components)])
            tell([each.load_file("result.json") for each in execution.components][:2])
        """
        [state, numbers] = machines.run(source.replace("NUMBER", "1"))
        assert state == ["00000g", True, 0]
        [state, again] = machines.run(source.replace("NUMBER", "2"), "elsewhere")
        assert state == ["00000g", True, 2] and again == numbers
        assert "00000g" in machines.command("ls", machine="third", code=None) or self.between_processes

    def test_inputs_that_ran_elsewhere_are_used(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run("""
            with Storage(url):
                get("subject:Draw", {"n": 1}).launch()
        """)
        source = """
            with Storage(url):
                draws = {"one": get("subject:Draw", {"n": 1}), "two": get("subject:Draw", {"n": 2})}
                total = get("subject:Total", uses=draws).launch()
                tell([total.load_file("total.json"), sorted(total.inputs), sorted(each.id for each in draws.values())])
        """
        [[total, inputs, draws]] = machines.run(source, "elsewhere")
        assert inputs == draws
        assert machines.run(source) == [[total, inputs, draws]]
        assert len((machines.root / "ran.txt").read_text().splitlines()) == 2

    # --- failed, resumed, declared outdated, removed

    def test_what_failed_is_resumed_elsewhere_from_its_checkpoint(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        source = """
            with Storage(url):
                steps = get("subject:Steps")
                try:
                    steps.launch()
                except errors.ExecutionFailed as error:
                    tell(str(error.__cause__))
                tell([steps.id, steps.status])
        """
        message, [first, status] = machines.run(source)
        assert message == "told to" and status == "failed"
        (machines.root / "mended").touch()
        source = """
            with Storage(url):
                steps = get("subject:Steps").launch()
                tell([steps.id, steps.status, steps.load_file("total.json"), len(steps.executions)])
                tell([row["total"] for row in steps.record])
        """
        told = machines.run(source, "elsewhere")
        assert told == [[first, "finished", 15, 2], [0, 1, 3, 6, 10, 15]]
        assert machines.run(source) == told

    def test_a_failure_is_seen_elsewhere_with_its_traceback(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run("""
            with Storage(url):
                try:
                    get("subject:Draw", {"how": "fail"}).launch()
                except errors.ExecutionFailed:
                    pass
        """)
        [[status, output]] = machines.run(
            """
            with Storage(url):
                draw = get("subject:Draw", {"how": "fail"})
                tell([draw.status, draw.output()])
            """,
            "elsewhere",
        )
        assert status == "failed" and output.startswith("drawing 0\n") and "ValueError: told to" in output

    def test_what_is_declared_outdated_runs_anew(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run(LAUNCH)
        machines.run("""
            with Storage(url):
                get("subject:Draw", {"n": 3}).invalidate()
        """)
        [[_, _, reused]] = machines.run(LAUNCH, "elsewhere")
        assert not reused and len((machines.root / "ran.txt").read_text().splitlines()) == 2
        [[_, _, reused]] = machines.run(LAUNCH)
        assert reused

    def test_fresh_ones_of_the_same_request_are_numbered(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        source = """
            with Storage(url):
                tell(get.new("subject:Draw", {"n": 3}).launch().id)
        """
        made = [machines.run(source, machine)[0] for machine in ("here", "elsewhere", "here")]
        assert len(set(made)) == 3
        assert [machines.run(LAUNCH, machine)[0][0] for machine in ("here", "elsewhere")] == [made[-1]] * 2

    def test_what_is_removed_is_gone_elsewhere(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        [[removed, _, _]] = machines.run(LAUNCH)
        machines.run(LAUNCH, "elsewhere")
        machines.command("rm", "--yes", removed)
        look = 'with Storage(url): tell(get("subject:Draw", {"n": 3}).cached())'
        machines.until(lambda: machines.run(look, "elsewhere") == [False], "the end of a record")
        [[_, _, reused]] = machines.run(LAUNCH, "elsewhere")
        assert not reused

    # --- at the same time

    def test_of_concurrent_launchers_one_runs(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        source = """
            with Storage(url):
                draw = get("subject:Draw", {"n": 3, "how": "wait"})
                open(f"ready-{os.getpid()}", "w").close()
                while not os.path.exists("start"):
                    time.sleep(0.002)
                draw.launch()
                tell([draw.id, draw.load_file("result.json")])
        """
        steps = [machines.start(source, f"machine-{number % 3}") for number in range(self.racers)]
        machines.until(lambda: len(list(machines.root.glob("ready-*"))) == self.racers, "all launchers")
        (machines.root / "start").touch()
        machines.until((machines.root / "waiting").exists, "the one that runs")
        (machines.root / "hurry").touch()
        # Where nothing excludes others, some may find that the result is not theirs.
        told = [step.end(0 if self.excludes else None) for step in steps]
        assert told[0] if self.excludes else any(told)
        assert all(each == told[0] for each in told) or not self.excludes
        ran = (machines.root / "ran.txt").read_text().splitlines()
        if self.excludes:
            assert len(ran) == 1, ran
        else:
            assert any("concurrent" in step.output for step in steps), "nobody was told"
            [[_, numbers, _]] = machines.run(
                LAUNCH.replace('{"n": 3}', '{"n": 3, "how": "wait"}'), "elsewhere"
            )
            assert len(numbers) == 3

    def test_a_concurrent_launcher_that_is_killed_is_taken_over(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        source = LAUNCH.replace('{"n": 3}', '{"n": 3, "how": "wait"}')
        step = machines.start(source)
        machines.until((machines.root / "waiting").exists, "a component that runs")
        status = 'with Storage(url): tell(get("subject:Draw", {"n": 3, "how": "wait"}).status)'
        assert machines.run(status, "elsewhere") == ["running"]
        step.kill()
        (machines.root / "hurry").touch()
        [[_, numbers, reused]] = machines.run(source, "elsewhere")
        assert not reused and len(numbers) == 3
        assert machines.run(status) == ["finished"]

    # --- damage, and reading only

    def test_looking_writes_nothing(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run(LAUNCH)
        if not self.between_processes:
            return
        before = self.keys(url)
        machines.run(
            """
            with Storage(url):
                draw = get("subject:Draw", {"n": 3})
                tell([draw.cached(), draw.launch().reused, get("subject:Draw", {"n": 4}).cached()])
                tell([len(get.all()), draw.output(), draw.load_file("result.json")])
            """,
            "elsewhere",
        )
        assert self.keys(url) == before

    def test_half_a_record_does_not_spoil_the_rest(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        source = """
            with Storage(url):
                for n in range(3):
                    draw = get("subject:Draw", {"n": n}).launch()
                    tell([draw.id, draw.reused])
        """
        first = [id_ for id_, _ in machines.run(source)]
        if not self.between_processes:
            return
        self.remove_key(url, f"{first[1]}/result.json")
        told = machines.run(
            """
            with Storage(url):
                tell(len(get.all("subject:Draw")))
                for n in range(3):
                    draw = get("subject:Draw", {"n": n}).launch()
                    try:
                        tell(len(draw.load_file("result.json")))
                    except (FileNotFoundError, StorageError) as error:
                        tell(str(error))
                get("subject:Draw", {"n": 1}).invalidate()
                tell(len(get("subject:Draw", {"n": 1}).launch().load_file("result.json")))
            """,
            "elsewhere",
        )
        assert told[:2] == [3, 3] and told[3] == 3, told
        assert "result.json" in told[2] and "\n" not in told[2]
        assert told[4] == 3

    def test_nothing_is_left_half_made(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run(LAUNCH)
        if self.between_processes:
            hidden = [key for key in self.keys(url) if _is_hidden(key)]
            assert hidden == []

    # --- other storages

    def test_it_is_copied_to_a_directory_and_back(self, url: str, tmp_path: Path) -> None:
        machines = self.machines(tmp_path, url)
        machines.run(LAUNCH)
        copy = """
            from machinable.cli import main
            sys.exit(main(["sync", FROM, TO]))
        """
        machines.start(copy.replace("FROM", "url").replace("TO", '"copy"'), "elsewhere").end()
        here = LAUNCH.replace("url", '"copy"')
        [[first, numbers, reused]] = machines.run(here)
        assert reused
        machines.run('with Storage("copy"): get("subject:Draw", {"n": 4}).launch()')
        machines.start(copy.replace("FROM", '"copy"').replace("TO", "url")).end()
        shutil.rmtree(machines.root / "copy")
        fourth = LAUNCH.replace('"n": 3', '"n": 4')
        assert machines.run(fourth, "third")[0][2] is True
        assert machines.run(LAUNCH, "third") == [[first, numbers, True]]


def _is_hidden(key: str) -> bool:
    parts = key.split("/")
    return any(part.startswith(".") and part != ".machinable" for part in parts)
