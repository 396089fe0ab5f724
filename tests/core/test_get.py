"""`get` and its relatives: from a request, an ID or a directory to the component that is meant."""

from __future__ import annotations

import shutil

import pytest

from machinable import Component, Execution, Scope, Storage, get
from machinable.errors import ConfigurationError, ProjectError, StorageError

JOB = """
    from machinable import Component


    class Job(Component):
        Config = {"x": 1, "deep": {"y": 2}}

        def __call__(self):
            self.save_file("x.json", self.config.x)

        def version_big(self):
            return {"x": 100}
"""


@pytest.fixture
def job(workspace):
    workspace.write("job.py", JOB)
    workspace.write("other.py", JOB.replace("Job", "Other"))
    return workspace


def test_a_class_or_its_name_ask_for_the_same(job):
    assert get(get.class_of("job"), {"x": 2}).id == get("job", {"x": 2}).id == get("job:Job", {"x": 2}).id


def test_the_class_of_a_name_is_had_without_configuring_it(job):
    assert get.class_of("job").__name__ == "Job"
    assert issubclass(get.class_of("native"), Execution)
    assert get.class_of("scope") is Scope
    with pytest.raises(ProjectError, match="There is no module 'jab'"):
        get.class_of("jab")
    with pytest.raises(ProjectError, match="int is not a component"):
        get.class_of(int)
    with pytest.raises(ProjectError, match="3 is not a name of a module"):
        get.class_of(3)


def test_versions_say_the_same_in_every_form(job):
    ids = {
        get("job", version).id
        for version in ({"x": 100}, "~big", "@big", [{"x": 3}, "~big"], ["~big", None], [{"x": 100}])
    }
    assert len(ids) == 1


def test_get_new_is_fresh_each_time_it_was_launched(job):
    first = get("job").launch()
    second = get.new("job")
    assert second.id != first.id and second.seed != first.seed and not second.cached()
    assert second.config == first.config
    second.launch()
    assert get("job").id == second.id  # the newest
    third = first.new().launch()
    assert get("job").id == third.id not in (first.id, second.id)
    assert get.by_id(first.id).load_file("x.json") == 1


def test_get_new_writes_nothing(job):
    assert not get.new("job").cached()
    assert not job.storage.exists()


def test_get_all_filters_by_values_with_dotted_keys(job):
    for version in ({"x": 1}, {"x": 2}, {"x": 2, "deep.y": 5}):
        get("job", version).launch()
    get("other", {"x": 2}).launch()
    with Scope({"fold": 1}):
        get("job", {"x": 2}).launch()
    get("job", {"x": 2}, seed=3).launch()
    assert len(get.all()) == 6
    assert len(get.all("job")) == 5
    assert len(get.all("job", {"x": 2})) == 4
    assert [c.config.deep.y for c in get.all("job", {"deep.y": 5})] == [5]
    assert get.all("job", {"deep": {"y": 5}, "x": 2}).first().config.x == 2
    assert get.all("job", {"x": 9}) == []
    with pytest.raises(ConfigurationError, match="No job has or had a configuration key 'nothing'"):
        get.all("job", {"nothing": 1})
    assert get.all("job", {"x": 2}).map(lambda c: c.load_file("x.json")) == [2, 2, 2, 2]


def test_get_all_finds_unfinished_ones_and_orders_by_time(job):
    job.write(
        "fails.py",
        """
        from machinable import Component

        class Fails(Component):
            def __call__(self):
                raise ValueError
        """,
    )
    with pytest.raises(Exception, match="ValueError"):
        get("fails").launch()
    get("job").launch()
    assert [c.module for c in get.all()] == ["fails", "job"]
    assert str(get.all("fails").first().status) == "failed"


def test_get_all_shows_itself_as_a_table_of_what_varies(job):
    get("job").launch()
    get("job", {"x": 2}).launch()
    header, *rows = repr(get.all("job")).splitlines()
    assert "x" in header.split() and "deep" not in header
    assert sorted(row.split()[header.split().index("x")] for row in rows) == ["1", "2"]
    assert all("finished" in row for row in rows)
    assert "<table>" in get.all("job")._repr_html_()
    assert repr(get.all("other")) == "no components"


def test_get_all_names_damaged_records_and_leaves_them_out(job, capsys):
    kept, damaged = get("job").launch(), get("job", {"x": 2}).launch()
    (damaged.local_directory() / ".machinable" / "component.json").write_text("[]")
    assert [c.id for c in get.all("job")] == [kept.id]
    assert damaged.id in capsys.readouterr().err


def test_get_all_of_an_absent_storage_is_empty(job):
    assert get.all() == []
    assert not job.storage.exists()


def test_cached_gives_finished_ones_only(job):
    assert get.cached("job") is None
    with pytest.raises(
        StorageError, match=r"job \w{12} is not finished \(pending: .*Run it with .launch\(\)"
    ):
        get.cached_or_fail("job")
    done = get("job").launch()
    assert get.cached("job").id == get.cached_or_fail("job").id == done.id
    with pytest.raises(ConfigurationError, match="scope is not a component"):
        get.cached("scope")


def test_a_component_is_found_by_its_id_or_a_prefix_of_it(job):
    done = get("job", {"x": 4}).launch()
    for text in (done.id, done.id[:5], done.id[:1]):
        found = get.by_id(text)
        assert type(found) is type(done)
        assert (found.id, found.config.x, found.seed) == (done.id, 4, done.seed)
        assert found.identity == done.identity
    assert get.by_id("zzzzzzzzzzzz") is None
    assert get.by_id("no/such") is None
    assert get.by_id("../..") is None
    with pytest.raises(ConfigurationError, match="is not an ID"):
        get.by_id("")


def test_an_ambiguous_prefix_is_an_error_that_names_the_candidates(job):
    ids: dict[str, str] = {}
    for x in range(80):
        component = get("job", {"x": x})
        if component.id[0] in ids:
            break
        ids[component.id[0]] = component.launch().id
    component.launch()
    with pytest.raises(ConfigurationError, match="2 components have an ID that begins with") as error:
        get.by_id(component.id[0])
    assert component.id in str(error.value) and ids[component.id[0]] in str(error.value)


def test_a_component_found_by_its_id_is_launched_under_its_own_request(job):
    with Scope({"fold": 1}):
        done = get("job", {"x": 4}, seed=9).launch()
    found = get.by_id(done.id)
    assert found.launch().reused
    found.invalidate()
    again = get.by_id(done.id).launch()
    assert (again.id, again.directory, len(again.executions)) == (done.id, done.directory, 2)


def test_a_component_is_had_from_its_directory_wherever_it_lies(job, tmp_path):
    done = get("job", {"x": 4}).launch()
    assert get.from_directory(done.directory).id == done.id
    shutil.copytree(job.storage, tmp_path / "copy")
    found = get.from_directory(tmp_path / "copy" / done.id)
    assert found.load_file("x.json") == 4
    assert found.directory == str(tmp_path / "copy" / done.id)
    with Storage(tmp_path / "copy"):
        assert get("job", {"x": 4}).launch().reused
    with pytest.raises(StorageError, match="is not the directory of a component"):
        get.from_directory(tmp_path)


def test_a_component_that_an_execution_ran_is_found_by_its_id(job):
    with Execution() as execution:
        get("job").launch()
    found = get.by_id(get("job").id)
    assert execution.components[0].id == found.id


def test_records_of_classes_that_are_gone_are_shown_all_the_same(job):
    done = get("job", {"x": 4, "deep.y": 7}).launch()
    (job.root / "job.py").unlink()
    told = job.python(
        f"""
        from machinable import Component, Storage, get
        with Storage("storage"):
            found = get.by_id("{done.id}")
            print(type(found) is Component, found.module, found.config.x, found.config.deep.y)
            print(found.load_file("x.json"))
            print(len(get.all()), found.status, found.seed)
        """
    )
    assert told.stdout == f"True job 4 7\n4\n1 finished {done.seed}\n"


@pytest.mark.parametrize("arguments", [{"uses": {"a": "job"}}, {"seed": 3}])
def test_what_is_no_component_has_neither_inputs_nor_a_seed_of_one(job, arguments):
    with pytest.raises(ConfigurationError, match="scope is not a component"):
        get("scope", {"a": 1}, **arguments)


def test_asking_for_a_component_writes_nothing(job):
    component = get("job")
    assert (component.status, component.cached(), component.output(), component.executions) == (
        "pending",
        False,
        "",
        [],
    )
    assert component.directory is None and isinstance(component, Component)
    assert get.by_id(component.id) is None
    assert not job.storage.exists()
