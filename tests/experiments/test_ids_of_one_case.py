"""IDs that differ only in case, where the file system ignores case.

Such a file system is simulated in a process whose `os` functions fold the case of the first part of a path below the
storage (the execution's directory): what is created as `0000aB` is found as `0000Ab` as well, and listed as it was
created. Mounting a real one needs rights that tests do not have.
"""

from __future__ import annotations

import json

import pytest

from machinable.execution.record import commit_execution, execution_directory
from machinable.identity.seeds import parse_seed

# The spelling that came first is the one on disk, as on macOS and Windows.
_FOLDING = """
import builtins
import os

ROOT = os.environ["FOLDED"] + os.sep
_listdir = os.listdir

def _folded(path):
    if not isinstance(path, (str, os.PathLike)):
        return path
    text = os.fspath(path)
    if not isinstance(text, str) or not text.startswith(ROOT):
        return path
    first, sep, rest = text[len(ROOT):].partition(os.sep)
    try:
        names = _listdir(ROOT)
    except FileNotFoundError:
        return path
    if first not in names:
        first = next((name for name in names if name.lower() == first.lower()), first)
    return ROOT + first + sep + rest

def _fold(function, count):
    def folding(*arguments, **options):
        paths = [_folded(argument) for argument in arguments[:count]]
        return function(*paths, *arguments[count:], **options)
    return folding

for name in ("open", "stat", "lstat", "mkdir", "listdir", "scandir", "access", "unlink", "rmdir", "utime", "remove"):
    setattr(os, name, _fold(getattr(os, name), 1))
for name in ("rename", "replace", "link"):
    setattr(os, name, _fold(getattr(os, name), 2))
builtins.open = _fold(builtins.open, 1)
"""

_UPPER, _LOWER, _MIXED = "0000AB", "0000ab", "0000aB"


@pytest.fixture
def folded(lab):
    lab.write("sitecustomize.py", _FOLDING)

    def script(source: str, *arguments: str):
        import os

        path = os.pathsep.join([str(lab.root), os.environ.get("PYTHONPATH", "")])
        return lab.script(source, *arguments, FOLDED=str(lab.storage), PYTHONPATH=path)

    return script


def test_the_simulated_file_system_ignores_case(lab, folded):
    lab.storage.mkdir()
    result = folded(
        "import os, sys\nos.mkdir(sys.argv[1] + '/Ab')\n"
        "print(os.path.isdir(sys.argv[1] + '/aB'), os.listdir(sys.argv[1]))",
        str(lab.storage),
    )
    assert result.stdout.split(maxsplit=1) == ["True", "['Ab']\n"]


def test_executions_whose_ids_differ_only_in_case_are_kept_apart(lab, folded):
    call = "execute(Experiment().component('trace').repeat(2), {!r}, 'native:2', seed={!r})"
    for id_ in (_UPPER, _LOWER, _MIXED):
        assert folded(call.format(str(lab.storage), id_)).stdout == f"{id_}\n"
    names = sorted(path.name for path in lab.storage.glob("[!.]*"))
    assert names == ["0000AB", "0000aB~01", "0000ab~00"]
    for name in names:
        document = json.loads((lab.storage / name / ".machinable/execution.json").read_text())
        assert document["id"] == name.partition("~")[0] and document["seed"] == parse_seed(document["id"])
        assert len(lab.results(name)) == 2
    assert len(lab.runs()) == 6


def test_each_is_found_again_and_reused(lab, folded):
    call = "e = execute(Experiment().component('trace'), {!r}, seed={!r})\nprint(e.components[0].directory)"
    first = {id_: folded(call.format(str(lab.storage), id_)).stdout for id_ in (_UPPER, _LOWER)}
    again = {id_: folded(call.format(str(lab.storage), id_)) for id_ in (_LOWER, _UPPER)}
    for id_, result in again.items():
        assert result.stdout == first[id_] and "1 reused" in result.stderr
    assert len(lab.runs()) == 2


def test_where_case_counts_every_execution_has_its_plain_name(lab):
    for id_ in (_UPPER, _LOWER):
        lab.script(f"execute('trace', 'results', seed={id_!r})")
    assert sorted(path.name for path in lab.storage.glob("[!.]*")) == [_UPPER, _LOWER]


def test_the_mask_has_a_bit_for_each_capital(tmp_path):
    """A unit test: the directory's name is a function of the ID and of what lies there."""
    root = str(tmp_path)
    assert execution_directory(root, "aBcDeF") == f"{root}/aBcDeF"
    taken = commit_execution(root, "abcdef", parse_seed("abcdef"), "name", 0.0)
    for id_, mask in (("aBcDeF", "15"), ("ABCDEF", "3f"), ("012ab0", "00"), ("Abcdef", "20")):
        link = tmp_path / id_
        link.symlink_to(taken)  # what a file system that ignores case answers
        assert execution_directory(root, id_) == f"{root}/{id_}~{mask}"
        link.unlink()
