"""Bad input costs one clear line that names the thing, the value and the remedy, and leaves the storage untouched."""

from __future__ import annotations

import os

import pytest

from machinable import Storage, get
from machinable.errors import ConfigurationError, ExecutionFailed, MachinableError, ProjectError, StorageError

TRAIN = """
    from machinable import Component


    class Train(Component):
        Config = {"lr": 0.1, "epochs": 3, "name": "a", "opt": {"momentum": 0.9, "kind": "sgd"}, "any": None}

        def __call__(self):
            if self.config.epochs == 13:
                self.deeper()

        def deeper(self):
            raise RuntimeError("unlucky")

        def version_small(self):
            return {"epochs": 1}

        def version_sized(self, size, *, more=0):
            return {"epochs": size + more}

        def version_wrong(self):
            return {"epoch": 1}
"""
CIRCULAR: list[object] = []
CIRCULAR.append(CIRCULAR)


@pytest.fixture
def train(workspace):
    workspace.write("train.py", TRAIN)
    workspace.write("training.py", TRAIN)
    workspace.write("models/deep.py", TRAIN)
    yield workspace
    assert not os.path.exists(workspace.storage)


WRONG_VERSIONS = {
    "unknown key": ({"lrr": 1}, ["'lrr'", "Did you mean 'lr'?"]),
    "unknown nested key": ({"opt": {"momentun": 1}}, ["'opt.momentun'", "'opt.momentum'"]),
    "unknown dotted key": ({"opt.momentun": 1}, ["'opt.momentun'", "'opt.momentum'"]),
    "unknown key, nothing near": ({"zzz": 1}, ["'zzz'", "It has: lr, epochs, name"]),
    "text for a number": ({"lr": "abc"}, ["lr", "'abc' (str)", "a float"]),
    "float for an integer": ({"epochs": 1.5}, ["epochs", "1.5 (float)", "an int"]),
    "number for a text": ({"name": 3}, ["name", "3 (int)", "a str"]),
    "value for a group": ({"opt": 3}, ["opt", "3"]),
    "NaN": ({"lr": float("nan")}, ["lr", "nan"]),
    "infinity": ({"any": float("inf")}, ["any", "inf"]),
    "set": ({"any": {1, 2}}, ["any", "set", "list"]),
    "bytes": ({"any": b"ab"}, ["any", "b'ab'"]),
    "lambda": ({"any": lambda: 1}, ["any", "function"]),
    "circular": ({"any": CIRCULAR}, ["any", "itself"]),
    "object": ({"any": object()}, ["any", "object"]),
    "key that is no text": ({"any": {3: 1}}, ["any", "3"]),
    "unknown version": ("~smal", ["smal", "small"]),
    "version that takes nothing": ("~small(3)", ["~small", "arguments"]),
    "version that needs something": ("~sized", ["sized", "size"]),
    "version with an unknown argument": ("~sized(1, mor=2)", ["sized", "mor"]),
    "version with what is no literal": ("~sized(open('x'))", ["sized"]),
    "version that sets an unknown key": ("~wrong", ["'epoch'", "'epochs'"]),
    "no version": (3, ["3"]),
    "text without a tilde": ("small", ["small", "~"]),
}


@pytest.mark.parametrize(("version", "words"), WRONG_VERSIONS.values(), ids=WRONG_VERSIONS)
def test_a_wrong_version_costs_one_clear_line(train, version, words):
    with pytest.raises(ConfigurationError) as error:
        get("train", version)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text
    assert "train" in text or "any" in text


WRONG_TARGETS = {
    "unknown module": ("trian", ["There is no module 'trian'", "train"]),
    "unknown module of a package": ("models.dep", ["models.dep", "models.deep"]),
    "unknown class": ("train:Trai", ["Trai", "train:Train"]),
    "empty": ("", ["''"]),
    "relative": ("../train", ["../train"]),
    "number": (3, ["3"]),
    "a class of another kind": (int, ["int", "Component"]),
}


@pytest.mark.parametrize(("target", "words"), WRONG_TARGETS.values(), ids=WRONG_TARGETS)
def test_a_wrong_target_costs_one_clear_line(train, target, words):
    with pytest.raises(ProjectError) as error:
        get(target)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_a_misspelt_engine_is_told_with_the_nearest_one(train):
    with pytest.raises(
        ProjectError, match=r"There is no module 'multiproces' .* did you mean 'multiprocess'\?"
    ):
        get("multiproces")


def test_an_unknown_module_is_told_with_where_it_was_looked_for(train):
    with pytest.raises(ProjectError, match=str(train.root)):
        get("trian")


def test_a_module_with_several_classes_lists_them(train):
    train.write("both.py", TRAIN + TRAIN.replace("class Train", "class Other"))
    with pytest.raises(ProjectError, match=r"both has 2 classes.*both:Train or both:Other"):
        get("both")
    assert get("both:Other").config.lr == 0.1


def test_a_module_without_a_class_says_so(train):
    train.write("empty.py", "x = 1\n")
    with pytest.raises(
        ProjectError, match=r"empty has no class that derives from.*empty\.py.*class Empty\(Component\)"
    ):
        get("empty")


def test_a_module_that_raises_shows_the_users_own_frames(train):
    train.write("helper.py", "def f():\n    return 1 / 0\n")
    train.write("broken.py", "import helper\nhelper.f()\n")
    with pytest.raises(ProjectError) as error:
        get("broken")
    text = str(error.value)
    assert "broken can not be imported: ZeroDivisionError" in text
    assert "helper.py:2" in text and "broken.py:2" in text
    assert "importlib" not in text and "machinable" not in text.replace("machinable:", "")
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_a_required_value_that_is_missing_is_named_with_the_way_to_give_it(train):
    train.write(
        "strict.py",
        'from machinable import Component\nclass Strict(Component):\n    Config = {"lr": "???"}\n',
    )
    expected = (
        "strict requires a value for the configuration key 'lr'. "
        "Set it with {'lr': …} in Python, lr=… on the command line."
    )
    with pytest.raises(ConfigurationError) as error:
        get("strict")
    assert str(error.value) == expected
    told = train.command("strict", "--launch")
    assert told.returncode == 2 and expected in told.stderr
    assert get("strict", {"lr": 1}).config.lr == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian", "--launch"], "There is no module 'trian'"),
        (["train", "lrr=1", "--launch"], "Did you mean 'lr'?"),
        (["train", "lr=abc", "--launch"], "from command line: lr=abc"),
        (["train", "@smal", "--launch"], "small"),
        (["train", "lr=.nan", "--launch"], "nan"),
    ],
)
def test_the_command_line_gives_one_line_and_exit_code_2(train, words, expected):
    told = train.command(*words)
    assert told.returncode == 2
    assert told.stdout == "" and len(told.stderr.splitlines()) == 1, told.stderr
    assert expected in told.stderr


def test_a_failed_component_shows_the_users_frames_the_id_the_log_and_the_retry(workspace):
    workspace.write("train.py", TRAIN)
    told = workspace.command("train", "epochs=13", "--launch", MACHINABLE_STORAGE=str(workspace.storage))
    component = get("train", {"epochs": 13})
    assert told.returncode == 1
    assert "RuntimeError: unlucky" in told.stderr and "in deeper" in told.stderr
    assert component.id in told.stderr
    assert os.path.join("storage", component.id, "output.log") in told.stderr
    assert "machinable train epochs=13 --launch" in told.stderr
    assert "lifecycle.py" not in told.stderr


def test_a_storage_that_is_a_file_costs_one_clear_line(train, tmp_path):
    (tmp_path / "file").write_text("x")
    with Storage(tmp_path / "file"), pytest.raises(MachinableError) as error:
        get("train").launch()
    cause = error.value if isinstance(error.value, StorageError) else error.value.__cause__
    assert isinstance(cause, StorageError)
    assert (
        str(tmp_path / "file") in str(cause)
        and "choose another storage" in str(cause)
        and "\n" not in str(cause)
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_storage_that_is_read_only_costs_one_clear_line(train, tmp_path):
    directory = tmp_path / "locked"
    directory.mkdir(mode=0o500)
    with Storage(directory), pytest.raises((StorageError, ExecutionFailed), match="permission denied"):
        get("train").launch()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ('{"format":1}', "lacks"),
        ("{]", "is not valid JSON"),
        ('{"format":99}', "Upgrade machinable"),
        ("[]", "does not hold a JSON object"),
    ],
)
def test_a_damaged_record_is_named_and_the_rest_stays_usable(workspace, damage, words):
    workspace.write("train.py", TRAIN)
    component, other = get("train").launch(), get("train", {"lr": 2}).launch()
    path = component.local_directory() / ".machinable" / "component.json"
    path.write_text(damage)
    with pytest.raises(StorageError) as error:
        get.by_id(component.id)
    assert str(path) in str(error.value) and words in str(error.value) and "\n" not in str(error.value)
    assert get("train", {"lr": 2}).launch().reused and get.by_id(other.id).cached()
    with pytest.raises(StorageError):
        get("train").launch()


@pytest.mark.parametrize("left", ["", "\0\0\0\0", '{"format":1,"kind":"comp'])
def test_a_record_that_a_crash_has_cut_is_put_aside_and_the_component_runs_anew(workspace, left, capsys):
    workspace.write("train.py", TRAIN)
    component = get("train").launch()
    (component.local_directory() / ".machinable" / "component.json").write_text(left)
    again = get("train")
    assert not again.cached()
    assert again.launch().cached()
    assert "moved to" in capsys.readouterr().err
    assert len(list((workspace.storage / ".machinable" / "trash").iterdir())) == 1
