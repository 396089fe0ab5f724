"""What a component object tells and does, before and after its run."""

from __future__ import annotations

import pytest

from machinable import Field, Scope, get
from machinable.errors import ExecutionFailed, StorageError
from machinable.types import Status

JOB = """
    import os
    from machinable import Component


    class Job(Component):
        Config = {"x": 1, "y": 2}

        def __call__(self):
            print("running with", self.config.x)
            if os.path.exists("break"):
                raise ValueError("broken on purpose")
            self.save_file("x.json", self.config.x)
"""


@pytest.fixture
def job(workspace):
    workspace.write("job.py", JOB)
    return workspace


def test_states_and_how_they_are_known(job):
    component = get("job")
    assert (component.status, component.status_evidence) == (Status.PENDING, "there is no record")
    (job.root / "break").touch()
    with pytest.raises(ExecutionFailed):
        component.launch()
    assert component.status == "failed"
    assert component.status_evidence.startswith("attempt 1 says so, ")
    (job.root / "break").unlink()
    component.launch()
    assert component.status is Status.FINISHED
    assert component.status_evidence.startswith("attempt 2 says so, ")
    component.invalidate()
    assert component.status is Status.PENDING
    assert component.status_evidence.startswith("invalidated on ")


def test_invalidating_runs_it_again_in_the_same_directory(job):
    component = get("job").launch()
    directory = component.directory
    assert get("job").invalidate().cached() is False
    assert component.cached() is False
    again = get("job").launch()
    assert again.directory == directory
    assert [attempt["resumed_from"] for attempt in again.executions] == [None, None]


def test_invalidating_what_never_ran_changes_nothing(job):
    assert get("job").invalidate().status is Status.PENDING
    assert not job.storage.exists()


def test_deriving_puts_a_version_on_top(job):
    with Scope({"fold": 1}):
        base = get("job", {"x": 5})
        expected = get("job", {"x": 5, "y": 7}).id
    derived = base.derive({"y": 7})
    assert derived.id == expected
    assert derived.version() == [{"x": 5}, {"y": 7}]
    assert base.derive().id == base.id
    assert base.config.y == 2


def test_the_output_is_that_of_the_last_attempt(job):
    component = get("job")
    assert component.output() == ""
    (job.root / "break").touch()
    with pytest.raises(ExecutionFailed):
        component.launch()
    text = component.output()
    assert text.startswith("running with 1\nTraceback (most recent call last):\n")
    assert text.endswith("ValueError: broken on purpose\n")
    assert "machinable/component" not in text
    (job.root / "break").unlink()
    component.launch()
    assert component.output() == "running with 1\n"


def test_every_attempt_is_told_of(job):
    assert get("job").executions == []
    (job.root / "break").touch()
    with pytest.raises(ExecutionFailed):
        get("job").launch()
    (job.root / "break").unlink()
    first, second = get("job").launch().executions
    assert first["end"]["kind"] == "failed"
    assert first["end"]["exception"]["type"] == "ValueError"
    assert first["end"]["exception"]["message"] == "broken on purpose"
    assert "job.py" in first["end"]["exception"]["traceback"]
    assert second["end"]["kind"] == "finished" and second["end"]["seconds"] >= 0
    assert second["resumed_from"] == 1
    assert second["engine"] == "native"


def test_files_are_written_by_a_running_component_only(job):
    component = get("job").launch()
    with pytest.raises(StorageError, match="the component does not run"):
        component.save_file("more.json", 1)
    with pytest.raises(StorageError, match="the component does not run"):
        component.local_directory("more", create=True)
    assert component.load_file("more.json", default=None) is None
    with pytest.raises(FileNotFoundError):
        component.load_file("more.json")


@pytest.mark.parametrize("path", ["../x", "/tmp/x", ".machinable/x", "a/../../x", "link/x"])
def test_nothing_is_saved_outside_of_the_directory(job, path):
    job.write(
        "escapes.py",
        """
        import os
        from machinable import Component


        class Escapes(Component):
            Config = {"path": ""}

            def __call__(self):
                os.symlink("/tmp", self.local_directory("link"))
                self.save_file(self.config.path, "data")
        """,
    )
    with pytest.raises(ExecutionFailed) as failure:
        get("escapes", {"path": path}).launch()
    assert isinstance(failure.value.__cause__, StorageError)
    assert path in str(failure.value.__cause__)


def test_the_log_goes_to_the_output(job, capsys):
    job.write(
        "logs.py",
        """
        from machinable import Component


        class Logs(Component):
            def __call__(self):
                self.log.info("loss is %s", 0.5)
                self.log.warning("careful")
                self.log.debug("not shown")
                for _ in self.progress(range(3)):
                    pass
        """,
    )
    first, second = get("logs").launch().output().splitlines()
    assert first.endswith("INFO loss is 0.5") and second.endswith("WARNING careful")
    assert "INFO loss is 0.5" in capsys.readouterr().err


def test_the_record_is_a_table_that_others_read(job):
    job.write(
        "rows.py",
        """
        from machinable import Component, get


        class Rows(Component):
            def __call__(self):
                for epoch in range(3):
                    self.record["epoch"] = epoch
                    self.record["loss"] = 1 / (epoch + 1)
                    self.record.save()
                    seen = get("rows").record
                    assert len(seen) == epoch + 1
        """,
    )
    rows = get("rows").launch()
    assert rows.record.column("epoch") == [0, 1, 2]
    assert get.by_id(rows.id).record.latest == {"epoch": 2, "loss": 1 / 3}
    assert get("job").record.empty


def test_rows_of_a_failed_attempt_without_checkpoints_are_not_doubled(job):
    job.write(
        "rows.py",
        """
        import os
        from machinable import Component


        class Rows(Component):
            def __call__(self):
                for epoch in range(3):
                    self.record["epoch"] = epoch
                    self.record.save()
                if os.path.exists("break"):
                    raise ValueError
        """,
    )
    (job.root / "break").touch()
    with pytest.raises(ExecutionFailed):
        get("rows").launch()
    assert len(get("rows").record) == 3
    (job.root / "break").unlink()
    assert get("rows").launch().record.column("epoch") == [0, 1, 2]


def test_when_it_finished_and_how_long_it_took_is_known(job):
    component = get("job")
    assert component.finished_at is None and component.duration_seconds is None and component.reused is None
    component.launch()
    assert component.finished_at >= component.timestamp
    assert 0 <= component.duration_seconds < 60
    assert component.reused is False
    assert get("job").launch().reused is True


def test_a_component_shows_itself_in_one_line(job):
    component = get("job", {"x": 3})
    assert repr(component) == f"Job({component.id}, x=3) · pending"
    component.launch()
    assert repr(component) == f"Job({component.id}, x=3) · finished"


FIELDS = """
    from machinable import Component, Field


    class Train(Component):
        Config = {"lr": 0.1, "device": Field("cpu", identifying=False)}

        def __call__(self):
            self.save_file("device.txt", self.config.device)
"""


def test_a_non_identifying_field_does_not_count(job):
    job.write("train.py", FIELDS)
    done = get("train", {"device": "gpu"}).launch()
    assert done.load_file("device.txt") == "gpu"
    asked = get("train", {"device": "tpu"})
    assert asked.id == done.id and asked.cached()
    assert asked.config.device == "tpu"  # the one asked for
    assert asked.launch().load_file("device.txt") == "gpu"
    assert get("train").config.device == "cpu"
    assert Field is not None


def test_each_attempt_records_its_own_non_identifying_values(job):
    job.write("train.py", FIELDS)
    get("train", {"device": "gpu"}).launch()
    get("train", {"device": "tpu"}).invalidate().launch()
    again = get("train")
    assert [attempt["values"] for attempt in again.executions] == [{"device": "gpu"}, {"device": "tpu"}]
    assert again.load_file("device.txt") == "tpu"
    assert get.by_id(again.id).config.device == "tpu"
