"""Lineage: what a result was made from and what was made from it, by declaration and by observation."""

from __future__ import annotations

import shutil

import pytest

from machinable import Experiment, execute, get
from machinable.errors import StorageError
from tests.core.test_uses import DATA, MODEL

REPORT = """
    from machinable import Component, get


    class Report(Component):
        Config = {"title": ""}

        def __call__(self):
            model = get("model").launch()
            self.save_file("report.json", sum(model.load_file("model.json")))
"""


@pytest.fixture
def modules(workspace):
    workspace.write("data.py", DATA)
    workspace.write("model.py", MODEL)
    workspace.write("report.py", REPORT)
    return workspace


def links(graph, relation):
    return {(link["source"], link["target"]) for link in graph["links"] if link["relation"] == relation}


def test_used_by_tells_declared_and_observed_users(modules):
    report = get("report").launch()
    assert [user.id for user in get("data").used_by] == [get("model").id]
    assert [user.id for user in get("model").used_by] == [report.id]
    assert report.used_by == [] and get("data", {"size": 9}).used_by == []


def test_the_input_of_one_plan_is_not_that_of_another(modules):
    plan = Experiment().component("data", name="data").component("model", uses="data")
    first, second = (execute(plan, seed=seed) for seed in (1, 2))
    for execution in (first, second):
        data, model = execution.components
        assert [user.directory for user in data.used_by] == [model.directory]


def test_derived_tells_what_was_derived_also_in_another_process(modules):
    data = get("data").launch()
    larger = data.derive({"size": 5}).launch()
    get("data", {"size": 7}).launch()
    assert [each.id for each in data.derived] == [larger.id]
    assert larger.derived == []
    told = modules.python("from machinable import get; print(*[d.id for d in get('data').derived])")
    assert told.stdout.split() == [larger.id]


def test_provenance_is_a_graph_of_all_that_went_in(modules):
    report = get("report").launch()
    graph = report.provenance()
    assert graph["directed"] and graph["graph"]["of"] == report.id
    assert links(graph, "observed") == {(report.id, get("model").id)}
    assert links(graph, "uses") == {(get("model").id, get("data").id)}
    kinds = {node["id"]: node["kind"] for node in graph["nodes"]}
    assert {kinds[get(name).id] for name in ("report", "model", "data")} == {"component"}
    assert set(kinds.values()) == {"component", "host", "environment"}
    assert all(link["source"] in kinds and link["target"] in kinds for link in graph["links"])


def test_provenance_names_the_execution_and_its_snapshot(modules):
    execution = execute(Experiment().component("data", name="data").component("model", uses="data"), seed=3)
    model = execution.components[1]
    graph = model.provenance()
    code = execution_document(modules, execution)["code"]["hash"]
    assert links(graph, "run by") == {
        (f"{execution.id}/{each.id}", f"execution {execution.id}") for each in execution.components
    }
    assert links(graph, "took") == {(f"execution {execution.id}", f"snapshot {code}")}


def test_provenance_with_a_lost_input_tells_that_it_is_missing(modules):
    model = get("model").launch()
    data = get("data")
    shutil.rmtree(data.directory)
    (missing,) = [node for node in model.provenance()["nodes"] if node.get("status") == "missing"]
    assert missing["id"] == data.id


def test_there_is_no_provenance_before_the_launch(modules):
    with pytest.raises(StorageError, match=r"has no record yet\. Launch it first\."):
        get("data").provenance()


def execution_document(workspace, execution):
    import json

    (path,) = (workspace.storage / execution.id / ".machinable/runs").iterdir()
    return json.loads(path.read_text())
