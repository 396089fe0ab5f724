"""Classes change, and what was computed before is found again, as long as there is no doubt that it is the same."""

from __future__ import annotations

import os
import shutil
import stat
import sys

import pytest

from machinable import get
from machinable.api import _classes


@pytest.fixture
def train(workspace):
    """Writes train.py anew, and forgets the one before, as a new process does."""

    def write(config: str, body: str = "", name: str = "train") -> None:
        for module in [m for m in sys.modules if m in ("train", "user")]:
            del sys.modules[module]
        _classes.clear()
        workspace.write(
            f"{name}.py",
            f"""
            from machinable import Component, Field


            class {name.capitalize()}(Component):
                Config = {config}
                {body}

                def __call__(self):
                    self.save_file("config.json", self.config.to_dict())
            """,
        )

    write.workspace = workspace
    return write


def test_a_field_added_at_its_default_finds_the_old_record(train):
    train("{'lr': 0.1}")
    old = get("train", {"lr": 0.5}).launch()
    train("{'lr': 0.1, 'l2': 0.0}")
    found = get("train", {"lr": 0.5})
    assert found.cached() and found.id == old.id and found.seed == old.seed
    assert found.config.l2 == 0.0
    assert found.launch().reused
    assert not get("train", {"lr": 0.5, "l2": 1.0}).cached()


def test_a_nested_field_added_at_its_default_finds_the_old_record(train):
    train("{'optimizer': {'lr': 0.1}}")
    old = get("train").launch()
    train("{'optimizer': {'lr': 0.1, 'momentum': 0.9}, 'extra': {'deep': {'er': 1}}}")
    assert get("train").id == old.id
    assert not get("train", {"optimizer.momentum": 0.5}).cached()


def test_a_changed_default_is_another_component(train):
    train("{'lr': 0.1}")
    get("train").launch()
    train("{'lr': 0.2}")
    assert not get("train").cached()
    assert get("train", {"lr": 0.1}).cached()


def test_a_removed_field_counts_at_its_default(train):
    train("{'lr': 0.1, 'l2': 0.0}")
    old = get("train").launch()
    other = get("train", {"l2": 1.0}).launch()
    train("{'lr': 0.1}")
    assert get("train").id == old.id
    assert get.by_id(other.id).config.to_dict() == {"lr": 0.1, "l2": 1.0}


def test_an_added_field_whose_default_changed_later_does_not_find_the_old_record(train):
    train("{'lr': 0.1}")
    get("train").launch()
    train("{'lr': 0.1, 'l2': 0.0}")
    get("train", {"lr": 0.7}).launch()  # the shape with l2 = 0.0 is known from here on
    train("{'lr': 0.1, 'l2': 0.5}")
    assert not get("train").cached()
    assert not get("train", {"l2": 0.0}).cached()  # 0.0 once, 0.5 now: the old record may mean either


def test_a_removed_field_that_had_several_defaults_gives_a_note_and_no_match(train, capsys):
    train("{'lr': 0.1, 'l2': 0.0}")
    old = get("train").launch()
    train("{'lr': 0.1, 'l2': 0.5}")
    get("train", {"lr": 0.9}).launch()
    train("{'lr': 0.1}")
    assert not get("train").cached()
    note = capsys.readouterr().err
    assert old.id in note and "'l2'" in note and note.count("\n") == 1


def test_a_renamed_field_finds_the_old_record(train):
    train("{'lr': 0.1, 'n': 3}")
    old = get("train", {"lr": 0.7}).launch()
    train("{'rate': Field(0.1, was='lr'), 'n': 3}")
    assert get("train", {"rate": 0.7}).id == old.id
    assert not get("train", {"rate": 0.1}).cached()


def test_a_field_renamed_without_saying_so_is_another_component(train):
    train("{'lr': 0.1}")
    get("train", {"lr": 0.7}).launch()
    train("{'rate': 0.1}")
    assert not get("train", {"rate": 0.7}).cached()


@pytest.fixture
def inputs(train):
    train.workspace.write(
        "data.py",
        """
        from machinable import Component

        class Data(Component):
            Config = {"size": 1}
        """,
    )
    return train


def test_an_added_input_at_its_default_finds_the_old_record(inputs):
    inputs("{'lr': 0.1}")
    old = get("train").launch()
    inputs("{'lr': 0.1}", "uses = {'data': 'data'}")
    assert get("train").id == old.id
    assert not get("train", uses={"data": ["data", {"size": 2}]}).cached()


def test_a_removed_input_counts_at_its_default(inputs):
    inputs("{'lr': 0.1}", "uses = {'data': 'data'}")
    old = get("train").launch()
    inputs("{'lr': 0.1}")
    assert get("train").id == old.id


def test_an_input_with_another_default_is_another_component(inputs):
    inputs("{'lr': 0.1}", "uses = {'data': 'data'}")
    get("train").launch()
    inputs("{'lr': 0.1}", "uses = {'data': ['data', {'size': 2}]}")
    assert not get("train").cached()


def test_an_input_that_was_found_under_an_earlier_shape_is_the_same_input(inputs):
    inputs("{'lr': 0.1}")
    inputs("{'n': 1}", "uses = {'train': 'train'}", name="user")
    old = get("user").launch()
    inputs("{'lr': 0.1, 'l2': 0.0}")
    inputs("{'n': 1}", "uses = {'train': 'train'}", name="user")
    assert get("user").id == old.id


def test_shapes_that_were_deleted_are_rebuilt(train):
    train("{'lr': 0.1}")
    old = get("train").launch()
    shutil.rmtree(train.workspace.storage / ".machinable" / "shapes")
    train.workspace.write(
        "train.py",
        """
        from machinable import Component

        class Train(Component):
            Config = {"lr": 0.1, "l2": 0.0}
        """,
    )
    told = train.workspace.python(
        """
        from machinable import Storage, get
        with Storage("storage"):
            print(get("train").id, get("train", {"l2": 2.0}).launch().cached())
        """
    )
    assert told.stdout.split() == [old.id, "True"]
    shapes = train.workspace.storage / ".machinable" / "shapes"
    assert len(list(shapes.rglob("*.json"))) == 2


def listing(directory):
    return sorted(
        (path, names, files, os.stat(path).st_mtime_ns) for path, names, files in os.walk(directory)
    )


def test_a_look_up_writes_nothing(train):
    train("{'lr': 0.1}")
    old = get("train").launch()
    shutil.rmtree(train.workspace.storage / ".machinable" / "shapes")
    train("{'lr': 0.1, 'l2': 0.0}")
    before = listing(train.workspace.storage)
    assert get("train").id == old.id
    assert get("train").launch().load_file("config.json") == {"lr": 0.1}
    assert get.by_id(old.id).cached()
    assert get("train", {"l2": 1.0}).status == "pending"
    assert listing(train.workspace.storage) == before


def test_a_read_only_storage_is_read(train):
    train("{'lr': 0.1}")
    old = get("train").launch()
    paths = [path for path, _, _ in os.walk(train.workspace.storage)]
    for path in paths:
        os.chmod(path, stat.S_IRUSR | stat.S_IXUSR)
    try:
        train("{'lr': 0.1, 'l2': 0.0}")
        assert get("train").launch().id == old.id
    finally:
        for path in paths:
            os.chmod(path, 0o755)


def test_component_json_carries_the_fields_and_defaults_of_its_time(train):
    import json

    train("{'lr': 0.1, 'deep': {'er': 1}, 'device': Field('cpu', identifying=False)}")
    document = json.loads(
        (get("train").launch().local_directory() / ".machinable" / "component.json").read_text()
    )
    assert document["format"] == 1
    assert document["shape"] == {"fields": {"deep.er": 1, "lr": 0.1}, "uses": {}}
