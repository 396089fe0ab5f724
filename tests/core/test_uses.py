"""Inputs: how they are named, that they count for the identity, and that they run first."""

from __future__ import annotations

import pytest

from machinable import Component, Scope, get
from machinable.errors import ConfigurationError, ExecutionFailed, ProjectError
from machinable.types import Status

DATA = """
    from machinable import Component


    class Data(Component):
        Config = {"size": 3, "broken": False}

        def __call__(self):
            if self.config.broken:
                raise OSError("no data")
            self.save_file("data.json", list(range(self.config.size)))
"""
MODEL = """
    from machinable import Component


    class Model(Component):
        Config = {"factor": 2}
        uses = {"data": "data"}

        def __call__(self):
            numbers = self.uses["data"].load_file("data.json")
            self.save_file("model.json", [self.config.factor * number for number in numbers])
"""


@pytest.fixture
def modules(workspace):
    workspace.write("data.py", DATA)
    workspace.write("model.py", MODEL)
    return workspace


def test_an_input_is_launched_first(modules):
    model = get("model").launch()
    assert model.load_file("model.json") == [0, 2, 4]
    assert get("data").cached()
    assert model.inputs == [get("data").id]


def test_an_input_that_is_finished_is_not_launched_again(modules):
    data = get("data").launch()
    get("model").launch()
    assert len(data.executions) == 1


@pytest.mark.parametrize(
    "form",
    [
        lambda: {"data": ["data", {"size": 5}]},
        lambda: {"data": get("data", {"size": 5})},
        lambda: {"data": get("data", {"size": 5}).launch().id},
        lambda: [["data", {"size": 5}]],
        lambda: [get("data", {"size": 5})],
        lambda: {"data": [type(get("data")), {"size": 5}]},
    ],
    ids=["module and version", "component", "ID", "list", "list of a component", "class and version"],
)
def test_an_input_given_replaces_the_one_of_the_class(modules, form):
    model = get("model", uses=form()).launch()
    assert model.load_file("model.json") == [0, 2, 4, 6, 8]
    assert model.id == get("model", uses={"data": ["data", {"size": 5}]}).id
    assert model.id != get("model").id
    assert not get("data").cached()


def test_an_input_given_by_its_class_is_that_of_its_module(modules):
    assert get("model", uses={"data": type(get("data"))}).id == get("model").id


def test_inputs_are_named_in_the_identity(modules):
    data = get("data")
    named = get("model", uses={"other": data})
    assert set(named.uses) == {"data", "other"}
    assert named.id != get("model").id


def test_a_list_of_inputs_is_named_by_its_modules(modules):
    modules.write(
        "listed.py",
        """
        from machinable import Component


        class Listed(Component):
            uses = ["data", "parts.more"]

            def __call__(self):
                self.save_file("names.json", sorted(self.uses))
        """,
    )
    modules.write("parts/more.py", DATA)
    assert get("listed").launch().load_file("names.json") == ["data", "more"]


def test_an_input_of_an_input_runs_before_both(modules):
    modules.write(
        "report.py",
        MODEL.replace("Model", "Report")
        .replace('"data": "data"', '"data": "model"')
        .replace('load_file("data.json")', 'load_file("model.json")'),
    )
    assert get("report").launch().load_file("model.json") == [0, 4, 8]


def test_the_identity_of_an_input_counts_as_requested(modules):
    model = get("model")
    before = model.id
    get("data").launch()
    get.new("data").launch()  # `get("data")` finds this one from now on
    assert get("model", uses={"data": ["data"]}).identity != "" and get("model").id == before == model.id


def test_circular_inputs_are_an_error_that_names_the_chain(modules):
    modules.write(
        "one.py", 'from machinable import Component\nclass One(Component):\n    uses = {"next": "two"}\n'
    )
    modules.write(
        "two.py", 'from machinable import Component\nclass Two(Component):\n    uses = {"next": "one"}\n'
    )
    with pytest.raises(ConfigurationError, match="one → two → one"):
        get("one")
    modules.write(
        "own.py", 'from machinable import Component\nclass Own(Component):\n    uses = {"me": "own"}\n'
    )
    with pytest.raises(ConfigurationError, match="own → own"):
        get("own")


def test_an_input_that_does_not_exist_is_an_error_at_once(modules):
    with pytest.raises(ProjectError, match=r"There is no module 'dat'.*data"):
        get("model", uses={"data": "dat"})
    with pytest.raises(ConfigurationError, match="the input 'data' is 3;"):
        get("model", uses={"data": 3})
    with pytest.raises(ConfigurationError, match="'a b' can not be the name of an input"):
        get("model", uses={"a b": "data"})
    with pytest.raises(
        ConfigurationError, match=r"data has no configuration key 'sise'. Did you mean 'size'"
    ):
        get("model", uses={"data": ["data", {"sise": 3}]})


def test_a_user_of_a_failed_input_is_blocked(modules):
    model = get("model", uses={"data": ["data", {"broken": True}]})
    with pytest.raises(ExecutionFailed, match="no data") as failure:
        model.launch()
    reasons = {module: reason for module, _, reason in failure.value.failures}
    assert reasons["data"] == "OSError: no data"
    assert reasons["model"] == "blocked: its input 'data' failed"
    assert isinstance(failure.value.__cause__, OSError)
    assert model.status is Status.PENDING


def test_a_component_found_by_its_id_has_its_inputs(modules):
    model = get("model", uses={"data": ["data", {"size": 1}]}).launch()
    found = get.by_id(model.id)
    assert set(found.uses) == {"data"}
    assert found.uses["data"].config.size == 1
    assert found.uses["data"].load_file("data.json") == [0]
    with pytest.raises(KeyError):
        found.uses["other"]


def test_what_a_component_loads_while_it_runs_is_observed(modules):
    modules.write(
        "observer.py",
        """
        from machinable import Component, get


        class Observer(Component):
            uses = {"data": "data"}

            def __call__(self):
                get("data", {"size": 1}).launch()
                get("data", {"size": 2}).load_file("data.json")
                get("data", {"size": 9})  # neither loaded nor launched
        """,
    )
    loaded = get("data", {"size": 2}).launch()
    observer = get("observer").launch()
    expected = [get("data").id, get("data", {"size": 1}).id, loaded.id]
    assert observer.inputs == expected
    assert get.by_id(observer.id).inputs == expected


def test_a_component_launched_inside_of_another_runs_inline(modules):
    modules.write(
        "outer.py",
        """
        import os
        from machinable import Component, get


        class Outer(Component):
            def __call__(self):
                print("before")
                self.save_file("data.json", get("data").launch().load_file("data.json"))
                print("after")
        """,
    )
    outer = get("outer").launch()
    assert outer.load_file("data.json") == [0, 1, 2]
    assert outer.output() == "before\nafter\n"
    assert outer.execution.components == [outer]


def test_launching_oneself_is_an_error_that_names_the_chain(modules):
    modules.write(
        "again.py",
        """
        from machinable import Component, get


        class Again(Component):
            def __call__(self):
                get("again").launch()
        """,
    )
    again = get("again")
    with pytest.raises(ExecutionFailed, match=f"can not launch itself: again {again.id} → again {again.id}"):
        again.launch()


def test_inputs_are_asked_for_in_the_scope_of_their_user(modules):
    with Scope({"fold": 1}):
        model = get("model")
        data = get("data")
    assert model.uses["data"].id == data.id != get("data").id
    model.launch()
    assert data.cached() and not get("data").cached()


def test_a_component_can_be_asked_for_its_inputs_before_it_runs(modules):
    model = get("model")
    assert isinstance(model.uses["data"], Component)
    assert model.uses["data"].status is Status.PENDING


def test_inputs_that_many_share_are_looked_for_once(workspace):
    workspace.write(
        "node.py",
        """
        from machinable import Component


        class Node(Component):
            Config = {"layer": 0, "n": 0}
        """,
    )
    # There are 4 ** 12 ways from the last layer to the first: one look for each would never end.
    layer = [get("node", {"n": n}) for n in range(4)]
    for depth in range(1, 13):
        uses = {f"input_{n}": node for n, node in enumerate(layer)}
        layer = [get("node", {"layer": depth, "n": n}, uses=uses) for n in range(4)]
    last = layer[0].launch()
    assert last.cached() and len(get.all("node")) == 12 * 4 + 1
