"""The configuration as components see it."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from machinable.config import schema_of
from machinable.errors import ConfigurationError


@dataclass
class Layer:
    units: int = 3
    path: Path = Path("a")

    def double(self):
        return self.units * 2


@dataclass
class Config:
    lr: float = 0.1
    layer: Layer = field(default_factory=Layer)
    layers: list[Layer] = field(default_factory=lambda: [Layer()])
    free: dict = field(default_factory=dict)


@pytest.fixture
def view(configured):
    return configured(Config, {"lr": 1, "layer.units": 5, "free": {"a-b": [1, {"c": 2}]}}).view


def test_values_are_read_by_attribute_and_by_item(view):
    assert view.lr == view["lr"] == 1.0
    assert view.layer.units == view["layer"]["units"] == 5
    assert view.free["a-b"][1].c == 2


def test_it_is_a_mapping(view):
    assert isinstance(view, Mapping)
    assert list(view) == list(view.keys()) == ["lr", "layer", "layers", "free"]
    assert len(view) == 4 and "lr" in view and "units" not in view
    assert dict(view)["lr"] == 1.0 and {**view.layer}["units"] == 5
    assert dict(view.layer.items()) == {"units": 5, "path": Path("a")}
    assert view.get("nothing", 7) == 7


def test_it_equals_configurations_and_dicts_with_the_same_values(view, configured):
    assert view.layer == {"units": 5, "path": "a"} == view.layer.to_dict()
    assert view.layer == {"units": 5, "path": Path("a")}
    assert view == configured(Config, view).view
    assert view != configured(Config).view and view != 3


def test_it_can_not_be_changed(view):
    for change in (
        lambda: setattr(view, "lr", 2),
        lambda: setattr(view, "new", 2),
        lambda: view.__setitem__("lr", 2),
        lambda: delattr(view, "lr"),
        lambda: view.__delitem__("lr"),
        lambda: setattr(view.layer, "units", 2),
    ):
        with pytest.raises(ConfigurationError, match=r"read-only.*component\.derive"):
            change()


def test_what_is_read_shares_nothing(view):
    view.free["a-b"].append(3)
    view.to_dict()["free"].clear()
    view.layers.clear()
    assert view.free == {"a-b": [1, {"c": 2}]}
    assert len(view.layers) == 1


def test_an_unknown_name_is_an_error_that_names_the_nearest(view):
    with pytest.raises(AttributeError, match=r"train has no configuration key 'lrr'\. Did you mean 'lr'\?"):
        view.lrr  # noqa: B018
    with pytest.raises(KeyError, match="Did you mean 'units'"):
        view.layer["unit"]
    assert not hasattr(view, "_repr_markdown_")


def test_defaults_and_changes_can_be_asked_for(view):
    assert view._default_.lr == 0.1 and view._default_.layer.units == 3
    assert view._update_ == {"lr": 1.0, "layer": {"units": 5}, "free": {"a-b": [1, {"c": 2}]}}
    assert view.layer._default_ == {"units": 3, "path": "a"}
    assert view.layer._update_ == {"units": 5}


def test_methods_of_nested_models_are_reachable(view):
    assert view.layer.double() == 10
    assert view.layers[0].double() == 6


def test_fields_hide_the_methods_of_a_mapping(configured):
    view = configured({"items": [1], "values": 2, "keys": {"get": 3}}).view
    assert (view.items, view.values, view.keys.get) == ([1], 2, 3)
    assert view.to_dict() == {"items": [1], "values": 2, "keys": {"get": 3}}


def test_it_survives_pickling_and_copying(view):
    again = pickle.loads(pickle.dumps(view))
    assert again == view and again._update_ == view._update_ and again._default_ == view._default_
    assert again.layer.double() == 10 and again.layer.path == Path("a")
    assert copy.deepcopy(view) == copy.copy(view) == view


def test_it_survives_pickling_where_its_class_can_not_be_imported(configured):
    class Local:
        a: int = 1

    again = pickle.loads(pickle.dumps(configured({"x": Local, "y": [1]}).view))
    assert again == {"x": {"a": 1}, "y": [1]} and again.x.a == 1


def test_it_shows_itself(view):
    assert repr(view.layer) == "Config({'units': 5, 'path': 'a'})"
    html = view._repr_html_()
    assert "<b>lr</b>" in html and "layers" in html
    assert {"lr", "layer", "to_dict"} <= set(dir(view)) and "double" in dir(view.layer)


def test_its_html_is_escaped(configured):
    assert "<script>" not in configured({"a": "<script>"}).view._repr_html_()


def test_the_schema_does_not_keep_the_class_alive(interface):
    cls = interface({"a": 1})
    schema_of(cls)
    gone = weakref.ref(cls)
    del cls
    gc.collect()
    assert gone() is None


def test_scalar_configurations_load_no_heavy_modules():
    code = (
        "import sys\n"
        "from machinable.config import resolve, schema_of\n"
        "class T:\n"
        "    class Config:\n"
        "        lr: float = 0.1\n"
        "        n: 'int' = 3\n"
        "        name: str = 'a'\n"
        "        class inner:\n"
        "            flag: bool = True\n"
        "resolve(T(), [{'lr': 1, 'inner.flag': False}], lambda view: None)\n"
        "heavy = {'typing', 'msgspec', 'dataclasses', 'inspect', 'ast', 'difflib', 'pydantic', 'pathlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    source = str(Path(sys.modules["machinable.config"].__file__).parents[2])
    found = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {source!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
