"""The docs leave nothing out: names, methods, settings, variables, options, engines and commands are all there."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import machinable
from machinable import Collection, Component, Execution, Experiment, errors, get
from machinable.cli.commands import COMMANDS, load
from machinable.cli.help import TOPICS
from machinable.cli.options import SWITCHES, VALUED
from machinable.component.table import Table
from machinable.config.schema import schema_of
from machinable.engines import BUILT_IN, find_engine
from machinable.modules.project import SETTINGS
from machinable.store.claims import Unconditional

ROOT = Path(__file__).resolve().parent.parent
DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
REFERENCE = DOCS["reference.md"]


def public(cls: type) -> Iterator[tuple[str, Any]]:
    """The public members that a class and those it derives from within machinable define."""
    found = {
        name: value
        for base in reversed(cls.__mro__)
        if base.__module__.partition(".")[0] == "machinable"
        for name, value in vars(base).items()
    }
    return ((name, value) for name, value in found.items() if not name.startswith("_"))


def section(title: str) -> str:
    match = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", REFERENCE)
    assert match, f"docs/reference.md has no section {title}"
    return match[1]


def signature(function: Any, bound: int) -> str:
    """As the reference writes it: without types."""
    told = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in list(told.parameters.values())[bound:]
    ]
    return str(told.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def members() -> list[Any]:
    found = []
    for title, cls in {
        "get": type(get),
        "Component": Component,
        "Execution": Execution,
        "Experiment": Experiment,
        "Collection": Collection,
    }.items():
        for name, value in public(cls):
            found.append(pytest.param(title, name, value, id=f"{title}.{name}"))
    return found


@pytest.mark.parametrize("name", machinable.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    value = getattr(machinable, name)
    written = f"`{name}`"
    if callable(value) and name not in ("Collection", "Status"):
        written = f"`{name}{signature(value, 0)}`"
    assert written in section("Names")


@pytest.mark.parametrize(("title", "name", "value"), members())
def test_every_public_member_is_in_the_reference_as_it_is(title: str, name: str, value: Any) -> None:
    prefix = "get." if title == "get" else ""
    function = getattr(value, "__func__", value)
    written = f"`{prefix}{name}`"
    if inspect.isfunction(function):
        written = f"`{prefix}{name}{signature(function, 1)}`"
    assert written in section(title)


@pytest.mark.parametrize("name", [name for name, _ in public(Table) if name != "path"])
def test_every_public_member_of_the_table_is_in_the_reference(name: str) -> None:
    assert re.search(rf"`{name}\b", section("Component"))


def test_the_reference_names_no_method_that_is_not_there() -> None:
    for title, cls in {"Execution": Execution, "Experiment": Experiment, "Collection": Collection}.items():
        for name in re.findall(r"`([a-z_]+)\(", section(title)):
            assert hasattr(cls, name), f"{title} has no {name}"


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_reference_and_survives_pickling(name: str) -> None:
    assert f"| `{name}` |" in section("Errors")
    kind = getattr(errors, name)
    assert issubclass(kind, errors.MachinableError)
    error = kind("train has no key 'lrr'.\nDetails.")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_the_attributes_of_errors_survive_pickling() -> None:
    failed = errors.ExecutionFailed("1 of 2 failed", (("train", "4fKq0ZpT1xYc", "ValueError: x"),))
    assert pickle.loads(pickle.dumps(failed)).failures == failed.failures
    assert pickle.loads(pickle.dumps(errors.DamagedRecord("cut", True))).recoverable


def test_no_other_errors_are_raised_at_users() -> None:
    known = {getattr(errors, name) for name in errors.__all__}
    known.add(Unconditional)  # caught where it is asked whether a storage can be claimed
    waiting, found = [errors.MachinableError], set()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("machinable."):
            found.add(kind)
    assert found == known


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_the_docs(name: str) -> None:
    assert f"`{name}`" in section("Settings")
    assert re.search(rf"(?m)^{name} = ", DOCS["running.md"])


def variables() -> list[str]:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    return sorted({name for text in texts for name in re.findall(r"MACHINABLE_[A-Z_]+", text)})


@pytest.mark.parametrize("name", variables())
def test_every_variable_of_the_environment_is_in_the_docs(name: str) -> None:
    assert name in section("Settings")


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_engine_and_its_options_are_in_the_docs(name: str) -> None:
    assert f"`{name}`" in section("Engines")
    pages = DOCS["running.md"] + DOCS["clusters.md"]
    assert f"| `{name}` |" in pages
    engine = find_engine(name)
    assert engine is not None
    for option in schema_of(engine).fields:
        assert f"| `{option}` |" in pages, f"{name} has the option {option}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_docs_and_has_its_help(name: str) -> None:
    assert f"`machinable {name}" in DOCS["command-line.md"]
    assert f"`machinable {name}`" in section("Command line")
    assert load(name).HELP.startswith(f"machinable {name}")


@pytest.mark.parametrize("name", [*VALUED, *SWITCHES])
def test_every_option_is_in_the_docs(name: str) -> None:
    assert re.search(rf"\| `{name}\b", DOCS["command-line.md"])


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_of_the_help_is_in_the_docs(name: str) -> None:
    assert f"`{name}`" in DOCS["command-line.md"]


@pytest.mark.parametrize("page", sorted(DOCS))
def test_every_page_is_in_the_index(page: str) -> None:
    assert page == "README.md" or f"]({page})" in DOCS["README.md"]


@pytest.mark.parametrize("page", sorted(DOCS))
def test_links_to_headings_lead_to_one(page: str) -> None:
    for target, heading in re.findall(r"\]\(([\w.-]*\.md)?#([\w-]+)\)", DOCS[page]):
        text = re.sub(r"(?s)```.*?```", "", DOCS[target or page])
        headings = {
            re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
            for line in re.findall(r"(?m)^#+ (.*)$", text)
        }
        assert heading in headings, f"{page} links to {target}#{heading}"


def test_no_page_holds_a_path_of_a_machine_or_an_address_of_packages() -> None:
    for page, text in {**DOCS, "README.md of the repository": (ROOT / "README.md").read_text()}.items():
        assert not re.search(r"/home/|/Users/|/root/|/tmp/|index-url|/simple/", text), page
